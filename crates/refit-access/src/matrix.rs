//! The one table: what there is to do, and which role may do it. Everything that asks, over HTTP or MQTT, is answered
//! from here; the reference is written from it, and the tests ask for each of its cells.

use std::fmt;

use crate::role::Role;

/// What a role may do with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Never.
    No,
    /// Always.
    Yes,
    /// Within its scope; a scope that names no operations has this one.
    Scoped,
    /// Within its scope, if that names this operation.
    Named,
}

/// Whether an operation only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// It changes nothing.
    Read,
    /// It changes something.
    Write,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Devices: a scope of devices narrows it.
    Device,
    /// The installation as a whole.
    Fleet,
}

macro_rules! table {
    ($($operation:ident $name:literal $nature:ident $target:ident
        $viewer:ident $operator:ident $admin:ident $application:ident $what:literal;)*) => {
        /// Something that can be asked for: `noun:verb`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(#[doc = $what] $operation,)*
        }

        impl Operation {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$(Self::$operation),*].len()] = [$(Self::$operation),*];

            /// Returns the name, `noun:verb`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$operation => $name,)* }
            }

            /// Tells whether it only looks.
            pub const fn nature(self) -> Nature {
                match self { $(Self::$operation => Nature::$nature,)* }
            }

            /// Tells what it is done to.
            pub const fn target(self) -> Target {
                match self { $(Self::$operation => Target::$target,)* }
            }

            /// Says what it is.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$operation => $what,)* }
            }

            /// Returns what a role may do with it.
            pub const fn cell(self, role: Role) -> Cell {
                let [viewer, operator, admin, application] = match self {
                    $(Self::$operation =>
                        [Cell::$viewer, Cell::$operator, Cell::$admin, Cell::$application],)*
                };
                match role {
                    Role::Viewer => viewer,
                    Role::Operator => operator,
                    Role::Admin => admin,
                    Role::Application => application,
                }
            }
        }
    };
}

#[rustfmt::skip] // It is a table.
table! {
//  operation      name              nature target viewer operator admin application
    DeviceRead     "device:read"     Read   Device Yes    Yes      Yes   Scoped      "see devices and their state";
    DeviceDescribe "device:describe" Write Device No     Yes      Yes   Named       "say what a device is: its tags and attributes";
    DeviceHold     "device:hold"     Write  Device No     Yes      Yes   Named       "keep software from a device, or release it";
    DeviceRemove   "device:remove"   Write  Device No     Yes      Yes   No          "remove a device: its record, and its certificates";
    DeviceBar      "device:bar"      Write  Device No     Yes      Yes   No          "revoke and retire devices, and allow them a new key";
    FleetRead      "fleet:read"      Read   Fleet  Yes    Yes      Yes   No          "see figures of the whole fleet, and how a selector is answered";
    ListRead       "list:read"       Read   Fleet  Yes    Yes      Yes   No          "see uploaded lists of IDs";
    ListWrite      "list:write"      Write  Fleet  No     Yes      Yes   No          "upload and remove lists of IDs";
    EnrolmentRead  "enrolment:read"  Read   Fleet  No     Yes      Yes   No          "see claim tokens, without their secrets";
    EnrolmentWrite "enrolment:write" Write  Fleet  No     Yes      Yes   No          "make and revoke claim tokens, register devices";
    TrustRead      "trust:read"      Read   Fleet  Yes    Yes      Yes   No          "see what devices trust, and until when";
    ServerRead     "server:read"     Read   Fleet  Yes    Yes      Yes   No          "see how the server and its machine are";
    JobRead        "job:read"        Read   Device Yes    Yes      Yes   Scoped      "see jobs";
    JobCancel      "job:cancel"      Write  Device No     Yes      Yes   Named       "end the open job of a device";
    JobRetry       "job:retry"       Write  Device No     Yes      Yes   Named       "try again what failed on a device";
    StateWrite     "state:write"     Write  Device No     Yes      Yes   Named       "desire any state of a device but its software";
    SoftwareAssign "software:assign" Write  Device No     Yes      Yes   Named       "desire the software of a device: `softwareURL`";
    EventRead      "event:read"      Read   Device Yes    Yes      Yes   Scoped      "follow what happens; over MQTT, subscribe";
    ReleaseRead    "release:read"    Read   Fleet  Yes    Yes      Yes   Scoped      "see releases";
    ReleaseDownload "release:download" Read   Fleet  No     Yes      Yes   Named       "download artifacts by right of a token, without a grant";
    ReleaseAdd     "release:add"     Write  Fleet  No     Yes      Yes   Named       "add releases";
    ReleaseRemove  "release:remove"  Write  Fleet  No     Yes      Yes   No          "remove releases that no device desires";
    RolloutRead    "rollout:read"    Read   Fleet  Yes    Yes      Yes   No          "see rollouts, and what they wait for";
    RolloutSteer   "rollout:steer"   Write  Fleet  No     Yes      Yes   No          "make, start, pause, advance and abort rollouts";
    RolloutApprove "rollout:approve" Write  Fleet  No     Yes      Yes   No          "agree to a rollout that somebody else started";
    TrustWrite     "trust:write"     Write  Fleet  No     No       Yes   No          "rotate the keys of grants, and the fleet's CA";
    AuditRead      "audit:read"      Read   Fleet  No     No       Yes   No          "read the audit log";
    TokenRead      "token:read"      Read   Fleet  No     No       Yes   No          "see which tokens there are";
    TokenWrite     "token:write"     Write  Fleet  No     No       Yes   No          "make and revoke tokens";
    UserRead       "user:read"       Read   Fleet  No     No       Yes   No          "see which users there are";
    UserWrite      "user:write"      Write  Fleet  No     No       Yes   No          "add, change and remove users";
    SessionBegin   "session:begin"   Write  Fleet  Yes    Yes      Yes   Yes         "sign in, with the name and password of a user";
    SessionRead    "session:read"    Read   Fleet  Yes    Yes      Yes   Yes         "ask who one is and what one may";
    SessionEnd     "session:end"     Write  Fleet  Yes    Yes      Yes   Yes         "sign out";
}

impl Operation {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Returns what a scope that names no operations may do.
    pub fn of_every_scope() -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(|one| one.cell(Role::Application) == Cell::Scoped)
    }

    /// Tells whether a scope may name it.
    pub const fn is_for_scopes(self) -> bool {
        matches!(self.cell(Role::Application), Cell::Scoped | Cell::Named)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes the table for the reference.
pub fn page() -> String {
    let mut page = String::from(
        "# Who may do what\n\n\
         One table answers every request, over HTTP and over MQTT alike. Routes of the API name their operation as \
         `x-refit-operation` in the [description](openapi.json).\n\n\
         | operation | what it is | viewer | operator | admin | application |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for operation in Operation::ALL {
        let cells = Role::ALL.map(|role| match operation.cell(role) {
            Cell::No => "",
            Cell::Yes => "yes",
            Cell::Scoped => "in scope",
            Cell::Named => "if named",
        });
        let [viewer, operator, admin, application] = cells;
        let what = operation.what();
        page = format!(
            "{page}| `{operation}` | {what} | {viewer} | {operator} | {admin} | {application} |\n"
        );
    }
    page + RULES
}

const RULES: &str = "\n\
- *In scope*: a token of the role `application` has the operation unless it was made with a list of operations that \
leaves it out. *If named*: it has the operation only if that list names it. Either way, where the operation is of \
devices, only for the devices of its scope.\n\
- A wish that writes `softwareURL` needs `software:assign`; one that writes anything else needs `state:write`; one that \
writes both needs both. `state:write` never brings `software:assign` with it.\n\
- A device outside of a token's scope does not exist for whoever reads (404, and lists leave it out); whoever writes to \
it is refused (403), whether it exists or not.\n\
- No token, an unknown, a revoked or an expired one: 401. A token that may not: 403. Over MQTT: CONNACK 0x86 (3.1.1: 4); \
to a publish, PUBACK 0x87 or an answer on `update/rejected` with code 403 (3.1.1, by topic: the connection ends); to a \
filter, SUBACK 0x87 (3.1.1: 0x80).\n\
- Over MQTT, publishing to `state/{id}/update` needs what the wish needs, `state/{id}/get` needs `device:read`, and \
subscribing needs `event:read`; a filter with a wildcard brings messages of the devices in scope only.\n\
- A device needs no role: its own connection may say what devices say, under its own ID, and nothing else.\n";
