//! What the store came back with: a commit that is durable, was too late, found no room, or is in doubt.

use refit_protocol::device_id::DeviceId;
use refit_store::store::Outcome;

use super::live::keep_watch;
use super::{Broken, Shard, World};
use crate::output::{Output, Reply};

/// How long the shard waits with what could not be read or stored, in milliseconds.
const PUT_OFF_MS: u64 = 5_000;

impl<P: Clone + PartialEq> Shard<P> {
    pub(super) fn load_failed(
        &mut self,
        device: &DeviceId,
        why: &str,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        out.push(Output::Trouble {
            device: device.clone(),
            why: why.into(),
        });
        self.put_off(device, world, out);
    }

    pub(super) fn committed(
        &mut self,
        ticket: u64,
        result: Result<Vec<Outcome>, Broken>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let devices = self.commits.came_back(ticket);
        match result {
            Ok(outcomes) => {
                for (device, outcome) in devices.iter().zip(outcomes) {
                    self.outcome(device, outcome, world, out);
                }
            }
            Err(Broken::Full) => {
                for device in &devices {
                    self.put_off(device, world, out);
                }
            }
            // Nothing is known, so nothing is said: the process stops and looks.
            Err(Broken::Unknown(why)) => out.push(Output::Stop { why }),
        }
    }

    fn outcome(
        &mut self,
        device: &DeviceId,
        outcome: Outcome,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let Some(live) = self.devices.get_mut(device) else {
            return;
        };
        let Some(work) = live.work.as_deref_mut() else {
            return;
        };
        match outcome {
            Outcome::Applied(guard) => {
                live.row.remember(guard.key);
                let made = work.applied(guard);
                self.known += u64::from(made);
                self.moved.note(live.row);
                self.release(device, world, out);
            }
            // What a rollout wanted is void, and nothing was written: the rest is decided again.
            Outcome::Overtaken => {
                let before = work.start_again();
                for task in work.without_assignments() {
                    out.push(Output::Answer {
                        device: device.clone(),
                        to: task.from,
                        peer: None,
                        reply: Reply::Overtaken,
                    });
                }
                if let Some(before) = before {
                    keep_watch(&mut self.timers, device, live, before, None);
                }
                out.push(Output::Load(live.row.wanted(device)));
            }
            // Somebody else wrote the record: read it and decide the same again.
            Outcome::Conflict | Outcome::Missing => {
                if let Some(before) = work.start_again() {
                    keep_watch(&mut self.timers, device, live, before, None);
                }
                out.push(Output::Load(live.row.wanted(device)));
            }
        }
    }

    /// Gives up for now what cannot be read or stored: whoever asked is told so, and what the shard itself wanted is
    /// wanted again, but only once in a while.
    fn put_off(&mut self, device: &DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Some(live) = self.devices.get_mut(device) else {
            return;
        };
        let Some(mut work) = live.work.take() else {
            return;
        };
        let watch = match work.start_again() {
            Some(before) => before,
            None => live.watch(),
        };
        let own = work.wants_itself();
        let earliest = own.then(|| world.now.mono.after(PUT_OFF_MS));
        let untold = work.owes_delta();
        keep_watch(&mut self.timers, device, live, watch, earliest);
        if let Some(watching) = &mut live.watching {
            watching.untold |= untold;
        }
        work.refuse_all(device, live.peer.as_ref(), world.now.wall, out);
        self.forget_if_idle(device);
    }
}
