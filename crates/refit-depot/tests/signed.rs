//! URLs that a store's own signature opens: made from credentials in memory, whatever these are.

use refit_depot::backend::settings::{Patience, Settings};
use refit_depot::depot::Depot;
use refit_protocol::digest::Digest;
use refit_protocol::software_url::{GRANTED_URL_BYTES_MAX, SOFTWARE_URL_BYTES_MAX, depot_digest};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Nobody is asked for a signature, so the store may be away.
async fn depot_with(token: &str, home: &std::path::Path) -> Depot {
    let credentials = home.join("credentials");
    let text = format!(
        "[default]\naws_access_key_id = ASIAQ3EGRXQ3EGRXQ3EG\naws_secret_access_key = secret\naws_session_token = {token}\n"
    );
    std::fs::write(&credentials, text).unwrap();
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = Settings {
        url: "s3://a-bucket-with-a-name-of-some-length/fleet/production".into(),
        endpoint: Some("http://127.0.0.1:1".into()),
        region: Some("eu-central-1".into()),
        credentials: Some(credentials),
        patience: Patience {
            retries: 0,
            ..Patience::default()
        },
        ..Settings::default()
    };
    Depot::open_store(&home.join("depot"), settings)
        .await
        .unwrap()
        .0
}

/// Base64 as AWS writes it, a third of whose letters a URL escapes here: more than any real token has.
fn token(length: usize) -> String {
    "a/9+Zq".chars().cycle().take(length).collect()
}

#[tokio::test]
async fn a_url_signed_by_a_session_is_within_what_a_device_takes() {
    let home = tempfile::tempdir().unwrap();
    let digest = Digest::from_bytes([7; 32]);
    for length in [1434, 4096] {
        let depot = depot_with(&token(length), home.path()).await;
        let url = depot.presign(&digest, Duration::from_secs(3600));
        let url = url.unwrap().unwrap();
        assert_eq!(depot_digest(&url), Some(digest));
        assert!(url.contains("X-Amz-Security-Token=a%2F9%2BZq"), "{url}");
        // Longer than what is desired may be, which is without a grant.
        assert!(
            (SOFTWARE_URL_BYTES_MAX..=GRANTED_URL_BYTES_MAX).contains(&url.len()),
            "{} bytes",
            url.len()
        );
    }
}
