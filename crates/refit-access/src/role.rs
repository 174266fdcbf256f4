//! The four roles.

use std::fmt;

/// What somebody is to this installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything but who may do what.
    Viewer,
    /// Runs the fleet: devices, releases, what is desired.
    Operator,
    /// Decides who may do what, beside everything else.
    Admin,
    /// A program, narrowed to the devices and operations of its scope. Only tokens have this role.
    Application,
}

impl Role {
    /// All roles, in the order of the table's columns.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Application];

    /// The roles that a person can have.
    pub const OF_USERS: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Returns the role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Application => "application",
        }
    }

    /// Reads a role's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
