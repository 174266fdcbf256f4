//! A scope only ever takes away, and patterns mean what a naive matcher says.

use proptest::prelude::*;
use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_access::role::Role;
use refit_access::scope::Scope;
use refit_access::token::{Purpose, Secret, SecretHash};
use refit_protocol::device_id::DeviceId;

/// The obvious matcher, which may take for ever.
fn naive(glob: &[u8], id: &[u8]) -> bool {
    match (glob.split_first(), id.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            naive(rest, id) || id.split_first().is_some_and(|(_, id)| naive(glob, id))
        }
        (Some((g, glob)), Some((i, id))) => (*g == b'?' || g == i) && naive(glob, id),
        _ => false,
    }
}

proptest! {
    #[test]
    fn patterns_mean_what_they_say(glob in "[ab*?]{1,8}", id in "[ab]{1,10}") {
        let scope = Scope::new(&[&glob], None).unwrap();
        let device = DeviceId::parse(&id).unwrap();
        prop_assert_eq!(scope.has_device(&device), naive(glob.as_bytes(), id.as_bytes()));
    }

    #[test]
    fn a_scope_only_takes_away(
        devices in prop::collection::vec("[ab*?]{1,4}", 1..4),
        may in prop::sample::subsequence(
            Operation::ALL.into_iter().filter(|one| one.is_for_scopes()).map(Operation::as_str).collect::<Vec<_>>(),
            1..4,
        ),
        id in "[ab]{1,4}",
    ) {
        let may: Vec<String> = may.into_iter().map(str::to_owned).collect();
        let device = DeviceId::parse(&id).unwrap();
        let narrow = Scope::new(&devices, Some(&may)).unwrap();
        let read = Scope::parse(&narrow.to_json()).unwrap();
        prop_assert_eq!(&read, &narrow);
        let wide: Vec<&str> = Operation::ALL.into_iter().filter(|one| one.is_for_scopes()).map(Operation::as_str).collect();
        let wide = Rights::new(Role::Application, Some(Scope::new(&["*"], Some(&wide)).unwrap())).unwrap();
        let narrow = Rights::new(Role::Application, Some(narrow)).unwrap();
        for operation in Operation::ALL {
            if narrow.may(operation, Some(&device)).is_ok() {
                prop_assert!(wide.may(operation, Some(&device)).is_ok());
                prop_assert!(narrow.may(operation, None).is_ok());
            }
        }
    }

    #[test]
    fn no_text_is_two_secrets(random: [u8; 32], noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let secret = Secret::of(Purpose::Token, &random);
        prop_assert_eq!(SecretHash::read(Purpose::Token, secret.expose().as_bytes()), Some(secret.hash()));
        let read = SecretHash::read(Purpose::Token, &noise);
        prop_assert!(read.is_none());
    }
}
