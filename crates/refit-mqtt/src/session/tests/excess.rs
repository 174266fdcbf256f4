//! Whoever speaks too often: told so, not dropped, and still heard where a job hangs on it (semantics 37).

use refit_packet::Version;

use super::bench::{BOTH, Bench};
use crate::quota::Share;

fn with_spent(mut bench: Bench, spent: &[Share]) -> Bench {
    bench.ledger.spent = spent.to_vec();
    bench
}

/// A device that follows `rejected` and has only its reserve left.
fn chatterbox(version: Version, spent: &[Share]) -> Bench {
    let mut bench = with_spent(Bench::device(version), spent);
    bench.check(
        "> SUBSCRIBE #1 state/d/update/rejected@0 state/d/get/rejected@0
         < SUBACK #1 00 00
         ! wants update/rejected get/rejected",
    );
    bench
}

#[test]
fn what_is_said_too_often_is_rejected_and_then_acknowledged() {
    chatterbox(Version::V5, &[Share::Common]).check(
        r#"> PUBLISH q1 #5 state/d/update {"state":{"reported":{}},"clientToken":"t"}
           < PUBLISH q0 state/d/update/rejected {"code":429,"message":"too often; say it again in a second","clientToken":"t","timestamp":7}
           < PUBACK #5 97 why
           ! too often
           > PUBLISH q1 #6 state/d/get
           < PUBLISH q0 state/d/get/rejected {"code":429,"message":"too often; say it again in a second","timestamp":7}
           < PUBACK #6 97 why
           ! too often
           > PUBLISH q0 state/d/update nonsense
           < PUBLISH q0 state/d/update/rejected {"code":429,"message":"too often; say it again in a second","timestamp":7}
           ! too often"#,
    );
    // 3.1.1 has no other word than `rejected`; the connection stays.
    chatterbox(Version::V311, &[Share::Common]).check(
        r#"> PUBLISH q1 #5 state/d/update {"state":{"reported":{}}}
           < PUBLISH q0 state/d/update/rejected {"code":429,"message":"too often; say it again in a second","timestamp":7}
           < PUBACK #5 00
           ! too often
           > PUBLISH q2 #6 state/d/update {"state":{"reported":{}}}
           < PUBLISH q0 state/d/update/rejected {"code":429,"message":"too often; say it again in a second","timestamp":7}
           < PUBREC #6 00
           ! too often
           > PUBREL #6
           < PUBCOMP #6 00"#,
    );
}

#[test]
fn the_words_of_a_job_have_a_reserve_of_their_own() {
    for version in BOTH {
        chatterbox(version, &[Share::Common]).check(
            r#"> PUBLISH q1 #5 state/d/update jobID:j RUNNING
               ! submit d jobID:j RUNNING r0
               > PUBLISH q0 state/d/update {"jobID":"j","status":"FAILURE"}
               ! submit d {"jobID":"j","status":"FAILURE"} -"#,
        );
    }
    chatterbox(Version::V5, &[Share::Common, Share::Progress]).check(
        r#"> PUBLISH q1 #5 state/d/update {"jobID":"j","status":"RUNNING"}
           < PUBLISH q0 state/d/update/rejected {"code":429,"message":"too often; say it again in a second","jobID":"j","timestamp":7}
           < PUBACK #5 97 why
           ! too often
           > PUBLISH q1 #6 state/d/update jobID:j SUCCESS
           ! submit d jobID:j SUCCESS r0"#,
    );
}

#[test]
fn whoever_heeds_no_refusal_is_ended() {
    let spent = [Share::Common, Share::Refusal];
    for version in BOTH {
        let mut bench = with_spent(Bench::device(version), &spent);
        let farewell = match version {
            Version::V5 => "< DISCONNECT 97\n",
            Version::V311 => "",
        };
        bench.check(&format!(
            "> PUBLISH q1 #4 state/d/update jobID:j SUCCESS
             ! submit d jobID:j SUCCESS r0
             > PUBLISH q1 #5 state/d/update {{}}
             {farewell}! too often
             x 97 it was told again and again that it speaks too often"
        ));
    }
}

#[test]
fn an_application_is_told_on_the_topics_of_the_device() {
    let mut shop = with_spent(Bench::application(Version::V5), &[Share::Common]);
    shop.check(
        r#"> SUBSCRIBE #1 state/+/update/rejected@0
           < SUBACK #1 00
           ! watch + update/rejected
           > PUBLISH q1 #2 state/lamp/update {"state":{"desired":{}}}
           < PUBLISH q0 state/lamp/update/rejected {"code":429,"message":"too often; say it again in a second","timestamp":7}
           < PUBACK #2 97 why
           ! too often"#,
    );
}
