//! Scripts: an input, and what it makes the machine do. They are read as prose; the words are explained by `Bench`.

mod bench;
mod chance;

use bench::play;

#[test]
fn an_update_from_delta_to_answer() {
    play(
        "
        up              => say facts
        accepted facts  =>
        delta j1 v2     => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2      => journal writing j1, write v2
        +1s             => say RUNNING j1 write
        accepted RUNNING =>
        written ok      => journal fenced j1, journal switching j1, switch v2
        switched ok     => journal checking j1, check v2
        checked ok      => journal confirming j1, confirm v2 over nothing
        confirmed ok    => journal reporting j1, say SUCCESS j1 v2
        accepted end    => journal idle
        ",
    );
}

#[test]
fn a_sick_release_is_gone_back_from_and_the_reason_is_told() {
    play(
        "
        has v1
        up => say facts v1
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        written ok => journal fenced j1, journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        checked fail => journal going-back j1, back to v1
        went-back ok => journal reporting j1, say FAILURE j1 it failed
        accepted end => journal idle
        delta j1 v2 => say FAILURE j1 it failed
        accepted end => journal idle
        ",
    );
}

#[test]
fn a_new_trust_bundle_is_reported_once_and_as_soon_as_may_be() {
    play(
        "
        trusts 4 =>
        up => say facts
        accepted facts =>
        trusts 4 =>
        trusts 5 => say facts
        trusts 6 => say facts
        accepted facts =>
        down =>
        trusts 7 =>
        up => say facts
        ",
    );
}

#[test]
fn the_fence_waits_for_an_answer_to_running() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        down =>
        fetched v2 => journal writing j1, write v2
        written ok => journal fenced j1
        up => say facts, say RUNNING j1 switch
        accepted RUNNING => journal switching j1, switch v2
        ",
    );
}

#[test]
fn an_agreement_lasts_ten_minutes_beyond_its_connection() {
    let until_written = "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        down =>";
    play(&format!(
        "{until_written}
        +600s =>
        written ok => journal fenced j1, journal switching j1, switch v2"
    ));
    play(&format!(
        "{until_written}
        +601s =>
        written ok => journal fenced j1
        up => say facts, say RUNNING j1 switch
        rejected RUNNING 409 => journal idle"
    ));
}

#[test]
fn a_newer_delta_abandons_the_download() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        delta j2 v3 => stop, journal fetching j2, say RUNNING j2 download, fetch v3
        j1: fetched v2 =>
        accepted RUNNING =>
        fetched v3 => journal writing j2, write v3
        delta j3 v4 =>
        written ok => journal idle, journal fetching j3, say RUNNING j3 download, fetch v4
        ",
    );
}

#[test]
fn past_the_point_of_no_return_the_newest_delta_waits() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        written ok => journal fenced j1, journal switching j1, switch v2
        delta j2 v3 =>
        delta j3 v4 =>
        +1s => say RUNNING j1 switch
        rejected RUNNING 409 =>
        switched ok => journal checking j1, check v2
        checked ok => journal confirming j1, confirm v2 over nothing
        confirmed ok => journal reporting j1, say SUCCESS j1 v2
        rejected end 409 => journal idle, journal fetching j3, say RUNNING j3 download, fetch v4
        ",
    );
}

#[test]
fn a_refused_grant_is_asked_for_again_and_never_fails_the_job() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        fetched refused => ask
        delta j1 v2 => fetch v2
        fetched refused =>
        +2s => ask
        delta j1 v2 => fetch v2
        progress 40 =>
        fetched refused => ask
        accepted RUNNING => say RUNNING j1 download 40
        delta j1 v2 => fetch v2
        ",
    );
}

#[test]
fn asking_slows_down_and_never_ends() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        accepted facts =>
        fetched refused => ask
        +30s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +30s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +30s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +30s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +30s =>
        +2s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +63s =>
        +1s => ask, say RUNNING j1 download
        accepted RUNNING =>
        +9999s => ask, say RUNNING j1 download
        accepted RUNNING =>
        delta j1 v2 => fetch v2
        fetched refused =>
        +256s => ask, say RUNNING j1 download
        ",
    );
}

#[test]
fn asking_finds_out_that_the_job_is_over() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        accepted facts =>
        fetched refused => ask
        +30s => ask, say RUNNING j1 download
        rejected RUNNING 409 => stop, journal idle
        +9999s =>
        ",
    );
}

#[test]
fn what_is_not_answered_is_repeated_with_the_same_token() {
    play(
        "
        has v1
        up => say facts v1
        accepted facts =>
        delta j1 foreign => journal reporting j1, say REJECTED j1 nothing says which bytes are right…
        +13s => say REJECTED j1 nothing says which bytes are right…
        same token
        rejected end 503 =>
        down =>
        +9999s =>
        up => say REJECTED j1 nothing says which bytes are right…
        same token
        delta j1 foreign => say REJECTED j1 nothing says which bytes are right…
        same token
        accepted end => journal idle
        ",
    );
}

#[test]
fn what_cannot_be_installed_is_rejected_before_anything_is_fetched() {
    play("up => say facts\n delta j1 bad => journal reporting j1, say REJECTED j1 it is nonsense");
    play(
        "up => say facts\n delta j1 huge => journal reporting j1, say REJECTED j1 the artifact has…",
    );
}

#[test]
fn what_runs_already_is_not_fetched() {
    play("has v1\n up => say facts v1\n delta j1 v1 => journal reporting j1, say SUCCESS j1 v1");
    play(
        "
        runs v1
        up => say facts
        delta j1 v1 => journal checking j1, say RUNNING j1 check, check v1
        checked fail => journal going-back j1, back to v1
        ",
    );
}

#[test]
fn a_restart_takes_up_what_the_journal_says() {
    play(
        "
        has v1
        up => say facts v1
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        restart =>
        up => say facts, say RUNNING j1 download
        delta j1 v2 => fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        restart => journal writing j1, write v2
        written ok => journal fenced j1
        restart =>
        up => say facts, say RUNNING j1 switch
        accepted RUNNING => journal switching j1, switch v2
        restart => journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        restart => journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        checked ok => journal confirming j1, confirm v2 over v1
        restart => journal confirming j1, confirm v2 over v1
        confirmed ok => journal reporting j1
        restart =>
        up => say facts, say SUCCESS j1 v2
        accepted end => journal idle
        restart =>
        up => say facts v2
        delta j1 v2 => say SUCCESS j1 v2
        ",
    );
}

#[test]
fn a_release_that_kills_the_agent_is_gone_back_from() {
    play(
        "
        has v1
        up => say facts v1
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        written ok => journal fenced j1, journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        restart => journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        restart => journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        restart => journal switching j1, switch v2
        switched ok => journal checking j1, check v2
        restart => journal going-back j1, back to v1
        restart => back to v1
        went-back ok => journal reporting j1
        up => say facts, say FAILURE j1 the agent was stopped 3 times…
        ",
    );
}

#[test]
fn a_broken_download_is_tried_again_with_back_off() {
    play(
        "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched broken =>
        +3s => fetch v2
        fetched wrong =>
        +5s => fetch v2
        fetched wrong => journal reporting j1, say FAILURE j1 wrong bytes
        ",
    );
}

#[test]
fn the_server_may_refuse_running() {
    let begun = "
        up => say facts
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2";
    play(&format!(
        "{begun}\n rejected RUNNING 409 => stop, journal idle"
    ));
    play(&format!(
        "{begun}\n rejected RUNNING 503 => \n +13s => say facts, say RUNNING j1 download"
    ));
    play(&format!(
        "{begun}\n rejected RUNNING 403 => stop, journal reporting j1, say FAILURE j1 the server refused…"
    ));
}

#[test]
fn other_state_is_handed_on_once() {
    play(
        "
        up => say facts
        other a => apply a
        other a =>
        other b => apply b
        ",
    );
}

#[test]
fn an_older_delta_than_the_newest_is_ignored() {
    play(
        "
        up => say facts
        delta j2 v3 @7 => journal fetching j2, say RUNNING j2 download, fetch v3
        delta j1 v2 @6 =>
        down =>
        up => say facts, say RUNNING j2 download
        delta j1 v2 @6 => stop, journal fetching j1, say RUNNING j1 download, fetch v2
        ",
    );
}

#[test]
fn going_back_is_tried_again_and_then_said_to_have_failed() {
    play(
        "
        has v1
        up => say facts v1
        accepted facts =>
        delta j1 v2 => journal fetching j1, say RUNNING j1 download, fetch v2
        accepted RUNNING =>
        fetched v2 => journal writing j1, write v2
        written ok => journal fenced j1, journal switching j1, switch v2
        switched fail => journal going-back j1, back to v1
        went-back fail =>
        +5s => back to v1, say RUNNING j1 go-back
        accepted RUNNING =>
        went-back fail =>
        +5s => back to v1
        went-back fail =>
        +5s => back to v1
        went-back fail =>
        +5s => back to v1
        went-back fail => journal reporting j1, say FAILURE j1 it failed; going back failed too: it failed
        ",
    );
}
