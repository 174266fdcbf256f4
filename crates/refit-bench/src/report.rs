//! One figure, one line: `name value unit ratio-to-yardstick`.

/// Prints a figure and how it stands to the yardstick that ran beside it.
pub(crate) fn line(name: &str, value: f64, unit: &str, ratio: f64) {
    println!("{name} {value:.1} {unit} {ratio:.2}");
}
