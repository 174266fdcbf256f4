//! Reading a body into its type. What is wrong with it is said by field, and without what it holds: that may be a secret.

use axum::body::Body;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::http::error::{FieldCode, FieldError, Kind, Problem};

/// Reads a JSON object as one of these.
pub(crate) async fn document<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    read(Value::Object(super::object(headers, body).await?))
}

fn read<T: DeserializeOwned>(body: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let error = of_serde(error.path(), &error.inner().to_string());
        Problem::of_fields(Kind::Unprocessable, &[error])
    })
}

/// Takes out of serde's sentence what is no value: which kind of mistake it is, the names, and what was expected.
fn of_serde(path: &Path, said: &str) -> FieldError {
    let mut path: Vec<String> = path.iter().filter_map(segment).collect();
    let name = said.split('`').nth(1).unwrap_or_default().to_owned();
    let expected = said
        .rsplit_once(", expected ")
        .map_or("", |(_, expected)| expected);
    let (code, detail) = if said.starts_with("unknown field") {
        if path.last() != Some(&name) {
            path.push(name.clone());
        }
        (FieldCode::Unknown, said.to_owned())
    } else if said.starts_with("missing field") {
        path.push(name.clone());
        (FieldCode::Missing, format!("{name} must be given"))
    } else {
        let code = match said {
            _ if said.starts_with("invalid value") => FieldCode::OutOfRange,
            _ if said.starts_with("unknown variant") => FieldCode::NotOneOf,
            _ => FieldCode::WrongType,
        };
        let expected = words(expected);
        (code, format!("{} must be {expected}", path.join(".")))
    };
    FieldError::of_field(path.iter().map(String::as_str), code, detail)
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// Says in JSON's words what serde says in Rust's.
fn words(expected: &str) -> &str {
    match expected {
        "" => "of another type",
        "u64" | "u32" | "u16" => "a natural number",
        "a sequence" => "an array",
        "a map" => "an object",
        "a boolean" => "true or false",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Asked {
        count: u64,
        names: Option<Vec<String>>,
        password: Option<String>,
    }

    #[test]
    fn a_mistake_is_told_by_its_place_and_never_with_its_value() {
        let secret = "hunter2, expected nothing";
        for (body, pointer, code) in [
            (json!({"count": 1, "sise": 1}), "/sise", "unknown"),
            (json!({"count": 1, "a/b": 1}), "/a~1b", "unknown"),
            (json!({}), "/count", "missing"),
            (json!({"count": secret}), "/count", "wrong_type"),
            (json!({"count": -1}), "/count", "out_of_range"),
            (
                json!({"count": 1, "names": ["a", 7]}),
                "/names/1",
                "wrong_type",
            ),
            (json!({"count": 1, "names": secret}), "/names", "wrong_type"),
            (
                json!({"count": 1, "password": 4711}),
                "/password",
                "wrong_type",
            ),
        ] {
            let problem = read::<Asked>(body.clone()).unwrap_err();
            let said = problem.member("errors").unwrap();
            assert_eq!(said[0]["pointer"], pointer, "{body}: {said}");
            assert_eq!(said[0]["code"], code, "{body}: {said}");
            let said = said.to_string();
            assert!(
                !said.contains("hunter2") && !said.contains("4711"),
                "{said}"
            );
        }
    }
}
