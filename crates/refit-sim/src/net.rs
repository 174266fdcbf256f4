//! A fake network: connections that are slow, cut, half open, or taken over; in order within one, out of it across.

use std::fmt;
use std::sync::Arc;

use refit_protocol::topic::Kind;

use crate::clock::{Millis, SECOND};
use crate::coverage::Fault;
use crate::transition::Event;
use crate::world::World;

/// The name of a connection; 0 is the operators'.
pub(crate) type ConnId = u32;

/// The connection of all operators and applications: it is never cut, but the server behind it dies.
pub(crate) const OPERATORS: ConnId = 0;

/// How long one side of a half-open connection may go on believing in it: one and a half keep-alives of a minute.
pub(crate) const HALF_OPEN_MS: Millis = 90 * SECOND;

/// What a device sends.
#[derive(Clone)]
pub(crate) enum Up {
    Connect,
    Subscribe,
    Unsubscribe,
    Publish {
        packet: u32,
        kind: Kind,
        payload: Arc<[u8]>,
    },
}

/// What the server sends.
#[derive(Clone)]
pub(crate) enum Down {
    Connack,
    Suback,
    Puback { packet: u32 },
    Publish { kind: Kind, payload: Arc<[u8]> },
}

impl fmt::Display for Up {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Subscribe => f.write_str("subscribe"),
            Self::Unsubscribe => f.write_str("unsubscribe"),
            Self::Publish {
                packet,
                kind,
                payload,
            } => {
                let text = String::from_utf8_lossy(payload);
                write!(f, "{} {packet}: {text}", kind.path())
            }
        }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connack => f.write_str("connack"),
            Self::Suback => f.write_str("suback"),
            Self::Puback { packet } => write!(f, "puback {packet}"),
            Self::Publish { kind, payload } => {
                write!(f, "{}: {}", kind.path(), String::from_utf8_lossy(payload))
            }
        }
    }
}

/// All connections there ever were.
#[derive(Default)]
pub(crate) struct Net {
    connections: Vec<Connection>,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) device: usize,
    /// The server's life that it was made to.
    pub(crate) life: u32,
    pub(crate) device_open: bool,
    pub(crate) server_open: bool,
    /// The version of the newest delta that arrived; it never goes back.
    pub(crate) newest: u64,
    /// What the device said last, and when: it may be on its way again.
    last: Option<(Millis, Up)>,
    up_lost: bool,
    down_lost: bool,
    up_until: Millis,
    down_until: Millis,
}

impl Connection {
    /// Nothing more arrives from the device.
    pub(crate) const fn up_is_lost(&mut self) {
        self.up_lost = true;
    }
}

impl Net {
    pub(crate) fn get(&self, conn: ConnId) -> Option<&Connection> {
        self.connections.get((conn as usize).checked_sub(1)?)
    }

    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.connections.get_mut((conn as usize).checked_sub(1)?)
    }

    /// Returns the connections that were made to a life of the server and are not closed on both sides.
    fn of_life(&self, life: u32) -> Vec<ConnId> {
        let open = |c: &Connection| c.life == life && (c.device_open || c.server_open);
        (1..)
            .zip(&self.connections)
            .filter(|(_, c)| open(c))
            .map(|(conn, _)| conn)
            .collect()
    }
}

impl World {
    /// A device opens a connection.
    pub(crate) fn open_connection(&mut self, device: usize) -> ConnId {
        let now = self.clock.now();
        self.net.connections.push(Connection {
            device,
            life: self.server.life,
            device_open: true,
            server_open: false,
            newest: 0,
            last: None,
            up_lost: false,
            down_lost: false,
            up_until: now,
            down_until: now,
        });
        let conn = self.net.connections.len() as ConnId;
        if let Some(wait) = self.fault_wait(self.options.faults.cut_every_ms) {
            self.clock.after(wait, Event::CutConnection { conn });
        }
        self.device_sends(conn, Up::Connect);
        conn
    }

    /// Draws when a fault of this mean comes next; never, when it is off.
    pub(crate) fn fault_wait(&mut self, mean: Millis) -> Option<Millis> {
        (mean > 0 && !self.calm).then(|| self.chances.net.around(mean))
    }

    fn delay(&mut self) -> Millis {
        if !self.calm && self.chances.net.permille(self.options.faults.slow) {
            self.coverage.fault(Fault::Slow);
            return self.chances.net.between(SECOND, 20 * SECOND);
        }
        self.chances.net.between(1, 60)
    }

    /// Sends a message to the server; it may arrive twice.
    pub(crate) fn device_sends(&mut self, conn: ConnId, message: Up) {
        let twice = matches!(message, Up::Publish { .. })
            && !self.calm
            && self.chances.net.permille(self.options.faults.twice);
        if twice {
            self.coverage.fault(Fault::Twice);
            self.carry_up(conn, message.clone());
        }
        self.carry_up(conn, message);
    }

    fn carry_up(&mut self, conn: ConnId, message: Up) {
        let delay = self.delay();
        let now = self.clock.now();
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        if connection.up_lost || !connection.device_open {
            return;
        }
        connection.up_until = connection.up_until.max(now + delay);
        if let Up::Publish { .. } = message {
            connection.last = Some((now, message.clone()));
        }
        let at = connection.up_until;
        self.clock.at(at, Event::ToServer { conn, message });
    }

    /// Sends a message to a device.
    pub(crate) fn server_sends(&mut self, conn: ConnId, message: Down) {
        let delay = self.delay();
        let now = self.clock.now();
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        if connection.down_lost || !connection.server_open {
            return;
        }
        connection.down_until = connection.down_until.max(now + delay);
        let at = connection.down_until;
        self.clock.at(at, Event::ToDevice { conn, message });
    }

    /// Tells whether a message that arrives is still carried.
    pub(crate) fn carries_up(&self, conn: ConnId) -> bool {
        self.net.get(conn).is_some_and(|c| !c.up_lost)
    }

    /// Tells whether a message that arrives is still carried.
    pub(crate) fn carries_down(&self, conn: ConnId) -> bool {
        self.net
            .get(conn)
            .is_some_and(|c| !c.down_lost && c.device_open)
    }

    /// Something on the way breaks. Either side may go on believing, and what was under way may still come.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        let half = self.chances.net.permille(self.options.faults.half_open);
        let blind = self.chances.net.permille(500);
        let soon = self.chances.net.between(0, 100);
        let late = self.chances.net.between(SECOND, HALF_OPEN_MS);
        let now = self.clock.now();
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        if self.calm || !connection.device_open && !connection.server_open {
            return;
        }
        let (fault, server, device) = match (half, blind) {
            (false, _) => (Fault::Cut, soon, soon),
            (true, true) => (Fault::DeviceBlind, soon, late),
            (true, false) => (Fault::ServerBlind, late, soon),
        };
        connection.down_lost = true;
        // A blind server still gets what the device had sent, perhaps after the device's next connection.
        connection.up_lost = fault != Fault::ServerBlind;
        let last = connection.last.take();
        let recent = last.filter(|(at, _)| *at + 10 * SECOND > now && fault == Fault::ServerBlind);
        if let Some((_, message)) = recent {
            let again = self.chances.net.between(SECOND, 5 * SECOND);
            self.clock.after(again, Event::ToServer { conn, message });
        }
        self.coverage.fault(fault);
        self.clock.after(server, Event::ServerSeesEnd { conn });
        self.clock.after(device, Event::DeviceSeesEnd { conn });
    }

    /// The device's program ends, or its power does.
    pub(crate) fn device_closes(&mut self, conn: ConnId, silently: bool) {
        let wait = if silently {
            self.chances.net.between(SECOND, HALF_OPEN_MS)
        } else {
            self.chances.net.between(0, 100)
        };
        if let Some(connection) = self.net.get_mut(conn) {
            connection.device_open = false;
            connection.down_lost = true;
        }
        self.clock.after(wait, Event::ServerSeesEnd { conn });
    }

    /// The server closes a connection; what it said before still arrives.
    pub(crate) fn server_closes(&mut self, conn: ConnId) {
        let wait = self.chances.net.between(60, 200);
        if let Some(connection) = self.net.get_mut(conn)
            && connection.server_open
        {
            connection.server_open = false;
            connection.up_lost = true;
            let at = connection.down_until + wait;
            self.clock.at(at, Event::DeviceSeesEnd { conn });
            // The session is over for the engine too.
            connection.server_open = true;
            self.server_sees_end(conn);
        }
    }

    /// The server dies: its connections with it. What it had sent may still arrive.
    pub(crate) fn cut_all(&mut self, life: u32) {
        for conn in self.net.of_life(life) {
            let lost = self.chances.net.permille(500);
            let blind = self.chances.net.permille(self.options.faults.half_open);
            let wait = if blind {
                self.chances.net.between(SECOND, HALF_OPEN_MS)
            } else {
                self.chances.net.between(0, 200)
            };
            if let Some(connection) = self.net.get_mut(conn) {
                connection.server_open = false;
                connection.up_lost = true;
                connection.down_lost |= lost;
            }
            self.clock.after(wait, Event::DeviceSeesEnd { conn });
        }
    }
}
