//! Which clients are let in, and what is known of them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa};
use refit_tls::server::Oldest;
use refit_tls::stream::Peered;
use rustls::{AlertDescription, ClientConfig, Error};

use crate::authority::{Authority, Pair, device, expired, params};
use crate::pair::{Both, client, server};

/// Connects once, says hello, and returns what became of it.
fn connect(config: &Arc<ClientConfig>, server: &Arc<refit_tls::ServerConfig>) -> Both {
    let mut both = Both::new(config, server);
    both.client_sends();
    both.server_turn();
    both.client_hears().unwrap();
    both.client_says(b"hello");
    both.server_turn();
    both
}

fn alert(both: &mut Both) -> AlertDescription {
    assert!(both.server.peer_certificate().is_none());
    assert!(both.server_got.is_empty());
    assert!(both.fault.is_some());
    match both.client_hears().unwrap_err() {
        Error::AlertReceived(alert) => alert,
        other => panic!("{other}"),
    }
}

#[test]
fn without_a_certificate_one_is_let_through_and_nobody() {
    let authority = Authority::new("fleet");
    let both = connect(
        &client(&authority, None),
        &server(&authority, Oldest::Tls13).0,
    );
    assert_eq!(both.server_got, b"hello");
    assert_eq!(both.server.peer_certificate(), None);
}

#[test]
fn a_bad_certificate_is_refused_even_though_none_would_do() {
    let authority = Authority::new("fleet");
    let (stranger, twin) = (Authority::new("other"), Authority::new("fleet"));
    let of = |params: &CertificateParams| authority.sign(params);
    let mut is_ca = device("lamp-7");
    is_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cases: [(Pair, AlertDescription); 5] = [
        (stranger.device("lamp-7"), AlertDescription::UnknownCA),
        // Of the same name, but not with its key.
        (twin.device("lamp-7"), AlertDescription::DecryptError),
        (of(&expired("lamp-7")), AlertDescription::CertificateExpired),
        (
            of(&params(&["lamp-7"], ExtendedKeyUsagePurpose::ServerAuth)),
            AlertDescription::UnsupportedCertificate,
        ),
        (of(&is_ca), AlertDescription::CertificateUnknown),
    ];
    for (pair, expected) in cases {
        for oldest in [Oldest::Tls13, Oldest::Tls12] {
            let (server, _) = server(&authority, oldest);
            let mut both = connect(&client(&authority, Some(&pair)), &server);
            let told = alert(&mut both);
            assert_eq!(told, expected);
        }
    }
}

#[test]
fn someone_elses_certificate_without_its_key_is_refused() {
    let authority = Authority::new("fleet");
    let (lamp, pump) = (authority.device("lamp-7"), authority.device("pump-1"));
    let mixed = Pair {
        certificate: lamp.certificate,
        key: pump.key,
    };
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(mixed.key_der());
    let forged = rustls::sign::CertifiedKey::new(vec![mixed.der()], key.unwrap());
    let mut config = (*client(&authority, None)).clone();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(forged));
    let (server, _) = server(&authority, Oldest::Tls13);
    let mut both = connect(&Arc::new(config), &server);
    assert_eq!(alert(&mut both), AlertDescription::DecryptError);
}

#[test]
fn a_resumed_session_has_the_certificate_of_the_first() {
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let (server, _) = server(&authority, Oldest::Tls13);
    let client = client(&authority, Some(&pair));
    let mut first = connect(&client, &server);
    first.settle();
    assert!(!first.server.is_resumed());
    let second = connect(&client, &server);
    assert!(second.server.is_resumed());
    assert_eq!(second.server_got, b"hello");
    assert_eq!(second.server.peer_certificate(), Some(&*pair.der()));
}

#[test]
fn authorities_are_changed_while_it_runs_and_tickets_do_not_outlive_it() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (of_old, of_new) = (old.device("lamp-7"), new.device("pump-1"));
    let (server, clients) = server(&old, Oldest::Tls13);
    let (of_old, of_new) = (client(&old, Some(&of_old)), client(&old, Some(&of_new)));
    let mut open = connect(&of_old, &server);
    open.settle();
    assert_eq!(
        alert(&mut connect(&of_new, &server)),
        AlertDescription::UnknownCA
    );
    clients.trust(&[old.der(), new.der()]).unwrap();
    connect(&of_old, &server).settle();
    connect(&of_new, &server).settle();
    clients.trust(&[new.der()]).unwrap();
    // It had a ticket.
    assert_eq!(
        alert(&mut connect(&of_old, &server)),
        AlertDescription::UnknownCA
    );
    connect(&of_new, &server).settle();
    clients.trust(&[]).unwrap();
    assert_eq!(
        alert(&mut connect(&of_new, &server)),
        AlertDescription::UnknownCA
    );
    // Who was there stays.
    open.client_says(b" again");
    open.settle();
    assert_eq!(open.server_got, b"hello again");
}

#[test]
fn an_authority_that_is_none_is_refused_and_the_old_ones_stay() {
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let (server, clients) = server(&authority, Oldest::Tls13);
    let bad = vec![0x30, 3, 1, 1, 1].into();
    let error = clients.trust(&[authority.der(), bad]).unwrap_err();
    assert!(error.to_string().contains("number 2"), "{error}");
    let both = connect(&client(&authority, Some(&pair)), &server);
    assert_eq!(both.server_got, b"hello");
}
