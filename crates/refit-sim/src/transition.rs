//! Everything that can happen, and who it happens to.

use refit_engine::shard::Broken;
use refit_protocol::device_id::DeviceId;
use refit_store::store::Outcome;

use crate::clock::Millis;
use crate::device::Done;
use crate::net::{ConnId, Down, Up};
use crate::operator::Act;
use crate::world::World;

/// Something that is planned to happen.
pub(crate) enum Event {
    /// A message arrives at the server.
    ToServer { conn: ConnId, message: Up },
    /// A message arrives at a device.
    ToDevice { conn: ConnId, message: Down },
    /// The server notices that a connection ended.
    ServerSeesEnd { conn: ConnId },
    /// A device notices that its connection ended.
    DeviceSeesEnd { conn: ConnId },
    /// Something on the way breaks.
    CutConnection { conn: ConnId },

    /// A timer of the server may have come due.
    ServerTick { life: u32, at: Millis },
    /// The server sends off what it has gathered.
    Flush { life: u32 },
    /// A record was read.
    Loaded { life: u32, device: DeviceId },
    /// The store writes its next batch.
    StoreWrites { life: u32 },
    /// The store answers.
    StoreAnswers {
        life: u32,
        ticket: u64,
        result: Result<Vec<Outcome>, Broken>,
    },
    /// What was answered early becomes durable (planted).
    WritesLate { life: u32, batch: usize },
    /// The server dies.
    ServerCrashes { life: u32 },
    /// The server starts.
    ServerStarts,
    /// The store runs out of room, or has some again.
    Room { full: bool },
    /// The server's wall clock jumps.
    ClockJumps,

    /// A device's program starts.
    DeviceStarts { device: usize, boot: u32 },
    /// A device tries to connect.
    DeviceConnects { device: usize, boot: u32 },
    /// A timer of a device may have come due.
    DeviceTicks {
        device: usize,
        boot: u32,
        at: Millis,
    },
    /// A device has done something that takes time.
    DeviceDid {
        device: usize,
        boot: u32,
        done: Done,
    },
    /// A device loses its power.
    PowerFails { device: usize },
    /// A device's program is killed.
    DeviceKilled { device: usize },

    /// An operator wants something.
    Operates,
    /// An operator says it, for the first time or again.
    Says { act: Act, tries: u32 },
    /// The faults stop.
    Calm,
    /// Everything must have come to its end.
    Settled,
    /// All that `why` names was taken away but one reason; nothing may have gone on.
    LastReason,
    /// That was taken away too: each must have gone on.
    Proceeded,
}

impl World {
    /// Lets an event happen.
    pub(crate) fn turn(&mut self, event: Event) {
        match event {
            Event::ToServer { conn, message } => self.at_server(conn, message),
            Event::ToDevice { conn, message } => self.at_device(conn, &message),
            Event::ServerSeesEnd { conn } => self.server_sees_end(conn),
            Event::DeviceSeesEnd { conn } => self.device_sees_end(conn),
            Event::CutConnection { conn } => self.cut(conn),

            Event::ServerTick { life, at } if life == self.server.life => self.server_tick(at),
            Event::Flush { life } if life == self.server.life => self.flush(),
            Event::Loaded { life, device } if life == self.server.life => self.loaded(device),
            Event::StoreWrites { life } if life == self.server.life => self.store_writes(),
            Event::StoreAnswers {
                life,
                ticket,
                result,
            } if life == self.server.life => self.store_answers(ticket, result),
            Event::WritesLate { life, batch } if life == self.server.life => {
                self.writes_late(batch);
            }
            Event::ServerCrashes { life } if life == self.server.life && !self.calm => self.crash(),
            Event::ServerTick { .. }
            | Event::Flush { .. }
            | Event::Loaded { .. }
            | Event::StoreWrites { .. }
            | Event::StoreAnswers { .. }
            | Event::WritesLate { .. }
            | Event::ServerCrashes { .. } => {}
            Event::ServerStarts => self.start_server(),
            Event::Room { full } => self.room(full),
            Event::ClockJumps => self.clock_jumps(),

            Event::DeviceStarts { device, boot } if self.is_boot(device, boot) => {
                self.device_starts(device);
            }
            Event::DeviceConnects { device, boot } if self.is_boot(device, boot) => {
                self.device_connects(device);
            }
            Event::DeviceTicks { device, boot, at } if self.is_boot(device, boot) => {
                self.device_ticks(device, at);
            }
            Event::DeviceDid { device, boot, done } if self.is_boot(device, boot) => {
                self.device_did(device, done);
            }
            Event::DeviceStarts { .. }
            | Event::DeviceConnects { .. }
            | Event::DeviceTicks { .. }
            | Event::DeviceDid { .. } => {}
            Event::PowerFails { device } => self.power_fails(device),
            Event::DeviceKilled { device } => self.device_killed(device),

            Event::Operates => self.operates(),
            Event::Says { act, tries } => self.operator_says(act, tries),
            Event::Calm => self.becomes_calm(),
            Event::Settled => self.settled(),
            Event::LastReason => self.take_last_reasons(),
            Event::Proceeded => self.proceeded(),
        }
    }
}
