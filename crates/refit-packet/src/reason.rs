//! Reason codes of MQTT 5 (§2.4) and return codes of 3.1.1's CONNACK (§3.2.2.3): one table each.

use core::fmt;

use crate::place::Places;

macro_rules! reason_codes {
    ($($value:literal $name:ident $meaning:literal $places:tt;)*) => {
        /// How something ended, in one byte: below 0x80 well, from 0x80 on not.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct ReasonCode(u8);

        impl ReasonCode {
            $(#[doc = concat!("`", stringify!($value), "`: ", $meaning, ".")]
            pub const $name: Self = Self($value);)*

            /// The code in the standard's words, in lower case.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self.0 {
                    $($value => $meaning,)*
                    _ => "unknown reason code",
                }
            }

            fn places(self) -> Places {
                match self.0 {
                    $($value => reason_codes!(@places $places),)*
                    _ => Places::NONE,
                }
            }
        }
    };
    (@places [$($place:ident)*]) => { Places::NONE$(.or(Places::$place))* };
}

reason_codes! {
    0x00 SUCCESS "success" [CONNACK PUBACK PUBREL SUBACK UNSUBACK DISCONNECT_BY_CLIENT AUTH_BY_SERVER];
    0x01 GRANTED_QOS_1 "granted QoS 1" [SUBACK];
    0x02 GRANTED_QOS_2 "granted QoS 2" [SUBACK];
    0x04 DISCONNECT_WITH_WILL "disconnect with will message" [DISCONNECT_BY_CLIENT];
    0x10 NO_MATCHING_SUBSCRIBERS "no matching subscribers" [PUBACK_BY_SERVER];
    0x11 NO_SUBSCRIPTION_EXISTED "no subscription existed" [UNSUBACK];
    0x18 CONTINUE_AUTHENTICATION "continue authentication" [AUTH];
    0x19 RE_AUTHENTICATE "re-authenticate" [AUTH_BY_CLIENT];
    0x80 UNSPECIFIED_ERROR "unspecified error" [CONNACK PUBACK SUBACK UNSUBACK DISCONNECT];
    0x81 MALFORMED_PACKET "malformed packet" [CONNACK DISCONNECT];
    0x82 PROTOCOL_ERROR "protocol error" [CONNACK DISCONNECT];
    0x83 IMPLEMENTATION_SPECIFIC_ERROR "implementation specific error" [CONNACK PUBACK SUBACK UNSUBACK DISCONNECT];
    0x84 UNSUPPORTED_PROTOCOL_VERSION "unsupported protocol version" [CONNACK];
    0x85 CLIENT_IDENTIFIER_NOT_VALID "client identifier not valid" [CONNACK];
    0x86 BAD_USER_NAME_OR_PASSWORD "bad user name or password" [CONNACK];
    0x87 NOT_AUTHORIZED "not authorized" [CONNACK PUBACK SUBACK UNSUBACK DISCONNECT_BY_SERVER];
    0x88 SERVER_UNAVAILABLE "server unavailable" [CONNACK];
    0x89 SERVER_BUSY "server busy" [CONNACK DISCONNECT_BY_SERVER];
    0x8a BANNED "banned" [CONNACK];
    0x8b SERVER_SHUTTING_DOWN "server shutting down" [DISCONNECT_BY_SERVER];
    0x8c BAD_AUTHENTICATION_METHOD "bad authentication method" [CONNACK DISCONNECT];
    0x8d KEEP_ALIVE_TIMEOUT "keep alive timeout" [DISCONNECT_BY_SERVER];
    0x8e SESSION_TAKEN_OVER "session taken over" [DISCONNECT_BY_SERVER];
    0x8f TOPIC_FILTER_INVALID "topic filter invalid" [SUBACK UNSUBACK DISCONNECT_BY_SERVER];
    0x90 TOPIC_NAME_INVALID "topic name invalid" [CONNACK PUBACK DISCONNECT];
    0x91 PACKET_IDENTIFIER_IN_USE "packet identifier in use" [PUBACK SUBACK UNSUBACK];
    0x92 PACKET_IDENTIFIER_NOT_FOUND "packet identifier not found" [PUBREL];
    0x93 RECEIVE_MAXIMUM_EXCEEDED "receive maximum exceeded" [DISCONNECT];
    0x94 TOPIC_ALIAS_INVALID "topic alias invalid" [DISCONNECT];
    0x95 PACKET_TOO_LARGE "packet too large" [CONNACK DISCONNECT];
    0x96 MESSAGE_RATE_TOO_HIGH "message rate too high" [DISCONNECT];
    0x97 QUOTA_EXCEEDED "quota exceeded" [CONNACK PUBACK SUBACK DISCONNECT];
    0x98 ADMINISTRATIVE_ACTION "administrative action" [DISCONNECT];
    0x99 PAYLOAD_FORMAT_INVALID "payload format invalid" [CONNACK PUBACK DISCONNECT];
    0x9a RETAIN_NOT_SUPPORTED "retain not supported" [CONNACK DISCONNECT_BY_SERVER];
    0x9b QOS_NOT_SUPPORTED "QoS not supported" [CONNACK DISCONNECT_BY_SERVER];
    0x9c USE_ANOTHER_SERVER "use another server" [CONNACK DISCONNECT_BY_SERVER];
    0x9d SERVER_MOVED "server moved" [CONNACK DISCONNECT_BY_SERVER];
    0x9e SHARED_SUBSCRIPTIONS_NOT_SUPPORTED "shared subscriptions not supported" [SUBACK DISCONNECT_BY_SERVER];
    0x9f CONNECTION_RATE_EXCEEDED "connection rate exceeded" [CONNACK DISCONNECT_BY_SERVER];
    0xa0 MAXIMUM_CONNECT_TIME "maximum connect time" [DISCONNECT_BY_SERVER];
    0xa1 SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED "subscription identifiers not supported" [SUBACK DISCONNECT_BY_SERVER];
    0xa2 WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED "wildcard subscriptions not supported" [SUBACK DISCONNECT_BY_SERVER];
}

impl ReasonCode {
    pub(crate) const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Tells whether the code reports a failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    pub(crate) fn may_stand_in(self, places: Places) -> bool {
        self.places().meets(places)
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", self.0, self.meaning())
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}

macro_rules! return_codes {
    ($($value:literal $name:ident $reason:ident $meaning:literal;)*) => {
        /// How a CONNECT ended, in 3.1.1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ConnectReturnCode {
            $(#[doc = concat!("`", stringify!($value), "`: ", $meaning, ".")] $name = $value,)*
        }

        impl ConnectReturnCode {
            /// The byte on the wire.
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }

            pub(crate) fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The reason code that means the same in MQTT 5.
            #[must_use]
            pub const fn reason(self) -> ReasonCode {
                match self {
                    $(Self::$name => ReasonCode::$reason,)*
                }
            }

            /// The return code that says the same as a reason code, or asks the same of the client; `None`: 3.1.1 cannot say it,
            /// and the connection is to be closed without a CONNACK (\[MQTT-3.2.2-6\]).
            #[must_use]
            pub const fn of(reason: ReasonCode) -> Option<Self> {
                match reason {
                    $(ReasonCode::$reason => Some(Self::$name),)*
                    // What a client does about it is the same: it comes back later.
                    ReasonCode::SERVER_BUSY | ReasonCode::CONNECTION_RATE_EXCEEDED => {
                        Some(Self::ServerUnavailable)
                    }
                    _ => None,
                }
            }
        }
    };
}

return_codes! {
    0x00 Accepted SUCCESS "connection accepted";
    0x01 UnacceptableProtocolVersion UNSUPPORTED_PROTOCOL_VERSION "unacceptable protocol version";
    0x02 IdentifierRejected CLIENT_IDENTIFIER_NOT_VALID "identifier rejected";
    0x03 ServerUnavailable SERVER_UNAVAILABLE "server unavailable";
    0x04 BadUserNameOrPassword BAD_USER_NAME_OR_PASSWORD "bad user name or password";
    0x05 NotAuthorized NOT_AUTHORIZED "not authorized";
}
