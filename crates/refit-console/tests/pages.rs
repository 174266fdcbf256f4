//! What holds of every page.

mod sample;

use std::collections::BTreeSet;

/// The values of an attribute, as pages are written: always in double quotes.
fn values<'a>(html: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {attribute}=\"");
    let parts: Vec<&str> = html.split(start.as_str()).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split('"').next())
}

#[test]
fn nothing_on_a_page_needs_a_laxer_policy() {
    for (name, html) in sample::pages() {
        assert_eq!(values(&html, "style").count(), 0, "{name}");
        assert!(!html.contains("<style"), "{name}");
        for tag in html.split('<').filter_map(|rest| rest.split('>').next()) {
            let handler = tag
                .split('"')
                .any(|part| part.ends_with('=') && part.trim().starts_with("on"));
            assert!(!handler, "{name}: {tag}");
        }
        for script in html.split("<script").skip(1) {
            assert!(
                script.starts_with(" type=\"module\" src=\"/console/"),
                "{name}"
            );
        }
    }
}

#[test]
fn names_of_fragments_are_unique_and_what_refers_to_one_finds_it() {
    for (name, html) in sample::pages() {
        let ids: Vec<&str> = values(&html, "id").collect();
        let known: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), known.len(), "{name}: {ids:?}");
        for attribute in ["for", "aria-labelledby", "aria-describedby"] {
            for id in values(&html, attribute) {
                assert!(known.contains(id), "{name}: {attribute}={id}");
            }
        }
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
    }
}

#[test]
fn every_count_is_a_link() {
    for (name, html) in sample::pages() {
        let before: Vec<&str> = html.split("<b data-f>").collect();
        for before in before.iter().take(before.len() - 1) {
            let (opened, closed) = (before.rfind("<a "), before.rfind("</a>"));
            assert!(
                opened > closed,
                "{name}: {}",
                &before[opened.unwrap_or(0)..]
            );
        }
    }
}
