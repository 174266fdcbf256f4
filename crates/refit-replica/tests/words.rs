//! Inputs and answers in the shortest way, for histories.

use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Saying, Status};
use refit_protocol::update::Update;
use refit_replica::effect::Answer;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;
use serde_json::{Map, Value};

use crate::bench::url_of;

pub(crate) fn url(name: &str) -> Value {
    Value::String(url_of(name).unwrap())
}

fn one(key: &str, value: Value) -> Option<Map<String, Value>> {
    Some([(String::from(key), value)].into_iter().collect())
}

pub(crate) fn wish(key: &str, value: Value) -> Input {
    let update = Update {
        desired: one(key, value),
        ..Update::default()
    };
    Input::Update {
        speaker: Speaker::Operator("ops".into()),
        update,
    }
}

pub(crate) fn reported(key: &str, value: Value) -> Input {
    let update = Update {
        reported: one(key, value),
        ..Update::default()
    };
    Input::Update {
        speaker: Speaker::Device,
        update,
    }
}

pub(crate) fn said(job: JobId, saying: Option<Saying>, software: Option<Value>) -> Input {
    let reported = software.and_then(|url| one(SOFTWARE_URL, url));
    let update = Update {
        job_id: Some(job),
        saying,
        reported,
        ..Update::default()
    };
    Input::Update {
        speaker: Speaker::Device,
        update,
    }
}

pub(crate) fn kind(answer: &Option<Answer>) -> u16 {
    match answer {
        Some(Answer::Rejected(no)) => no.rejection.code.number(),
        Some(Answer::Accepted(_) | Answer::Shown | Answer::Assigned(_)) => 200,
        None => 0,
    }
}

pub(crate) fn job_of(answer: &Option<Answer>) -> Option<(JobId, Status)> {
    match answer {
        Some(Answer::Accepted(yes)) => yes.job.clone(),
        _ => None,
    }
}
