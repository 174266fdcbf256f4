//! The index of the running fleet: built when the engine starts, and told of each commit.
//!
//! The engine's thread writes down what a commit changed (`note.rs`), and hands the notes of a round over at once; a
//! thread of the index's own applies them in their order (`keeper.rs`), so that nobody who asks the index holds up an
//! acknowledgement. What is rare (attributes, identities, what operators say) is read from the store again, row by row.
//!
//! The index is behind the store by what waits here, which is milliseconds; [`Indexing::settle`] waits for it.

pub(crate) mod keeper;
pub(crate) mod note;
mod row;

use std::collections::BTreeSet;
use std::sync::Arc;

use crossbeam_channel::Sender;
use refit_index::Shared;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_store::store::DeviceKey;

use self::note::Note;

/// The index, and what it can be told by others than the engine. Cloning it is cheap.
#[derive(Clone)]
pub struct Indexing {
    index: Arc<Shared>,
    mail: Sender<News>,
}

/// What the index is told. All of it is durable.
pub(crate) enum News {
    /// What the engine's commits and connections changed, in order.
    Round(Vec<Change>),
    /// Something else about these devices changed.
    Again(Vec<DeviceId>),
    /// A release of this artifact came.
    ReleaseAdded(Digest),
    /// A release went.
    ReleaseRemoved,
    /// An uploaded list took the place of the one of its name.
    List(String, BTreeSet<DeviceId>),
    /// A list went.
    ListRemoved(String),
    /// Whoever waits until all before this is applied.
    Settle(Sender<()>),
    /// Nothing more comes.
    Stop,
}

/// One change of a round.
pub(crate) enum Change {
    /// A commit of this device is durable.
    Committed(DeviceKey, Note),
    /// It connected, or its connection ended.
    Online(DeviceId, bool),
}

impl Indexing {
    pub(crate) const fn new(index: Arc<Shared>, mail: Sender<News>) -> Self {
        Self { index, mail }
    }

    /// Returns the index, to be asked.
    pub const fn index(&self) -> &Arc<Shared> {
        &self.index
    }

    /// Something was written of these devices beside their records: what operators say of them, or their identity.
    pub fn look_again(&self, devices: Vec<DeviceId>) {
        if !devices.is_empty() {
            self.tell(News::Again(devices));
        }
    }

    /// A release was added: devices that run its artifact have a software with a name now.
    pub fn release_added(&self, artifact: Digest) {
        self.tell(News::ReleaseAdded(artifact));
    }

    /// A release was removed.
    pub fn release_removed(&self) {
        self.tell(News::ReleaseRemoved);
    }

    /// A list of IDs was put.
    pub fn list_put(&self, name: String, ids: BTreeSet<DeviceId>) {
        self.tell(News::List(name, ids));
    }

    /// A list of IDs was removed.
    pub fn list_removed(&self, name: String) {
        self.tell(News::ListRemoved(name));
    }

    /// Waits until all that it was told before is applied. Returns false if that is not known, because the engine
    /// stopped. Call it from a thread that may wait.
    pub fn settle(&self) -> bool {
        let (answer, answered) = crossbeam_channel::bounded(1);
        self.tell(News::Settle(answer));
        answered.recv().is_ok()
    }

    pub(crate) fn tell(&self, news: News) {
        // The index's thread is gone only while the process stops.
        drop(self.mail.send(news));
    }
}
