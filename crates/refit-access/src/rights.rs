//! Yes, or no and why: the table, narrowed by a scope.

use std::fmt;

use refit_protocol::device_id::DeviceId;

use crate::matrix::{Cell, Nature, Operation, Target};
use crate::role::Role;
use crate::scope::Scope;
use crate::span::Span;

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    role: Role,
    /// Present with the role `application`, and only then.
    scope: Option<Scope>,
}

impl Rights {
    /// Puts a role and a scope together, if they belong together.
    pub fn new(role: Role, scope: Option<Scope>) -> Result<Self, Misfit> {
        match (role, &scope) {
            (Role::Application, None) => Err(Misfit::NoScope),
            (Role::Viewer | Role::Operator | Role::Admin, Some(_)) => Err(Misfit::Scope(role)),
            _ => Ok(Self { role, scope }),
        }
    }

    /// Returns the role.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the scope of an application.
    pub const fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// Tells whether this may be done; to this device, if one is named. Without one the answer is whether it may be
    /// done at all, to some device: what is then shown is narrowed by [`Rights::sees`].
    pub fn may(&self, operation: Operation, device: Option<&DeviceId>) -> Result<(), Denial> {
        let is_in_scope = |scope: &Scope| {
            if !scope.has(operation) {
                return Err(Denial::Operation);
            }
            match device {
                Some(device) if operation.target() == Target::Device => {
                    if scope.has_device(device) {
                        Ok(())
                    } else {
                        Err(Denial::Device)
                    }
                }
                _ => Ok(()),
            }
        };
        match operation.cell(self.role) {
            Cell::No => Err(Denial::Role),
            Cell::Yes => Ok(()),
            Cell::Scoped | Cell::Named => {
                self.scope.as_ref().map_or(Err(Denial::Role), is_in_scope)
            }
        }
    }

    /// Tells whether a device exists for whoever has these rights.
    pub fn sees(&self, device: &DeviceId) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| scope.has_device(device))
    }

    /// Returns where in the order of IDs those are; `None`: anywhere.
    pub fn spans(&self) -> Option<&[Span]> {
        self.scope.as_ref().map(Scope::spans)
    }

    /// Tells whether every device does.
    pub const fn sees_all(&self) -> bool {
        self.scope.is_none()
    }

    /// Returns everything that may be done.
    pub fn operations(&self) -> impl Iterator<Item = Operation> {
        let all = Operation::ALL.into_iter();
        all.filter(|operation| self.may(*operation, None).is_ok())
    }
}

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The role may not.
    Role,
    /// The scope does not name the operation.
    Operation,
    /// The scope does not have the device.
    Device,
}

impl Denial {
    /// Tells whether it is to look as if the device did not exist: to whoever only looks.
    pub fn hides(self, operation: Operation) -> bool {
        self == Self::Device && operation.nature() == Nature::Read
    }
}

/// Why a role and a scope do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// An application needs a scope.
    NoScope,
    /// This role has none.
    Scope(Role),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScope => f.write_str(
                "an application needs a scope of devices: name IDs or patterns, `*` for all of them",
            ),
            Self::Scope(role) => write!(
                f,
                "a scope is for the role application; {role} is the same everywhere"
            ),
        }
    }
}

impl std::error::Error for Misfit {}
