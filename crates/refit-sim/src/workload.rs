//! What operators come to want, and of which devices: one, a cohort, or all of them; and minds that change.

use crate::clock::{MINUTE, SECOND};
use crate::operator::Want;
use crate::releases::{RELEASES, Releases};
use crate::transition::Event;
use crate::world::World;

impl World {
    /// An operator has an idea.
    pub(crate) fn operates(&mut self) {
        if self.calm {
            return;
        }
        let again = self.chances.operator.around(self.options.operates_every_ms);
        self.clock.after(again, Event::Operates);
        let cohort = self.cohort();
        match self.chances.operator.below(16) {
            0..6 => {
                let url = self.some_software();
                self.all_want(&cohort, &Want::Software(url));
            }
            6..9 => self.change_minds(&cohort),
            9 => self.all_want(&cohort, &Want::NoSoftware),
            10 => self.all_want(&cohort, &Want::Cancel),
            11 => self.hold_for_a_while(&cohort),
            12 => self.all_want(&cohort, &Want::Retry),
            13 => {
                let number = self.chances.operator.below(5);
                self.all_want(&cohort, &Want::State(number));
            }
            _ => {
                // Another wish while the first is on its way: each kind of end meets each state of a job.
                let url = self.some_software();
                self.all_want(&cohort, &Want::Software(url));
                let wait = self.chances.operator.between(0, 2 * MINUTE);
                let want = match self.chances.operator.below(3) {
                    0 => Want::Cancel,
                    1 => Want::NoSoftware,
                    _ => Want::Software(self.some_software()),
                };
                self.all_want_in(wait, &cohort, &want);
            }
        }
    }

    /// v1, then v2, then v1 again, before anybody can have settled.
    fn change_minds(&mut self, cohort: &[usize]) {
        let (first, second) = (self.some_software(), self.some_software());
        let mut wait = 0;
        for url in [&first, &second, &first] {
            self.all_want_in(wait, cohort, &Want::Software(url.clone()));
            wait += self.chances.operator.between(0, 90 * SECOND);
        }
    }

    fn hold_for_a_while(&mut self, cohort: &[usize]) {
        self.all_want(cohort, &Want::Hold(true));
        if self.chances.operator.permille(800) {
            let wait = self.chances.operator.between(SECOND, 30 * MINUTE);
            self.all_want_in(wait, cohort, &Want::Hold(false));
        }
    }

    fn all_want(&mut self, cohort: &[usize], want: &Want) {
        self.all_want_in(0, cohort, want);
    }

    fn all_want_in(&mut self, wait: u64, cohort: &[usize], want: &Want) {
        for device in cohort {
            self.wants_in(wait, *device, want.clone());
        }
    }

    fn cohort(&mut self) -> Vec<usize> {
        let all = self.devices.len() as u64;
        let one = self.chances.operator.permille(400);
        let size = if one {
            1
        } else {
            1 + self.chances.operator.below(all)
        };
        let from = self.chances.operator.below(all);
        (from..from + size)
            .map(|index| (index % all) as usize)
            .collect()
    }

    fn some_software(&mut self) -> String {
        // Of a store that is not the depot's: an agent rejects it.
        if self.chances.operator.permille(60) {
            return "https://store.example/app?v=1".into();
        }
        let number = self.chances.operator.below(u64::from(RELEASES));
        self.releases
            .digest(number)
            .map_or_else(String::new, Releases::url)
    }
}
