//! Where in the order of IDs the devices of a scope are, so that a list of them is read without all the others.

/// A byte behind all that an ID may have.
const BEHIND_ALL: &str = "\u{7f}";

/// A stretch of IDs in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// What the first ID is, or comes before it.
    pub from: String,
    /// What comes behind the last one; no ID of the span itself.
    pub before: String,
}

impl Span {
    /// All that there are.
    pub fn all() -> Self {
        Self::of_prefix("")
    }

    /// One ID alone.
    pub(crate) fn of_id(id: &str) -> Self {
        Self {
            from: id.into(),
            // The least text behind it.
            before: format!("{id}\0"),
        }
    }

    /// All that begin with what stands before the first wildcard.
    pub(crate) fn of_glob(glob: &str) -> Self {
        Self::of_prefix(glob.split(['*', '?']).next().unwrap_or_default())
    }

    fn of_prefix(prefix: &str) -> Self {
        Self {
            from: prefix.into(),
            before: format!("{prefix}{BEHIND_ALL}"),
        }
    }

    /// Tells whether this text is in it.
    pub fn has(&self, id: &str) -> bool {
        self.from.as_str() <= id && id < self.before.as_str()
    }
}

/// Puts together what overlaps or touches.
pub(crate) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut union: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match union.last_mut() {
            Some(last) if span.from <= last.before => {
                if last.before < span.before {
                    last.before = span.before;
                }
            }
            _ => union.push(span),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union_of(patterns: &[&str]) -> Vec<(String, String)> {
        let spans = patterns.iter().map(|pattern| match pattern.contains('*') {
            true => Span::of_glob(pattern),
            false => Span::of_id(pattern),
        });
        let union = union(spans.collect());
        union.into_iter().map(|s| (s.from, s.before)).collect()
    }

    fn pair(from: &str, before: &str) -> (String, String) {
        (from.into(), before.into())
    }

    #[test]
    fn spans_are_in_order_and_do_not_overlap() {
        let plant = || pair("plant-7-", "plant-7-\u{7f}");
        assert_eq!(union_of(&["plant-7-*"]), [plant()]);
        let within = ["plant-7-*", "plant-7-x*", "plant-7-a", "plant-7-*-b"];
        assert_eq!(union_of(&within), [plant()]);
        assert_eq!(
            union_of(&["plant-7-*", "b", "a*"]),
            [pair("a", "a\u{7f}"), pair("b", "b\0"), plant()]
        );
        assert_eq!(union_of(&["a*", "*-7"]), [pair("", "\u{7f}")]);
    }

    #[test]
    fn an_id_is_alone_in_its_span() {
        let span = Span::of_id("lamp-7");
        assert!(span.has("lamp-7"));
        assert!(!span.has("lamp-70") && !span.has("lamp-6") && !span.has("lamp-7-"));
        assert!(Span::all().has("") && Span::all().has("zzz"));
    }
}
