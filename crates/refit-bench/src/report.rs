//! One figure, one line: `name value unit ratio-to-yardstick`.

/// Prints a figure and how it stands to the yardstick that ran beside it.
pub(crate) fn line(name: &str, value: f64, unit: &str, ratio: f64) {
    let digits = digits(value);
    println!("{name} {value:.digits$} {unit} {ratio:.2}");
}

/// Prints a figure that has no yardstick, or is one.
pub(crate) fn plain(name: &str, value: f64, unit: &str) {
    let digits = digits(value);
    println!("{name} {value:.digits$} {unit} -");
}

/// Small figures are latencies in milliseconds, of which the microseconds count.
fn digits(value: f64) -> usize {
    if value < 100.0 { 3 } else { 1 }
}
