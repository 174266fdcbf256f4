//! Tokens, users and sessions: names that are unique while they count, and sessions that end with what they stand on.

use refit_protocol::time::Timestamp;

use crate::access::{
    AccessChange, AccessOutcome, Redacted, SESSIONS_OF_USER_MAX, SessionRow, TokenRow, UserRow,
};
use crate::conformance::{Place, must, reader};
use crate::store::Store;

fn token(id: u8, name: &str) -> TokenRow {
    TokenRow {
        id: format!("t{id}"),
        name: name.into(),
        role: "application".into(),
        scope: Some("{}".into()),
        hash: [id; 32],
        created: Timestamp(100),
        expires: None,
        used: None,
        revoked: None,
    }
}

fn user(name: &str) -> UserRow {
    UserRow {
        name: name.into(),
        role: "viewer".into(),
        password: "$argon2id$".into(),
        disabled: false,
        created: Timestamp(5),
    }
}

fn session(id: u8, user: &str, created: u64) -> SessionRow {
    SessionRow {
        hash: [id; 32],
        user: user.into(),
        created: Timestamp(created),
        expires: Timestamp(created + 1000),
    }
}

#[track_caller]
fn changed(store: &dyn Store, change: AccessChange, expected: AccessOutcome) {
    // To try it tells the same, and changes nothing: else the change itself would be told something else.
    assert_eq!(must(store.try_access(change.clone())), expected);
    assert_eq!(must(store.try_access(change.clone())), expected);
    assert_eq!(must(store.change_access(change, None)), expected);
}

fn tokens(store: &dyn Store) -> Vec<TokenRow> {
    must(reader(store).tokens())
}

fn sessions(store: &dyn Store) -> Vec<SessionRow> {
    let mut sessions = must(reader(store).sessions());
    sessions.sort_by_key(|session| session.hash);
    sessions
}

/// What is read is what was made; a restart keeps it.
pub fn a_token_is_kept_as_it_was_made(place: &dyn Place) {
    let mut made = token(1, "shop");
    made.expires = Some(Timestamp(200));
    let store = place.open();
    changed(
        &*store,
        AccessChange::AddToken(made.clone()),
        AccessOutcome::Done,
    );
    assert_eq!(tokens(&*store), [made.clone()]);
    must(store.note_token_use("t1", Timestamp(150)));
    must(store.note_token_use("t1", Timestamp(140)));
    must(store.note_token_use("t9", Timestamp(140)));
    drop(store);
    made.used = Some(Timestamp(150));
    assert_eq!(tokens(&*place.open()), [made]);
}

/// A name is free again when its token was revoked or has expired.
pub fn a_name_stands_for_one_token_that_is_good(place: &dyn Place) {
    let store = place.open();
    let add = |id, name, outcome| {
        changed(&*store, AccessChange::AddToken(token(id, name)), outcome);
    };
    let revoke = |id: &str, outcome| {
        let at = Timestamp(150);
        changed(
            &*store,
            AccessChange::RevokeToken { id: id.into(), at },
            outcome,
        );
    };
    add(1, "shop", AccessOutcome::Done);
    add(2, "shop", AccessOutcome::Taken);
    add(1, "other", AccessOutcome::Taken);
    revoke("t1", AccessOutcome::Done);
    revoke("t1", AccessOutcome::Missing);
    revoke("t7", AccessOutcome::Missing);
    add(1, "other", AccessOutcome::Taken);
    add(2, "shop", AccessOutcome::Done);
    let short = TokenRow {
        expires: Some(Timestamp(100)),
        ..token(3, "short")
    };
    changed(&*store, AccessChange::AddToken(short), AccessOutcome::Done);
    add(4, "short", AccessOutcome::Done);
    let revoked: Vec<_> = tokens(&*store)
        .into_iter()
        .map(|t| (t.id, t.revoked))
        .collect();
    let (early, late) = (Some(Timestamp(100)), Some(Timestamp(150)));
    let mut expected = [("t1", late), ("t2", None), ("t3", early), ("t4", None)];
    expected.sort_by_key(|(id, _)| if *id == "t1" { 0 } else { 1 });
    assert_eq!(revoked, expected.map(|(id, at)| (id.to_owned(), at)));
}

/// Users differ by more than the case of their letters.
pub fn users_are_added_changed_and_removed(place: &dyn Place) {
    let store = place.open();
    changed(
        &*store,
        AccessChange::AddUser(user("ada")),
        AccessOutcome::Done,
    );
    changed(
        &*store,
        AccessChange::AddUser(user("ada")),
        AccessOutcome::Taken,
    );
    changed(
        &*store,
        AccessChange::AddUser(user("Ada")),
        AccessOutcome::Taken,
    );
    let ada = || "ada".to_owned();
    let role = |user: String| AccessChange::SetRole {
        user,
        role: "admin".into(),
    };
    changed(&*store, role(ada()), AccessOutcome::Done);
    changed(&*store, role("bob".into()), AccessOutcome::Missing);
    let password = AccessChange::SetPassword {
        user: ada(),
        password: Redacted("$new$".into()),
    };
    changed(&*store, password, AccessOutcome::Done);
    let disabled = AccessChange::SetDisabled {
        user: ada(),
        disabled: true,
    };
    changed(&*store, disabled, AccessOutcome::Done);
    let expected = UserRow {
        role: "admin".into(),
        password: "$new$".into(),
        disabled: true,
        ..user("ada")
    };
    drop(store);
    let store = place.open();
    assert_eq!(must(reader(&*store).users()), [expected]);
    changed(
        &*store,
        AccessChange::RemoveUser { user: ada() },
        AccessOutcome::Done,
    );
    changed(
        &*store,
        AccessChange::RemoveUser { user: ada() },
        AccessOutcome::Missing,
    );
    assert!(must(reader(&*store).users()).is_empty());
}

/// A session ends with its user, their password, and when they are disabled; nobody has one who may not.
pub fn sessions_end_with_what_they_stand_on(place: &dyn Place) {
    let store = place.open();
    changed(
        &*store,
        AccessChange::AddSession(session(1, "ada", 10)),
        AccessOutcome::Missing,
    );
    for name in ["ada", "bob"] {
        changed(
            &*store,
            AccessChange::AddUser(user(name)),
            AccessOutcome::Done,
        );
    }
    let ada = || "ada".to_owned();
    let set_disabled = |disabled| AccessChange::SetDisabled {
        user: ada(),
        disabled,
    };
    let ends: [AccessChange; 4] = [
        AccessChange::SetPassword {
            user: ada(),
            password: Redacted("$new$".into()),
        },
        set_disabled(true),
        AccessChange::RemoveSession { hash: [1; 32] },
        AccessChange::RemoveUser { user: ada() },
    ];
    let bobs = session(2, "bob", 10);
    changed(
        &*store,
        AccessChange::AddSession(bobs.clone()),
        AccessOutcome::Done,
    );
    for end in ends {
        changed(
            &*store,
            AccessChange::AddSession(session(1, "ada", 10)),
            AccessOutcome::Done,
        );
        changed(&*store, end, AccessOutcome::Done);
        assert_eq!(sessions(&*store), std::slice::from_ref(&bobs));
        let refused = store.change_access(AccessChange::AddSession(session(1, "ada", 10)), None);
        match must(refused) {
            AccessOutcome::Missing => {
                // Disabled, or removed.
                must(store.change_access(set_disabled(false), None));
            }
            _ => changed(
                &*store,
                AccessChange::RemoveSession { hash: [1; 32] },
                AccessOutcome::Done,
            ),
        }
    }
}

/// Expired sessions go, and one user has only so many: the oldest end.
pub fn sessions_are_bounded(place: &dyn Place) {
    let store = place.open();
    changed(
        &*store,
        AccessChange::AddUser(user("ada")),
        AccessOutcome::Done,
    );
    let most = SESSIONS_OF_USER_MAX as u8;
    for id in 0..most + 3 {
        let made = session(id, "ada", 10 + u64::from(id));
        changed(&*store, AccessChange::AddSession(made), AccessOutcome::Done);
    }
    let left: Vec<u8> = sessions(&*store)
        .iter()
        .map(|session| session.hash[0])
        .collect();
    assert_eq!(left, (3..most + 3).collect::<Vec<u8>>());
    changed(
        &*store,
        AccessChange::AddSession(session(99, "ada", 5000)),
        AccessOutcome::Done,
    );
    assert_eq!(sessions(&*store), [session(99, "ada", 5000)]);
}
