//! Routes on their way out say so in each answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and where it is written
//! what to use instead. The policy is in `docs/reference/api.md`.

use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use utoipa::openapi::Deprecated;
use utoipa_axum::router::UtoipaMethodRouter;

use super::gate::described;

/// When a route is deprecated and when it goes, in Unix seconds, and the page that says what to use instead.
#[derive(Clone, Copy)]
pub(super) struct Deprecation {
    pub(super) since: u64,
    pub(super) sunset: u64,
    pub(super) page: &'static str,
}

/// Marks routes in their answers and in the description. They do what they did.
pub(super) fn deprecated<S: Clone + Send + Sync + 'static>(
    one: Deprecation,
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    for item in paths.paths.values_mut() {
        for operation in described(item).into_iter().flatten() {
            operation.deprecated = Some(Deprecated::True);
        }
    }
    let sunset = SystemTime::UNIX_EPOCH + Duration::from_secs(one.sunset);
    let page = one.page;
    let said = [
        (
            HeaderName::from_static("deprecation"),
            format!("@{}", one.since),
        ),
        (
            HeaderName::from_static("sunset"),
            httpdate::fmt_http_date(sunset),
        ),
        (
            header::LINK,
            format!("<{page}>; rel=\"deprecation\"; type=\"text/html\""),
        ),
    ];
    let said = said.map(|(name, value)| (name, HeaderValue::try_from(value).ok()));
    let mark = move |request: Request, next: Next| {
        let said = said.clone();
        async move {
            let mut response = next.run(request).await;
            for (name, value) in said {
                value.map(|value| response.headers_mut().append(name, value));
            }
            response
        }
    };
    (schemas, paths, router.route_layer(from_fn(mark)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use utoipa_axum::router::OpenApiRouter;
    use utoipa_axum::routes;

    use super::*;

    /// An old route.
    #[utoipa::path(get, path = "/old", responses((status = 204)))]
    async fn old() -> StatusCode {
        StatusCode::NO_CONTENT
    }

    /// Its heir.
    #[utoipa::path(get, path = "/new", responses((status = 204)))]
    async fn new() -> StatusCode {
        StatusCode::NO_CONTENT
    }

    #[tokio::test]
    async fn a_deprecated_route_says_since_when_until_when_and_where_more_is_written() {
        let one = Deprecation {
            since: 1_767_225_600,
            sunset: 1_798_761_600,
            page: "https://refit.dev/api/old",
        };
        let routes = OpenApiRouter::<()>::new()
            .routes(deprecated(one, routes!(old)))
            .routes(routes!(new));
        let (router, document) = routes.split_for_parts();
        let of = |path: &str| document.paths.paths[path].get.as_ref().unwrap();
        assert!(matches!(of("/old").deprecated, Some(Deprecated::True)));
        assert!(of("/new").deprecated.is_none());

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move { axum::serve(listener, router).await });
        let ask = move |path: &'static str| {
            tokio::task::spawn_blocking(move || {
                let agent = ureq::Agent::config_builder()
                    .proxy(None)
                    .build()
                    .new_agent();
                agent.get(format!("http://{address}{path}")).call().unwrap()
            })
        };
        let (old, new) = (ask("/old").await.unwrap(), ask("/new").await.unwrap());
        served.abort();
        assert_eq!(old.status(), 204);
        assert_eq!(old.headers()["deprecation"], "@1767225600");
        assert_eq!(old.headers()["sunset"], "Fri, 01 Jan 2027 00:00:00 GMT");
        let link = "<https://refit.dev/api/old>; rel=\"deprecation\"; type=\"text/html\"";
        assert_eq!(old.headers()["link"], link);
        for name in ["deprecation", "sunset", "link"] {
            assert!(!new.headers().contains_key(name), "{name}");
        }
    }
}
