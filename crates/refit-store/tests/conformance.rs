//! The SQLite store is held against the suite.

use refit_store::conformance::Place;
use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::Store;

struct Directory(tempfile::TempDir);

impl Place for Directory {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(Options::new(self.0.path())).unwrap())
    }
}

macro_rules! holds {
    ($($part:ident: $($name:ident)*;)*) => {$(mod $part {$(
        #[test]
        fn $name() {
            refit_store::conformance::$part::$name(&super::Directory(tempfile::tempdir().unwrap()));
        }
    )*})*};
}

holds! {
    records:
        what_is_read_is_what_was_written
        last_words_are_kept
        a_batch_may_hold_two_of_one_device
        a_device_that_never_was_is_missing
        an_empty_batch_is_answered
        many_are_read_in_the_order_asked
        a_remembered_number_is_only_a_hint
        pages_stay_right_under_change
        a_stretch_of_ids_is_read_alone
        a_row_is_the_record_in_short
        who_desires_an_artifact_is_known
        facts_are_kept
    ;
    jobs:
        a_job_is_written_with_its_record
        the_last_word_on_a_job_counts
        a_refused_operation_leaves_no_job
        the_job_of_another_device_is_a_conflict
        jobs_are_listed_newest_first
        who_is_at_work_is_known_after_a_restart
        counters_equal_a_recount
    ;
    races:
        no_update_is_lost
        a_device_is_made_once
        the_same_again_is_a_conflict_and_harmless
        each_batch_is_answered_once
        what_was_answered_is_seen_at_once
    ;
    releases:
        a_version_means_one_artifact_for_ever
        versions_are_in_order
        there_is_always_room_between_two
        what_is_desired_is_not_removed
    ;
    access:
        a_token_is_kept_as_it_was_made
        a_name_stands_for_one_token_that_is_good
        users_are_added_changed_and_removed
        sessions_end_with_what_they_stand_on
        sessions_are_bounded
    ;
    answers:
        an_answer_is_found_again
        answers_are_bounded_in_time_and_number
    ;
    identity:
        what_was_enrolled_is_kept
        of_a_hundred_that_race_as_many_succeed_as_the_token_says
        the_same_key_again_gets_the_same_certificate
        an_id_gets_one_key
        a_token_that_is_no_good_says_why
        what_is_revoked_stays_revoked
        a_retired_device_stays_out
        a_certificate_is_renewed_to_one_key
        a_certificate_that_was_forgotten_can_be_renewed
        ids_can_be_registered_first
        trust_is_numbered_and_counted
    ;
    facts:
        each_change_has_its_outcome
        facts_stay_within_their_bounds
        a_slice_is_one_line_of_the_audit_log
        a_removed_device_has_no_facts
        of_two_that_describe_a_device_one_is_told
        first_times_stay
        a_scan_reads_the_whole_fleet
        a_row_of_the_scan_has_all_that_an_index_needs
    ;
    lists:
        a_list_is_kept_as_it_was_put
        lists_are_removed_and_bounded
    ;
    rollouts:
        a_rollout_is_changed_from_its_revision
        of_two_that_change_a_rollout_one_is_told
        what_was_decided_from_an_older_revision_is_void
        an_abort_and_openings_race
        an_attempt_has_one_job
        a_job_is_of_one_kind
        jobs_and_devices_of_a_rollout_are_listed
        failures_are_clustered
        counts_of_rollouts_equal_a_recount
        an_opening_goes_on_after_a_restart
    ;
    audit:
        a_change_and_its_line_are_one
        every_kind_of_change_takes_its_line
        lines_are_found
    ;
    crash:
        a_restart_keeps_all_that_was_acknowledged
        closing_answers_what_was_submitted
    ;
}
