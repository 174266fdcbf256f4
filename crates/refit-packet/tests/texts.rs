//! Topic names, topic filters and shared subscriptions, by themselves.

use refit_packet::Version::{V5, V311};
use refit_packet::{Error, Shared, check_topic_filter, check_topic_name, shared};

#[test]
fn topic_names() {
    for topic in ["a", "/", "a//b", "$SYS/x", " ", "é/€", "$share/g/a"] {
        assert_eq!(check_topic_name(topic), Ok(()), "{topic}");
    }
    assert_eq!(check_topic_name(""), Err(Error::TopicEmpty));
    assert_eq!(check_topic_name("a/+"), Err(Error::TopicWildcard));
    assert_eq!(check_topic_name("a#"), Err(Error::TopicWildcard));
    assert_eq!(check_topic_name("a\0"), Err(Error::Nul));
    assert_eq!(check_topic_name(&"x".repeat(65_535)), Ok(()));
    assert_eq!(
        check_topic_name(&"x".repeat(65_536)),
        Err(Error::FieldTooLong)
    );
}

#[test]
fn topic_filters() {
    for filter in [
        "#", "+", "+/#", "a/+/b", "/", "//", "a/#", "/+", "$share", "$SYS/#",
    ] {
        for version in [V311, V5] {
            assert_eq!(check_topic_filter(filter, version), Ok(()), "{filter}");
        }
    }
    for filter in ["a#", "#/", "#/#", "a+", "+a", "a/#/b", "++", "##", "+#"] {
        for version in [V311, V5] {
            assert_eq!(
                check_topic_filter(filter, version),
                Err(Error::FilterWildcard),
                "{filter}"
            );
        }
    }
    assert_eq!(check_topic_filter("", V5), Err(Error::FilterEmpty));
    assert_eq!(
        check_topic_filter(&"x".repeat(65_536), V5),
        Err(Error::FieldTooLong)
    );
}

#[test]
fn shared_subscriptions() {
    assert_eq!(
        shared("$share/g/a/+"),
        Some(Shared {
            group: "g",
            filter: "a/+"
        })
    );
    assert_eq!(
        shared("$share/g//"),
        Some(Shared {
            group: "g",
            filter: "/"
        })
    );
    for plain in [
        "a",
        "$share",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//a",
        "$SHARE/g/a",
    ] {
        assert_eq!(shared(plain), None, "{plain}");
    }
    assert_eq!(
        check_topic_filter("$share/g/#/a", V5),
        Err(Error::FilterWildcard)
    );
    // In 3.1.1 it is a filter like any other.
    assert_eq!(check_topic_filter("$share/g", V311), Ok(()));
}
