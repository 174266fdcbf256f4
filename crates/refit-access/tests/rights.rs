//! Every cell of the table is what the rights answer, and nothing else is allowed.

use refit_access::matrix::{Cell, Nature, Operation, Target};
use refit_access::rights::{Denial, Misfit, Rights};
use refit_access::role::Role;
use refit_access::scope::Scope;
use refit_protocol::device_id::DeviceId;

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

fn staff(role: Role) -> Rights {
    Rights::new(role, None).unwrap()
}

fn application(devices: &[&str], may: Option<&[&str]>) -> Rights {
    Rights::new(Role::Application, Some(Scope::new(devices, may).unwrap())).unwrap()
}

#[test]
fn roles_of_people_are_the_table() {
    let lamp = device("lamp-7");
    for role in Role::OF_USERS {
        for operation in Operation::ALL {
            let expected = match operation.cell(role) {
                Cell::Yes => Ok(()),
                Cell::No => Err(Denial::Role),
                narrowed => panic!("{operation}: {role} has no scope for {narrowed:?}"),
            };
            for device in [None, Some(&lamp)] {
                assert_eq!(
                    staff(role).may(operation, device),
                    expected,
                    "{role} {operation}"
                );
            }
        }
    }
}

#[test]
fn each_role_may_all_that_the_one_before_may() {
    for pair in Role::OF_USERS.windows(2) {
        for operation in Operation::ALL {
            let may = |role: Role| operation.cell(role) == Cell::Yes;
            assert!(!may(pair[0]) || may(pair[1]), "{operation}");
        }
    }
    assert!(
        Operation::ALL
            .iter()
            .all(|one| one.cell(Role::Admin) == Cell::Yes)
    );
}

#[test]
fn an_application_has_what_its_scope_names_for_the_devices_that_it_names() {
    let (inside, outside) = (device("lamp-7"), device("door-1"));
    for operation in Operation::ALL {
        let cell = operation.cell(Role::Application);
        let unnamed = application(&["lamp-*"], None);
        let expected = match cell {
            Cell::Yes | Cell::Scoped => Ok(()),
            Cell::Named => Err(Denial::Operation),
            Cell::No => Err(Denial::Role),
        };
        assert_eq!(
            unnamed.may(operation, Some(&inside)),
            expected,
            "{operation}"
        );
        let Ok(scope) = Scope::new(&["lamp-*"], Some(&[operation.as_str()])) else {
            assert!(matches!(cell, Cell::Yes | Cell::No), "{operation}");
            continue;
        };
        let named = Rights::new(Role::Application, Some(scope)).unwrap();
        assert_eq!(named.may(operation, Some(&inside)), Ok(()), "{operation}");
        assert_eq!(named.may(operation, None), Ok(()), "{operation}");
        let of_devices = operation.target() == Target::Device;
        let expected = if of_devices {
            Err(Denial::Device)
        } else {
            Ok(())
        };
        assert_eq!(
            named.may(operation, Some(&outside)),
            expected,
            "{operation}"
        );
        for other in Operation::ALL.into_iter().filter(|one| *one != operation) {
            let is_open = other.cell(Role::Application) == Cell::Yes;
            assert_eq!(
                named.may(other, Some(&inside)).is_ok(),
                is_open,
                "{operation} {other}"
            );
        }
    }
}

#[test]
fn state_never_brings_software_with_it() {
    let writes = application(&["*"], Some(&["state:write"]));
    assert_eq!(
        writes.may(Operation::SoftwareAssign, None),
        Err(Denial::Operation)
    );
    assert_eq!(
        Operation::SoftwareAssign.cell(Role::Application),
        Cell::Named
    );
}

#[test]
fn who_only_looks_is_not_told_what_is_outside() {
    for operation in Operation::ALL {
        let is_read = operation.nature() == Nature::Read;
        assert_eq!(Denial::Device.hides(operation), is_read);
        assert!(!Denial::Role.hides(operation) && !Denial::Operation.hides(operation));
    }
}

#[test]
fn a_scope_belongs_to_applications_alone() {
    let scope = Scope::new(&["*"], None).unwrap();
    assert_eq!(Rights::new(Role::Application, None), Err(Misfit::NoScope));
    for role in Role::OF_USERS {
        let refused = Rights::new(role, Some(scope.clone()));
        assert_eq!(refused, Err(Misfit::Scope(role)));
    }
}

#[test]
fn names_are_noun_and_verb_and_unique() {
    let mut names: Vec<&str> = Operation::ALL.iter().map(|one| one.as_str()).collect();
    for name in &names {
        let (noun, verb) = name.split_once(':').unwrap();
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(is_word(noun) && is_word(verb), "{name}");
        assert_eq!(Operation::parse(name).map(Operation::as_str), Some(*name));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Operation::ALL.len());
}
