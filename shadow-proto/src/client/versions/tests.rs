//! Orders of messages, and what each of them is taken for.

use super::*;
use Verdict::{Duplicate, New, Old, Younger};

const GAPS: Gaps = Gaps {
    epoch: Duration::from_secs(1000),
    skew: Duration::from_secs(5),
};

fn delta(versions: &mut Versions, version: u64, seconds: u64) -> Verdict {
    versions.delta(
        Version::new(version),
        Some(Timestamp::from_seconds(seconds)),
        GAPS,
    )
}

fn answer(versions: &mut Versions, version: u64, seconds: u64, trust: Trust) -> Verdict {
    let timestamp = Some(Timestamp::from_seconds(seconds));
    let version = Version::new(version);
    versions.observe(version, timestamp, trust, Dates::Answer, GAPS)
}

#[test]
fn an_answer_of_the_same_version_does_not_mute_a_delta() {
    let mut versions = Versions::default();
    assert_eq!(answer(&mut versions, 7, 1, Trust::Ours), New);
    assert_eq!(delta(&mut versions, 7, 1), New);
    assert_eq!(delta(&mut versions, 7, 1), Duplicate);
    assert_eq!(delta(&mut versions, 6, 1), Old);
}

#[test]
fn a_confirming_get_does_not_let_a_stale_delta_through() {
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 9, 1), New);
    answer(&mut versions, 9, 2, Trust::Ours);
    assert_eq!(delta(&mut versions, 3, 1), Old);
}

#[test]
fn a_delete_mutes_the_old_and_lets_the_new_through() {
    for (version, seconds, verdict) in [
        (5, 10, Old),     // a straggler of the deleted shadow
        (4, 15, Younger), // the same from a host whose clock is ahead, or not: a get tells
        (7, 10, New),     // AWS counts on
        (1, 16, New),     // a service that counts from one again
    ] {
        let mut versions = Versions::default();
        delta(&mut versions, 5, 9);
        assert!(versions.delete(
            Some(Version::new(5)),
            Some(Timestamp::from_seconds(10)),
            GAPS
        ));
        assert!(!versions.delete(
            Some(Version::new(5)),
            Some(Timestamp::from_seconds(10)),
            GAPS
        ));
        assert_eq!(
            delta(&mut versions, version, seconds),
            verdict,
            "{version} at {seconds}"
        );
    }
}

#[test]
fn our_own_answer_after_a_delete_begins_the_new_count() {
    let mut versions = Versions::default();
    delta(&mut versions, 5, 9);
    versions.delete(None, None, GAPS);
    assert_eq!(answer(&mut versions, 1, 9, Trust::Other), Old);
    assert_eq!(answer(&mut versions, 1, 9, Trust::Ours), New);
    assert_eq!(delta(&mut versions, 2, 9), New);
}

#[test]
fn an_unseen_delete_is_found_by_the_time_between() {
    let mut versions = Versions::default();
    delta(&mut versions, 50, 10);
    assert_eq!(delta(&mut versions, 1, 1009), Younger);
    assert_eq!(delta(&mut versions, 1, 1010), New);
    assert_eq!(versions.epoch, 1);
    assert_eq!(delta(&mut versions, 2, 1010), New);
}

#[test]
fn a_delta_is_not_muted_because_the_shadow_made_anew_has_the_version_last_seen() {
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 1, 10), New);
    assert_eq!(delta(&mut versions, 1, 10), Duplicate);
    assert_eq!(delta(&mut versions, 1, 1010), New);
    assert_eq!((versions.epoch, versions.since), (1, 1010));
    let documents = |versions: &mut Versions, seconds| {
        let timestamp = Some(Timestamp::from_seconds(seconds));
        versions.documents(Version::new(1), timestamp, GAPS)
    };
    assert_eq!(documents(&mut versions, 1010), New);
    assert_eq!(documents(&mut versions, 1010), Duplicate);
    assert_eq!(documents(&mut versions, 2010), New);
}

#[test]
fn a_delta_that_the_deletion_overtook_is_old_though_a_get_told_of_it_first() {
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 9, 10), New);
    // A 404 has no time, the answer to the delete has.
    assert!(versions.delete(None, None, GAPS));
    let timestamp = Some(Timestamp::from_seconds(20));
    assert!(!versions.delete(Some(Version::new(9)), timestamp, GAPS));
    assert_eq!(answer(&mut versions, 9, 19, Trust::Other), Old);
    assert_eq!(answer(&mut versions, 9, 99, Trust::Other), Old);
    assert_eq!(delta(&mut versions, 9, 25), Younger);
    assert_eq!(delta(&mut versions, 9, 26), New);
}

#[test]
fn a_late_delete_answer_does_not_mute_the_new_shadow() {
    let mut versions = Versions::default();
    delta(&mut versions, 7, 12);
    assert!(!versions.delete(
        Some(Version::new(5)),
        Some(Timestamp::from_seconds(10)),
        GAPS
    ));
    assert_eq!(delta(&mut versions, 8, 12), New);
}

#[test]
fn stragglers_of_a_deleted_shadow_are_old_after_the_new_one_was_seen() {
    let stamp = |seconds| Some(Timestamp::from_seconds(seconds));
    // The count goes on.
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 9, 10), New);
    versions.delete(Some(Version::new(9)), stamp(10), GAPS);
    assert_eq!(delta(&mut versions, 11, 10), New);
    assert_eq!(versions.documents(Version::new(8), stamp(9), GAPS), Old);
    assert_eq!(versions.update(Version::new(8), stamp(9), GAPS), Old);
    assert_eq!(versions.documents(Version::new(11), stamp(10), GAPS), New);
    // It begins anew.
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 9, 10), New);
    versions.delete(Some(Version::new(9)), stamp(10), GAPS);
    assert_eq!(delta(&mut versions, 1, 20), New);
    assert_eq!(delta(&mut versions, 8, 9), Old);
    assert_eq!(versions.documents(Version::new(8), stamp(9), GAPS), Old);
    assert_eq!(versions.update(Version::new(8), stamp(9), GAPS), Old);
    assert_eq!(delta(&mut versions, 2, 15), New);
    // The old delete's answer comes again, now that the new shadow has reached its version.
    assert_eq!(delta(&mut versions, 9, 25), New);
    assert!(!versions.delete(Some(Version::new(9)), stamp(10), GAPS));
    assert!(versions.delete(Some(Version::new(9)), stamp(26), GAPS));
}

#[test]
fn foreign_updates_are_seen_once_each_whatever_their_order() {
    let mut versions = Versions::default();
    let mut update = |version| versions.update(Version::new(version), None, GAPS);
    assert_eq!(update(3), New);
    assert_eq!(update(5), New);
    assert_eq!(update(4), New);
    assert_eq!(update(4), Duplicate);
    assert_eq!(update(3), Duplicate);
    assert_eq!(update(200), New);
    assert_eq!(update(5), Old);
    assert_eq!(update(199), New);
}

#[test]
fn an_answer_that_overtook_a_delta_does_not_decide_about_it() {
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 5, 10), New);
    answer(&mut versions, 9, 20, Trust::Ours);
    assert_eq!(delta(&mut versions, 4, 10), Old);
    assert_eq!(delta(&mut versions, 5, 10), Duplicate);
    assert_eq!(delta(&mut versions, 7, 15), Verdict::Overtaken);
    versions.settle(Version::new(9));
    assert_eq!(delta(&mut versions, 8, 15), Old);
}

#[test]
fn an_answer_that_overtook_documents_does_not_mute_them() {
    let mut versions = Versions::default();
    answer(&mut versions, 6, 20, Trust::Ours);
    let stamp = Some(Timestamp::from_seconds(10));
    assert_eq!(versions.documents(Version::new(5), stamp, GAPS), New);
    assert_eq!(versions.documents(Version::new(5), stamp, GAPS), Duplicate);
    assert_eq!(versions.documents(Version::new(4), stamp, GAPS), Old);
}

#[test]
fn a_shadow_that_nobody_changed_for_days_is_still_the_same() {
    for trust in [Trust::Ours, Trust::Other] {
        let mut versions = Versions::default();
        assert_eq!(delta(&mut versions, 7, 10), New);
        // A document that was fetched, and its delta, have the time of the answer.
        assert_eq!(answer(&mut versions, 7, 9_000, trust), Duplicate);
        assert_eq!(delta(&mut versions, 7, 9_000), Duplicate);
        assert_eq!(versions.epoch, 0);
    }
}

#[test]
fn after_a_get_that_found_a_lower_version_the_old_shadow_is_past() {
    let mut versions = Versions::default();
    assert_eq!(delta(&mut versions, 9, 10), New);
    versions.begin_anew(Version::new(2), Some(Timestamp::from_seconds(20)));
    assert_eq!(versions.epoch, 1);
    assert_eq!(versions.known(), Some(2));
    assert_eq!(delta(&mut versions, 8, 10), Old);
    assert_eq!(delta(&mut versions, 2, 20), New);
    assert_eq!(delta(&mut versions, 3, 21), New);
}
