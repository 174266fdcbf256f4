//! Who is there to be told something: connections come, subscribe, and go.

use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::Ungranted;
use refit_replica::input::Input;

use super::{Shard, World};
use crate::output::Output;

/// Whether a device is there to be told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not connected.
    Away,
    /// It is connected, but has not subscribed to its delta.
    Connected,
    /// It is connected, and subscribed to its delta.
    Reachable,
    /// It is reachable, but its delta is larger than the messages that it takes, and was not sent.
    Narrow,
    /// It is reachable, but no grant for its software can be had as it is wanted, so that was not sent.
    Ungranted(Ungranted),
}

impl<P: Clone + PartialEq> Shard<P> {
    pub(super) fn attach(
        &mut self,
        device: DeviceId,
        peer: P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let live = self.devices.entry(device.clone()).or_default();
        let was_reachable = std::mem::take(&mut live.reachable);
        match live.peer.replace(peer) {
            Some(old) => out.push(Output::TakeOver { peer: old }),
            None => self.connected += 1,
        }
        // The older connection will not say that it ends: until the new one subscribes, no time runs.
        if was_reachable {
            self.note_timers(device, world, out);
        }
    }

    pub(super) fn detach(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        if self.leave(&device, peer) {
            if let Some(live) = self.devices.get_mut(&device) {
                live.peer = None;
                self.moved.note(live.row);
                self.connected -= 1;
            }
            self.note_timers(device, world, out);
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        if self.leave(&device, peer) {
            if let Some(live) = self.devices.get(&device) {
                self.moved.note(live.row);
            }
            self.note_timers(device, world, out);
        }
    }

    /// Makes a device unreachable, if this is its present connection.
    fn leave(&mut self, device: &DeviceId, peer: &P) -> bool {
        match self.devices.get_mut(device) {
            Some(live) if live.peer.as_ref() == Some(peer) => {
                live.reachable = false;
                true
            }
            Some(_) | None => false,
        }
    }

    fn note_timers(&mut self, device: DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Some(live) = self.devices.get(&device) else {
            return;
        };
        if live.watching.is_some() || live.work.is_some() {
            self.own(device, Input::Detached, world, out);
        } else {
            self.forget_if_idle(&device);
        }
    }

    pub(super) fn subscribe(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        match self.devices.get_mut(&device) {
            Some(live) if live.peer.as_ref() == Some(peer) => live.reachable = true,
            Some(_) | None => return,
        }
        self.own(device, Input::Subscribed, world, out);
    }
}
