//! What is wrong with a packet: one table from meaning to statement, answer and words.

use core::fmt;

use crate::{ConnectReturnCode, ReasonCode};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident [$v311:literal, $v5:literal] => $reason:ident, $message:literal;)*) => {
        /// Why a packet was refused, on its way in or out. Copied freely: it borrows nothing.
        ///
        /// `Display` is a lower-case fragment, to be read after "refused: ".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Error {
            /// The protocol name is MQTT's but the level is none that we speak; it carries the
            /// level, which decides in which version to answer. \[MQTT-3.1.2-2\] in both.
            UnsupportedLevel(u8),
            $($(#[$doc])* #[doc = concat!("\n\nStatement ", $v311, " of 3.1.1; ", $v5, " of 5.")] $name,)*
        }

        impl Error {
            /// The reason code to say in CONNACK or DISCONNECT before closing (MQTT 5).
            #[must_use]
            pub fn reason(self) -> ReasonCode {
                match self {
                    Self::UnsupportedLevel(_) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
                    $(Self::$name => ReasonCode::$reason,)*
                }
            }

            /// The number of the statement that is broken, or the section that says so, in 3.1.1
            /// and in 5; `-` where a version has no such rule.
            #[must_use]
            pub fn statements(self) -> [&'static str; 2] {
                match self {
                    Self::UnsupportedLevel(_) => ["MQTT-3.1.2-2", "MQTT-3.1.2-2"],
                    $(Self::$name => [$v311, $v5],)*
                }
            }

            fn message(self) -> &'static str {
                match self {
                    Self::UnsupportedLevel(_) => "unsupported protocol level, use 4 or 5",
                    $(Self::$name => $message,)*
                }
            }
        }
    };
}

errors! {
    /// A field runs past the end of its packet, or the packet past the bytes given.
    UnexpectedEnd ["MQTT-4.8.0-1", "MQTT-4.13.1-1"] => MALFORMED_PACKET, "packet ends within a field";
    /// There are bytes after the last field.
    TrailingBytes ["MQTT-4.8.0-1", "MQTT-4.13.1-1"] => MALFORMED_PACKET, "bytes after the last field";
    /// The remaining length does not end within four bytes.
    RemainingLength ["§2.2.3", "§1.5.5"] => MALFORMED_PACKET, "remaining length of more than four bytes";
    /// A variable byte integer does not end within four bytes.
    VariableByteInteger ["-", "§1.5.5"] => MALFORMED_PACKET, "variable byte integer of more than four bytes";
    /// A length takes more bytes than it needs.
    NotMinimal ["-", "MQTT-1.5.5-1"] => MALFORMED_PACKET, "length in more bytes than it needs";
    /// The packet is longer than the limit given, or than MQTT can say.
    PacketTooLarge ["-", "MQTT-3.2.2-15"] => PACKET_TOO_LARGE, "packet too large";
    /// Packet type 0, or 15 in 3.1.1.
    ReservedType ["§2.2.1", "§2.1.2"] => MALFORMED_PACKET, "reserved packet type";
    /// This packet is the other side's to send.
    WrongDirection ["§2.2.1", "§2.1.2"] => PROTOCOL_ERROR, "packet that this side may not send";
    /// This packet does not exist in this version.
    NotInVersion ["§2.2.1", "-"] => PROTOCOL_ERROR, "packet that this protocol version does not have";
    /// The low four bits of the first byte are not what the packet type demands.
    FixedHeaderFlags ["MQTT-2.2.2-2", "MQTT-2.1.3-1"] => MALFORMED_PACKET, "wrong flags in the fixed header";
    /// CONNECT does not start with the protocol name `MQTT`.
    ProtocolName ["MQTT-3.1.2-1", "MQTT-3.1.2-1"] => UNSUPPORTED_PROTOCOL_VERSION, "protocol name is not MQTT";
    /// The reserved bit of CONNECT's flags is set.
    ConnectReservedFlag ["MQTT-3.1.2-3", "MQTT-3.1.2-3"] => MALFORMED_PACKET, "reserved connect flag is set";
    /// A will QoS or will retain without a will.
    WillFlags ["MQTT-3.1.2-11", "MQTT-3.1.2-11"] => MALFORMED_PACKET, "will flags without a will";
    /// A will with QoS 3.
    WillQos ["MQTT-3.1.2-14", "MQTT-3.1.2-12"] => MALFORMED_PACKET, "will with QoS 3";
    /// A password without a user name; MQTT 5 allows it.
    PasswordWithoutUserName ["MQTT-3.1.2-22", "-"] => MALFORMED_PACKET, "password without a user name";
    /// An empty client identifier without a clean session; MQTT 5 allows it.
    ClientIdMissing ["MQTT-3.1.3-8", "-"] => CLIENT_IDENTIFIER_NOT_VALID, "empty client identifier needs a clean session";
    /// A string is not UTF-8, or encodes a surrogate.
    Utf8 ["MQTT-1.5.3-1", "MQTT-1.5.4-1"] => MALFORMED_PACKET, "string is not UTF-8";
    /// A string contains U+0000.
    Nul ["MQTT-1.5.3-2", "MQTT-1.5.4-2"] => MALFORMED_PACKET, "string contains U+0000";
    /// A topic name is empty.
    TopicEmpty ["MQTT-4.7.3-1", "MQTT-4.7.3-1"] => PROTOCOL_ERROR, "topic name is empty";
    /// A topic name has a wildcard in it.
    TopicWildcard ["MQTT-3.3.2-2", "MQTT-3.3.2-2"] => MALFORMED_PACKET, "topic name contains a wildcard";
    /// A topic filter is empty.
    FilterEmpty ["MQTT-4.7.3-1", "MQTT-4.7.3-1"] => MALFORMED_PACKET, "topic filter is empty";
    /// A wildcard shares its level, or `#` is not the last.
    FilterWildcard ["MQTT-4.7.1-2", "MQTT-4.7.1-1"] => MALFORMED_PACKET, "wildcard is misplaced in the topic filter";
    /// `$share/` without a group or a filter.
    SharedFilter ["-", "MQTT-4.8.2-2"] => MALFORMED_PACKET, "shared subscription is not $share/group/filter";
    /// No Local on a shared subscription.
    SharedNoLocal ["-", "MQTT-3.8.3-4"] => PROTOCOL_ERROR, "no-local on a shared subscription";
    /// A PUBLISH with QoS 3.
    PublishQos ["MQTT-3.3.1-4", "MQTT-3.3.1-4"] => MALFORMED_PACKET, "publish with QoS 3";
    /// A PUBLISH with DUP and QoS 0.
    DupOnQos0 ["MQTT-3.3.1-2", "MQTT-3.3.1-2"] => MALFORMED_PACKET, "publish with DUP and QoS 0";
    /// A packet identifier of zero.
    PacketIdZero ["MQTT-2.3.1-1", "MQTT-2.2.1-3"] => PROTOCOL_ERROR, "packet identifier is zero";
    /// SUBSCRIBE or UNSUBSCRIBE without a filter; SUBACK without a code.
    NothingListed ["MQTT-3.8.3-3", "MQTT-3.8.3-2"] => PROTOCOL_ERROR, "nothing is listed in the packet";
    /// Reserved bits of the subscription options.
    SubscribeReserved ["MQTT-3.8.3-4", "MQTT-3.8.3-5"] => MALFORMED_PACKET, "reserved subscription option is set";
    /// A subscription with QoS 3.
    SubscribeQos ["MQTT-3.8.3-4", "§3.8.3.1"] => PROTOCOL_ERROR, "subscription with QoS 3";
    /// A retain handling of 3.
    RetainHandling ["-", "§3.8.3.1"] => PROTOCOL_ERROR, "subscription with retain handling 3";
    /// An identifier that is no property.
    UnknownProperty ["-", "§2.2.2.2"] => MALFORMED_PACKET, "unknown property";
    /// A property that may not stand in this packet, or not from this side.
    PropertyNotHere ["-", "§2.2.2.2"] => MALFORMED_PACKET, "property does not belong in this packet";
    /// A property twice that may stand once.
    PropertyTwice ["-", "§2.2.2.2"] => PROTOCOL_ERROR, "property appears twice";
    /// A property's value is out of its range.
    PropertyValue ["-", "§2.2.2.2"] => PROTOCOL_ERROR, "property value out of range";
    /// Authentication data, or an AUTH packet, without an authentication method.
    AuthMethodMissing ["-", "§3.1.2.11.10"] => PROTOCOL_ERROR, "authentication method is missing";
    /// A PUBLISH with neither a topic nor a topic alias.
    TopicMissing ["-", "§3.3.2.1"] => PROTOCOL_ERROR, "publish without topic and topic alias";
    /// A reason code that may not stand in this packet, or not from this side.
    ReasonNotHere ["MQTT-3.9.3-2", "§2.4"] => PROTOCOL_ERROR, "reason code does not belong in this packet";
    /// A reserved bit of CONNACK's flags is set.
    ConnAckFlags ["§3.2.2.1", "MQTT-3.2.2-1"] => MALFORMED_PACKET, "reserved flag of the connection answer is set";
    /// A CONNACK that refuses and yet claims a session.
    SessionPresent ["MQTT-3.2.2-4", "MQTT-3.2.2-6"] => PROTOCOL_ERROR, "refused connection with a session present";
    /// To be sent: a field of more than 65,535 bytes.
    FieldTooLong ["§1.5.3", "§1.5.4"] => PACKET_TOO_LARGE, "field of more than 65535 bytes";
    /// To be sent: a CONNACK whose reason 3.1.1 has no return code for. Close without one.
    NoReturnCode ["MQTT-3.2.2-6", "-"] => UNSPECIFIED_ERROR, "reason has no return code in 3.1.1";
}

impl Error {
    /// The return code to say in CONNACK before closing (3.1.1); `None`: close without a word.
    #[must_use]
    pub fn return_code(self) -> Option<ConnectReturnCode> {
        match self {
            Self::UnsupportedLevel(_) => Some(ConnectReturnCode::UnacceptableProtocolVersion),
            Self::ClientIdMissing => Some(ConnectReturnCode::IdentifierRejected),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}
