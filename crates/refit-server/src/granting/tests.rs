//! Which grants an object store makes itself, and which stay the server's. The store is away: signing needs none.

use std::os::unix::fs::PermissionsExt;

use refit_depot::backend::settings::{Patience, Settings};
use refit_depot::grant::keys::GrantKeys;
use refit_depot::grant::ring::KeyRing;
use refit_protocol::digest::Digest;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

async fn granting(home: &std::path::Path, role: Option<&str>, least: Strength) -> Granting {
    let file = home.join("credentials");
    std::fs::write(
        &file,
        "aws_access_key_id = a\naws_secret_access_key = hush\n",
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = Settings {
        url: "s3://bucket/prefix".into(),
        endpoint: Some("http://127.0.0.1:1".into()),
        public_endpoint: Some("https://store.example".into()),
        credentials: Some(file),
        role: role.map(Into::into),
        patience: Patience {
            retries: 0,
            ..Patience::default()
        },
        ..Settings::default()
    };
    let (depot, probed) = Depot::open_store(&home.join("depot"), settings)
        .await
        .unwrap();
    assert!(probed.is_err(), "nobody is at that port");
    let keys = KeyRing::of(GrantKeys::from_secret("k", [7; 32]));
    let grants = Arc::new(Grants::new(keys, "https://refit.example"));
    let mut settings = config::Grant::default();
    settings.policy.min_strength = least;
    Granting::new(grants, depot, settings, true)
}

fn minted(granting: &Granting, policy: GrantPolicy) -> Minted {
    let device = DeviceId::parse("lamp-7").unwrap();
    let wanted = Wanted {
        digest: Digest::from_bytes([0xab; 32]),
        length: Some(1000),
        device: &device,
        job: None,
        policy: Some(&policy),
        address: "198.51.100.7".parse().ok(),
    };
    granting.mint(&wanted, NOW).unwrap()
}

#[tokio::test]
async fn a_url_of_the_store_is_bound_to_time_and_what_is_bound_to_more_is_ours() {
    let home = tempfile::tempdir().unwrap();
    let granting = granting(home.path(), None, Strength::Time).await;
    for (strength, host) in [
        (Strength::Time, "https://store.example/bucket/prefix/depot/"),
        (Strength::Address, "https://refit.example/depot/"),
        (Strength::Device, "https://refit.example/depot/"),
    ] {
        let policy = GrantPolicy {
            strength,
            ..GrantPolicy::default()
        };
        let minted = minted(&granting, policy);
        assert!(minted.url.starts_with(host), "{}", minted.url);
        assert!(!minted.url.contains("hush"));
        assert_eq!(minted.grant.strength, strength);
    }
}

#[tokio::test]
async fn a_credential_of_the_store_is_called_no_stronger_than_it_is() {
    for (role, least, strength) in [
        (Some("arn:aws:iam:::role/r"), Strength::Time, Strength::Time),
        (
            Some("arn:aws:iam:::role/r"),
            Strength::Device,
            Strength::Device,
        ),
        (None, Strength::Time, Strength::Device),
    ] {
        let home = tempfile::tempdir().unwrap();
        let granting = granting(home.path(), role, least).await;
        let policy = GrantPolicy {
            kind: GrantKind::Credential,
            ..GrantPolicy::default()
        };
        let minted = minted(&granting, policy);
        assert_eq!(minted.grant.strength, strength, "{role:?} {least:?}");
        // The URL is the plain one, whoever gives the credential.
        assert!(
            minted
                .url
                .starts_with("https://refit.example/depot/sha256/")
        );
        assert!(!minted.url.contains('?'));
    }
}
