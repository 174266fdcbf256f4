//! How an update changes a state: objects are merged, `null` deletes, anything else replaces (RFC 7396).

use alloc::string::String;
use serde_json::{Map, Value};

/// Merges `patch` into `state` and returns the part that really changed, deletions as `null`; `None` if nothing did.
pub fn merge(
    state: &mut Map<String, Value>,
    patch: Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut changed = Map::new();
    for (key, value) in patch {
        if let Some(part) = merge_key(state, &key, value) {
            changed.insert(key, part);
        }
    }
    (!changed.is_empty()).then_some(changed)
}

fn merge_key(state: &mut Map<String, Value>, key: &str, value: Value) -> Option<Value> {
    match (state.get_mut(key), value) {
        (None, Value::Null) => None,
        (Some(_), Value::Null) => {
            state.remove(key);
            Some(Value::Null)
        }
        (Some(Value::Object(inner)), Value::Object(patch)) => {
            merge(inner, patch).map(Value::Object)
        }
        (Some(old), value) => {
            let value = without_nulls(value);
            if *old == value {
                return None;
            }
            old.clone_from(&value);
            Some(value)
        }
        (None, value) => {
            let value = without_nulls(value);
            state.insert(key.into(), value.clone());
            Some(value)
        }
    }
}

/// A new object starts from nothing, so a `null` in it deletes what is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k, without_nulls(v)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            unreachable!()
        };
        map
    }

    #[test]
    fn merge_and_what_it_says_changed() {
        for (state, patch, merged, changed) in [
            (json!({}), json!({"a": 1}), json!({"a": 1}), json!({"a": 1})),
            (
                json!({"a": 1}),
                json!({"a": 1}),
                json!({"a": 1}),
                json!(null),
            ),
            (
                json!({"a": 1, "b": 2}),
                json!({"a": null}),
                json!({"b": 2}),
                json!({"a": null}),
            ),
            (
                json!({"a": {"x": 1, "y": 2}}),
                json!({"a": {"y": 3}}),
                json!({"a": {"x": 1, "y": 3}}),
                json!({"a": {"y": 3}}),
            ),
            (
                json!({"a": {"x": 1}}),
                json!({"a": {"x": null}}),
                json!({"a": {}}),
                json!({"a": {"x": null}}),
            ),
            (
                json!({"a": [1, 2]}),
                json!({"a": [2]}),
                json!({"a": [2]}),
                json!({"a": [2]}),
            ),
            (
                json!({"a": {"x": 1}}),
                json!({"a": 5}),
                json!({"a": 5}),
                json!({"a": 5}),
            ),
            (
                json!({}),
                json!({"a": {"x": null, "y": 1}}),
                json!({"a": {"y": 1}}),
                json!({"a": {"y": 1}}),
            ),
            (json!({}), json!({"a": null}), json!({}), json!(null)),
        ] {
            let mut state = object(state);
            let said = merge(&mut state, object(patch.clone()));
            assert_eq!(Value::Object(state), merged, "{patch}");
            assert_eq!(said.map_or(Value::Null, Value::Object), changed, "{patch}");
        }
    }

    #[test]
    fn merging_twice_changes_nothing_more() {
        let patch = object(json!({"a": {"b": {"c": [1]}, "d": null}, "e": null}));
        let mut state = object(json!({"a": {"d": 1}, "e": 2}));
        assert!(merge(&mut state, patch.clone()).is_some());
        assert_eq!(merge(&mut state, patch), None);
    }
}
