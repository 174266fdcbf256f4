//! Why does this device not have its job? For each rollout that is not over, the planner's own blockers: the same rules
//! that open jobs, asked of the same facts (semantics 25).

use refit_protocol::device_id::DeviceId;
use refit_protocol::rollout::RolloutName;
use refit_protocol::time::Timestamp;
use refit_rollout::admit::Standing;
use refit_selector::facts::NoLists;
use refit_selector::{Scene, Selector};
use refit_store::reader::Reader;
use refit_store::store::{DeviceKey, Failure};

use super::Conductor;
use super::asked::Asked;
use super::course::{Course, waves};
use super::member::{Around, Member, Seen, last_of};
use super::peers::Peers;
use super::sort::is_away;
use crate::shard::Presence;

/// How a device stands to one rollout.
#[derive(Clone, Debug)]
pub struct Reason {
    /// Which.
    pub rollout: RolloutName,
    /// The wave that it is in, from 0.
    pub wave: Option<u16>,
    /// What is true of it.
    pub standing: Standing,
}

impl Conductor {
    /// Says how a device stands to each rollout that is not over and means it, the newest first.
    pub fn why(
        &self,
        reader: &mut dyn Reader,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<Vec<Reason>, Failure> {
        let rows = reader.rollouts()?.into_iter().rev();
        let rows: Vec<_> = rows
            .filter(|row| !matches!(row.status.as_str(), "ABORTED" | "FINISHED" | "DRAFT"))
            .collect();
        let Some(stored) = reader.load(device)?.filter(|_| !rows.is_empty()) else {
            return Ok(Vec::new());
        };
        let (Ok(key), before) = (u32::try_from(stored.key.0), stored.key.0.saturating_sub(1))
        else {
            return Ok(Vec::new());
        };
        let Some(row) = reader.scan(DeviceKey(before), 1)?.pop() else {
            return Ok(Vec::new());
        };
        let presence = self.parts().fleet.presence(vec![device.clone()]);
        let away = is_away(presence.first().copied().unwrap_or(Presence::Away));
        let mut courses = Vec::new();
        let mut peers = Peers::default();
        for row in &rows {
            let course = Course::of(row, reader)?;
            if course.is_under_way() {
                peers.add(row.id, row.name.clone(), course.plan.priority);
            }
            courses.push(course);
        }
        let mut reasons = Vec::new();
        for course in &courses {
            let id = course.guard.id;
            let waves = waves(reader, id)?;
            let wave = waves
                .iter()
                .position(|keys| keys.binary_search(&key).is_ok())
                .and_then(|wave| u16::try_from(wave).ok());
            let facts = Seen::of(&row, id, &course.plan, &course.ways);
            if wave.is_none() {
                let salt = id.to_string();
                let scene = Scene {
                    now,
                    salt: &salt,
                    lists: &NoLists,
                };
                let asked = Asked::new(&row, &course.ways, !away, now);
                let select = Selector::parse(&course.plan.select);
                if !select.is_ok_and(|select| select.matches(&asked, &scene)) {
                    continue;
                }
            }
            // Before it begins nobody is in a wave, and nobody was left out.
            let has_begun = course.is_under_way();
            let left_out = facts.left_out().filter(|_| wave.is_none());
            let member = Member {
                id: device.clone(),
                facts,
                last: last_of(reader, device, id)?,
                away,
                declined: None,
            };
            let around = Around {
                wave: if has_begun { wave } else { Some(0) },
                left_out,
                peers: &peers,
                strength: self.parts().strength,
                closed: course.closed(&member, now),
                full: None,
                now,
            };
            reasons.push(Reason {
                rollout: course.name.clone(),
                wave,
                standing: course.asked(&member, around, now),
            });
        }
        Ok(reasons)
    }
}
