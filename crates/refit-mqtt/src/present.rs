//! The applications that are connected, so that one whose right to be here ends is told to go, at once.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use refit_engine::seat::{Close, Seat};

use crate::identity::Rights;

/// Who is connected.
#[derive(Default)]
pub struct Present(Mutex<Vec<Entered>>);

type Entered = (Weak<Seat>, Arc<dyn Rights>);

impl Present {
    /// Asks all of them whether they may still be here, and closes those that may not.
    pub fn look(&self) {
        let gone: Vec<Arc<Seat>> = {
            let present = self.0.lock();
            let gone = present.iter().filter(|(_, rights)| !rights.is_good());
            gone.filter_map(|(seat, _)| seat.upgrade()).collect()
        };
        for seat in gone {
            seat.close(Close::NotAllowed);
        }
    }

    /// Notes a seat. Its rights may have ended since it was let in: whoever took them away has looked before, or will
    /// find it here.
    pub(crate) fn enter(&self, seat: &Arc<Seat>, rights: Arc<dyn Rights>) {
        let entered = (Arc::downgrade(seat), Arc::clone(&rights));
        self.0.lock().push(entered);
        if !rights.is_good() {
            seat.close(Close::NotAllowed);
        }
    }

    /// Forgets a seat whose connection ended.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) {
        let seat = Arc::downgrade(seat);
        self.0.lock().retain(|(other, _)| !other.ptr_eq(&seat));
    }
}
