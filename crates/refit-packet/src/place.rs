//! Where a property or reason code may stand: a packet, and for some packets who sends it.

/// A set of places.
#[derive(Clone, Copy)]
pub(crate) struct Places(u16);

impl Places {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const CONNECT: Self = Self(1 << 0);
    pub(crate) const WILL: Self = Self(1 << 1);
    pub(crate) const CONNACK: Self = Self(1 << 2);
    pub(crate) const PUBLISH_BY_CLIENT: Self = Self(1 << 3);
    pub(crate) const PUBLISH_BY_SERVER: Self = Self(1 << 4);
    /// PUBACK and PUBREC: the same rules.
    pub(crate) const PUBACK_BY_CLIENT: Self = Self(1 << 5);
    pub(crate) const PUBACK_BY_SERVER: Self = Self(1 << 15);
    /// PUBREL and PUBCOMP: the same rules.
    pub(crate) const PUBREL: Self = Self(1 << 6);
    pub(crate) const SUBSCRIBE: Self = Self(1 << 7);
    pub(crate) const SUBACK: Self = Self(1 << 8);
    pub(crate) const UNSUBSCRIBE: Self = Self(1 << 9);
    pub(crate) const UNSUBACK: Self = Self(1 << 10);
    pub(crate) const DISCONNECT_BY_CLIENT: Self = Self(1 << 11);
    pub(crate) const DISCONNECT_BY_SERVER: Self = Self(1 << 12);
    pub(crate) const AUTH_BY_CLIENT: Self = Self(1 << 13);
    pub(crate) const AUTH_BY_SERVER: Self = Self(1 << 14);

    pub(crate) const PUBLISH: Self = Self::PUBLISH_BY_CLIENT.or(Self::PUBLISH_BY_SERVER);
    pub(crate) const PUBACK: Self = Self::PUBACK_BY_CLIENT.or(Self::PUBACK_BY_SERVER);
    pub(crate) const DISCONNECT: Self = Self::DISCONNECT_BY_CLIENT.or(Self::DISCONNECT_BY_SERVER);
    pub(crate) const AUTH: Self = Self::AUTH_BY_CLIENT.or(Self::AUTH_BY_SERVER);
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
