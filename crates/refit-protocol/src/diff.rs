//! The difference between what is desired and what is reported: what a device still has to do.

use crate::software_url;
use alloc::string::String;
use serde_json::{Map, Value};

/// The one field that Refit itself acts on.
pub const SOFTWARE_URL: &str = "softwareURL";

/// Returns the part of `desired` that `reported` does not have. A key that is only reported is no difference.
/// `softwareURL` is compared by [`software_url::same`]; numbers by value, so that `1` is `1.0`.
pub fn difference(
    desired: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> Map<String, Value> {
    let mut difference = Map::new();
    for (key, want) in desired {
        let part = match (want, reported.get(key)) {
            (Value::String(want), Some(Value::String(have)))
                if key == SOFTWARE_URL && software_url::same(want, have) =>
            {
                None
            }
            (want, have) => missing(want, have),
        };
        if let Some(part) = part {
            difference.insert(key.clone(), part);
        }
    }
    difference
}

fn missing(want: &Value, have: Option<&Value>) -> Option<Value> {
    match (want, have) {
        (Value::Object(want), Some(Value::Object(have))) => {
            let mut part = Map::new();
            for (key, want) in want {
                if let Some(rest) = missing(want, have.get(key)) {
                    part.insert(key.clone(), rest);
                }
            }
            (!part.is_empty()).then_some(Value::Object(part))
        }
        (want, Some(have)) if equal(want, have) => None,
        (want, _) => Some(want.clone()),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_desired_and_not_reported_is_a_difference() {
        let d = "c".repeat(64);
        for (desired, reported, rest) in [
            (json!({"a": 1}), json!({}), json!({"a": 1})),
            (json!({"a": 1}), json!({"a": 1.0, "b": 2}), json!({})),
            (
                json!({"a": {"x": 1, "y": [1, 2]}}),
                json!({"a": {"x": 1, "y": [2]}}),
                json!({"a": {"y": [1, 2]}}),
            ),
            (json!({"a": {}}), json!({"a": {"x": 1}}), json!({})),
            (
                json!({"a": {"x": 1}}),
                json!({"a": 2}),
                json!({"a": {"x": 1}}),
            ),
            (json!({}), json!({"a": 2}), json!({})),
            (
                json!({"softwareURL": format!("http://a/depot/sha256/{d}")}),
                json!({"softwareURL": format!("https://b/x/depot/sha256/{d}?s=1")}),
                json!({}),
            ),
            (
                json!({"n": {"softwareURL": "http://a/f#1"}}),
                json!({"n": {"softwareURL": "http://a/f"}}),
                json!({"n": {"softwareURL": "http://a/f#1"}}),
            ),
        ] {
            let (Value::Object(desired), Value::Object(reported)) = (desired, reported) else {
                unreachable!()
            };
            assert_eq!(Value::Object(difference(&desired, &reported)), rest);
        }
    }
}
