//! Lists of entity tags, `*` or `"a", W/"b"` (RFC 9110 §8.8.3, §13.1.1, §13.1.2). A list that cannot be read to its
//! end matches nothing: a half-understood condition is none.

/// Tells whether a list holds `tag` by strong comparison: neither may be weak (§8.8.3.2).
pub fn match_strongly(list: &[u8], tag: &[u8]) -> bool {
    holds(list, tag, false)
}

/// Tells whether a list holds `tag` by weak comparison: weak or not (§8.8.3.2).
pub fn match_weakly(list: &[u8], tag: &[u8]) -> bool {
    holds(list, tag, true)
}

fn holds(list: &[u8], tag: &[u8], weak_counts: bool) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    let mut held = false;
    while !rest.is_empty() {
        // Empty members are allowed (§5.6.1.2).
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
            continue;
        }
        let Some((member, weak, after)) = next(rest) else {
            return false;
        };
        held |= member == tag && (weak_counts || !weak);
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return false;
        }
    }
    held
}

/// Takes one tag, with its quotes, from the front; tells whether it was weak, and what follows.
fn next(list: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (weak, list) = match list.strip_prefix(b"W/") {
        Some(list) => (true, list),
        None => (false, list),
    };
    let inner = list.strip_prefix(b"\"")?;
    let end = inner.iter().position(|b| *b == b'"')?;
    let opaque = |b: &u8| matches!(b, 0x21 | 0x23..=0x7e | 0x80..);
    if !inner[..end].iter().all(opaque) {
        return None;
    }
    let (tag, after) = list.split_at(end + 2);
    Some((tag, weak, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compared_strongly_and_weakly() {
        for (list, strongly, weakly) in [
            (r#""x""#, true, true),
            (r#"W/"x""#, false, true),
            (r#""a,b" , W/"x", "x""#, true, true),
            (r#" ,, "x" ,"#, true, true),
            ("*", true, true),
            (" * ", true, true),
            (r#""X""#, false, false),
            (r#""a, "x""#, false, false),
            (r#"w/"x""#, false, false),
            (r#""x" "y""#, false, false),
            (r#""x", *"#, false, false),
            (r#""x", nonsense"#, false, false),
            (r#""x"#, false, false),
            (r#""a b", "x""#, false, false),
            ("x", false, false),
            ("", false, false),
        ] {
            let got = (
                match_strongly(list.as_bytes(), br#""x""#),
                match_weakly(list.as_bytes(), br#""x""#),
            );
            assert_eq!(got, (strongly, weakly), "{list}");
        }
    }
}
