//! Which parameters a query may have: those of the description. One that is not understood, as a misspelt wish that a
//! change be only tried, is not ignored.

use axum::http::Uri;
use refit_protocol::near::nearest;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::http::error::{FieldCode, FieldError, Kind, Problem};

/// Returns the names of the parameters that an operation takes in its query.
pub(super) fn described(operation: &Operation) -> impl Iterator<Item = String> {
    let all = operation.parameters.iter().flatten();
    all.filter_map(|parameter| match parameter {
        RefOr::T(one) if matches!(one.parameter_in, ParameterIn::Query) => Some(one.name.clone()),
        RefOr::T(_) | RefOr::Ref(_) => None,
    })
}

/// Refuses what is not known, all of it at once. A name that is written with escapes is no known one.
pub(super) fn check(known: &[String], uri: &Uri) -> Result<(), Problem> {
    let parts = uri.query().unwrap_or_default().split('&');
    let names = parts.filter(|part| !part.is_empty());
    let names = names.map(|part| part.split_once('=').map_or(part, |(name, _)| name));
    let wrong: Vec<FieldError> = names
        .filter(|name| !known.iter().any(|known| known == name))
        .map(|name| unknown(known, name))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Problem::of_fields(Kind::BadQuery, &wrong))
}

fn unknown(known: &[String], name: &str) -> FieldError {
    let names = || known.iter().map(String::as_str);
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "it takes none".into(),
        None => format!("there are {}", known.join(", ")),
    };
    let detail = format!("{name:?} is no parameter of this: {hint}");
    FieldError::of_parameter(name, FieldCode::Unknown, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_described_is_refused_and_all_of_it_is_told() {
        let known = ["limit".to_owned(), "dryRun".to_owned()];
        let check = |query: &str| check(&known, &format!("/a?{query}").parse().unwrap());
        for good in ["", "limit=1", "limit=1&dryRun=true&", "dryRun"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let problem = check("dryrun=true&limit=1&x=%20&dry%52un=true").unwrap_err();
        let errors = problem.member("errors").unwrap().as_array().unwrap();
        let names: Vec<_> = errors.iter().map(|error| &error["parameter"]).collect();
        assert_eq!(names, ["dryrun", "x", "dry%52un"]);
        assert!(problem.detail().contains("did you mean dryRun?"));
        assert!(problem.detail().contains("there are limit, dryRun"));
    }
}
