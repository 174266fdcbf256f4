//! A page of the Prometheus text format (version 0.0.4).

use std::fmt::{Display, Write as _};

use refit_store::stats::Histogram;

/// A page in the making: each family is described, then its values follow.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// Label values are our own words; none needs escaping.
    pub(crate) fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        match labels.as_slice() {
            [] => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    /// Buckets are cumulative in this format; `unit` turns the sum into the unit of the bounds.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        bounds: &[f64],
        unit: f64,
        histogram: &Histogram,
    ) {
        let mut so_far = 0;
        for (bound, count) in bounds.iter().zip(histogram.buckets) {
            so_far += count;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {so_far}"));
        }
        let count = histogram.count();
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        self.line(format_args!("{name}_sum {}", histogram.sum as f64 * unit));
        self.line(format_args!("{name}_count {count}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative_and_end_with_everything() {
        let mut histogram = Histogram {
            sum: 5_000,
            ..Histogram::default()
        };
        histogram.buckets[0] = 2;
        histogram.buckets[24] = 1;
        let mut page = Page::default();
        page.histogram("h", &[0.5, 1.0], 1e-3, &histogram);
        assert_eq!(
            page.text,
            "h_bucket{le=\"0.5\"} 2\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 5\nh_count 3\n"
        );
    }
}
