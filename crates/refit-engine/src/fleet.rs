//! The operations that every transport calls: attach, detach, subscribe, submit, ask, and watch.
//!
//! Each returns at once. What follows arrives on the caller's [`Seat`], in order, and never before it is durable.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;

use crossbeam_channel::Sender;
use refit_protocol::device_id::DeviceId;
use refit_protocol::topic::Kind;
use refit_protocol::update::Update;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;
use refit_store::rollout::RolloutGuard;

use crate::conductor::Told;
use crate::driver::Mail;
use crate::events::Feed;
use crate::indexing::Indexing;
use crate::seat::{Seat, Wants};
use crate::shard::{From, Happening, Presence, What};
use crate::watchers::{Scope, Watchers};

/// The engine, as transports see it. Cloning it is cheap.
#[derive(Clone)]
pub struct Fleet {
    mail: Sender<Mail>,
    watchers: Arc<Watchers>,
    feed: Arc<Feed>,
    indexing: Indexing,
    hash: Arc<RandomState>,
}

/// What a transport learns at once of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The receipt will come on the seat.
    Later,
    /// It changes nothing and nothing waits: acknowledge it now. No receipt will come.
    Quiet,
}

impl Fleet {
    pub(crate) fn new(
        mail: Sender<Mail>,
        watchers: Arc<Watchers>,
        feed: Arc<Feed>,
        indexing: Indexing,
    ) -> Self {
        Self {
            mail,
            watchers,
            feed,
            indexing,
            hash: Arc::new(RandomState::new()),
        }
    }

    /// A device connected. An earlier connection of the same device is closed as taken over.
    pub fn attach(&self, seat: &Arc<Seat>) {
        self.of_device(seat, |device, peer| Happening::Attach { device, peer });
    }

    /// A device's connection ended.
    pub fn detach(&self, seat: &Arc<Seat>) {
        self.of_device(seat, |device, peer| Happening::Detach { device, peer });
    }

    /// A device subscribed to its delta: it is told it now, if there is one, after all that it submitted before.
    pub fn subscribe(&self, seat: &Arc<Seat>) {
        self.of_device(seat, |device, peer| Happening::Subscribe { device, peer });
    }

    /// A device no longer subscribes to its delta, though it stays connected.
    pub fn unsubscribe(&self, seat: &Arc<Seat>) {
        self.of_device(seat, |device, peer| Happening::Unsubscribe { device, peer });
    }

    /// Submits a payload that arrived on `state/{device}/update`. The receipt number comes back on the seat.
    pub fn submit(
        &self,
        seat: &Arc<Seat>,
        speaker: Speaker,
        device: &DeviceId,
        payload: &[u8],
        receipt: u32,
    ) -> Submitted {
        let hash = self.quiet_hash(seat, &speaker, payload);
        if seat.is_quiet(hash) {
            return Submitted::Quiet;
        }
        let what = What::Payload {
            speaker,
            payload: payload.into(),
            hash,
        };
        self.submit_what(seat, device, what, receipt);
        Submitted::Later
    }

    /// Submits an update that is already read.
    pub fn update(
        &self,
        seat: &Arc<Seat>,
        speaker: Speaker,
        device: &DeviceId,
        update: Update,
        receipt: u32,
    ) {
        let what = What::Input(Box::new(Input::Update { speaker, update }));
        self.submit_what(seat, device, what, receipt);
    }

    /// Asks for the record of a device (`state/{device}/get`). The answer is published to the seat, and a device is
    /// told its delta with it.
    pub fn ask(&self, seat: &Arc<Seat>, speaker: Speaker, device: &DeviceId, receipt: u32) {
        self.submit_what(
            seat,
            device,
            What::Input(Box::new(Input::Ask { speaker })),
            receipt,
        );
    }

    /// Does what an operator wants with a device: [`Input::Cancel`], [`Input::Hold`] or [`Input::Retry`],
    /// or one of them [at a version](Input::At).
    pub fn operate(&self, seat: &Arc<Seat>, device: &DeviceId, input: Input, receipt: u32) {
        self.submit_what(seat, device, What::Input(Box::new(input)), receipt);
    }

    /// Lets a seat watch messages of this kind for these devices: changes only, URLs without grants.
    pub fn watch(&self, seat: &Arc<Seat>, kind: Kind, scope: Scope) {
        self.watchers.add(seat, kind, scope);
    }

    /// Ends such a watch.
    pub fn unwatch(&self, seat: &Arc<Seat>, kind: Kind, scope: &Scope) {
        self.watchers.remove(seat, kind, scope);
    }

    /// Ends all watches of a seat whose connection ended.
    pub fn unwatch_all(&self, seat: &Arc<Seat>) {
        self.watchers.remove_all(seat);
    }

    /// Tells which of these devices are there. It waits for the engine's thread, so call it from one that may.
    pub fn presence(&self, devices: Vec<DeviceId>) -> Vec<Presence> {
        let (answer, answered) = crossbeam_channel::bounded(1);
        drop(self.mail.send(Mail::Presence(devices, answer)));
        answered.recv().unwrap_or_default()
    }

    /// Waits until everything that is decided now is durable, or will never be. Returns false if that is not known,
    /// because the engine stopped. Call it from a thread that may wait.
    pub fn settle(&self) -> bool {
        let (answer, answered) = crossbeam_channel::bounded(1);
        drop(self.mail.send(Mail::Settle(answer)));
        answered.recv().is_ok()
    }

    /// Cuts the connection of a device that may no longer be connected. Whoever lets devices in must refuse it already:
    /// this ends one connection, not the next.
    pub fn expel(&self, device: &DeviceId) {
        drop(self.mail.send(Mail::Expel(device.clone())));
    }

    /// Returns the index of all devices.
    pub const fn indexing(&self) -> &Indexing {
        &self.indexing
    }

    /// Says whom to tell from now on about devices that come, go and change; `None`: nobody.
    pub(crate) fn listen(&self, conductor: Option<Sender<Told>>) {
        drop(self.mail.send(Mail::Listen(conductor)));
    }

    /// Submits what a rollout, as it stood, wants of a device. The answer comes to whoever [listens](Self::listen).
    pub(crate) fn conduct(
        &self,
        device: &DeviceId,
        input: Input,
        number: u32,
        guard: RolloutGuard,
    ) {
        self.send(Happening::Submit {
            device: device.clone(),
            what: What::Input(Box::new(input)),
            from: From::Conductor { number, guard },
        });
    }

    /// Returns the feed of events.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    fn submit_what(&self, seat: &Arc<Seat>, device: &DeviceId, what: What, receipt: u32) {
        seat.submitted();
        let from = From::Peer {
            peer: Arc::clone(seat),
            receipt,
            author: seat.author(),
        };
        self.send(Happening::Submit {
            device: device.clone(),
            what,
            from,
        });
    }

    fn of_device(
        &self,
        seat: &Arc<Seat>,
        make: impl FnOnce(DeviceId, Arc<Seat>) -> Happening<Arc<Seat>>,
    ) {
        if let Some(device) = seat.device() {
            self.send(make(device.clone(), Arc::clone(seat)));
        }
    }

    fn send(&self, happening: Happening<Arc<Seat>>) {
        // The engine is gone only while the process stops; connections are being closed then.
        drop(self.mail.send(Mail::Happening(happening)));
    }

    /// A report whose answer nobody reads is known again by its hash; 0 means "not to be known again".
    fn quiet_hash(&self, seat: &Seat, speaker: &Speaker, payload: &[u8]) -> u64 {
        if *speaker != Speaker::Device || seat.wants(Wants::of(Kind::Accepted)) {
            return 0;
        }
        self.hash.hash_one(payload)
    }
}
