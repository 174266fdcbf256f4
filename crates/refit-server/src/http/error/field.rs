//! What is wrong with one field or parameter: an entry of a problem's `errors`.

use serde_json::{Value, json};

/// What is wrong with a field or a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldCode {
    Unknown,
    Missing,
    WrongType,
    OutOfRange,
    NotOneOf,
    Malformed,
    NotTogether,
}

impl FieldCode {
    pub(super) const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Missing,
        Self::WrongType,
        Self::OutOfRange,
        Self::NotOneOf,
        Self::Malformed,
        Self::NotTogether,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::NotOneOf => "not_one_of",
            Self::Malformed => "malformed",
            Self::NotTogether => "not_together",
        }
    }

    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Unknown => "there is no such field or parameter here",
            Self::Missing => "it must be given",
            Self::WrongType => "a string where a number is taken, and the like",
            Self::OutOfRange => "a number, a length or a time beyond what is taken",
            Self::NotOneOf => "not one of the words that are taken",
            Self::Malformed => "a text that is not of the form that is taken",
            Self::NotTogether => {
                "it does not go with what else is given, or with what is not given"
            }
        }
    }
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the body, as a JSON Pointer.
    Pointer(String),
    /// In the query.
    Parameter(String),
}

/// What is wrong with one field or parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    place: Place,
    code: FieldCode,
    pub(super) detail: String,
}

impl FieldError {
    /// Makes one of a field of the body; its names from the outermost to the innermost.
    pub(crate) fn of_field<'a>(
        path: impl IntoIterator<Item = &'a str>,
        code: FieldCode,
        detail: impl Into<String>,
    ) -> Self {
        let mut pointer = String::new();
        for name in path {
            pointer.push('/');
            // RFC 6901 §3: these two stand for something else.
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        Self {
            place: Place::Pointer(pointer),
            code,
            detail: detail.into(),
        }
    }

    /// Makes one of a parameter of the query.
    pub(crate) fn of_parameter(
        name: impl Into<String>,
        code: FieldCode,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            place: Place::Parameter(name.into()),
            code,
            detail: detail.into(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let (name, place) = match &self.place {
            Place::Pointer(pointer) => ("pointer", pointer),
            Place::Parameter(name) => ("parameter", name),
        };
        json!({ name: place, "code": self.code.as_str(), "detail": self.detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_means_something_in_it() {
        let of = |path: &[&str]| {
            let path = path.iter().copied();
            FieldError::of_field(path, FieldCode::Unknown, "").to_json()["pointer"].clone()
        };
        assert_eq!(of(&["a", "0", "b"]), "/a/0/b");
        assert_eq!(of(&["a/b~c"]), "/a~1b~0c");
        assert_eq!(of(&[]), "");
    }
}
