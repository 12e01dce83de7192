//! Versions, and what is remembered of a deleted shadow.

use crate::{NOW, lamp, rejected, service, update, with};
use shadow_service::{AbsentVersion, Service, Settings, UnixTime, shadow_proto::ShadowId};

#[test]
fn versions() {
    let mut service = service();
    let with_version =
        |version: &str| format!(r#"{{"state":{{"reported":{{"a":1}}}},"version":{version}}}"#);
    let invalid = rejected(400, "Invalid version");
    for version in [
        "1.0",
        "0.0",
        "-1",
        "-0",
        "1e0",
        "true",
        "\"0\"",
        "[]",
        "{}",
        "18446744073709551616",
        "1e999999999",
    ] {
        assert_eq!(
            update(&mut service, with_version(version)),
            invalid,
            "{version}"
        );
    }
    let conflict = rejected(409, "Version conflict");
    assert_eq!(update(&mut service, with_version("1")), conflict);
    assert_eq!(
        update(&mut service, with_version("18446744073709551615")),
        conflict
    );
    assert!(update(&mut service, with_version("0")).contains(r#""version":1"#));
    assert_eq!(update(&mut service, with_version("0")), conflict);
    assert_eq!(update(&mut service, with_version("2")), conflict);
    assert!(update(&mut service, with_version("null")).contains(r#""version":2"#));
    assert!(update(&mut service, with_version("2")).contains(r#""version":3"#));
}

#[test]
fn a_deleted_shadow_is_remembered_for_48_hours() {
    let later = |seconds: u64| UnixTime::from_seconds(1_767_225_600 + seconds);
    let hours_48 = 48 * 60 * 60;
    let request = |version: u64| {
        format!(r#"{{"state":{{"reported":{{"a":1}}}},"version":{version}}}"#).into_bytes()
    };
    let version = |service: &mut Service, asked: u64, now| {
        let answer = service.update(&lamp(), &request(asked), now);
        answer
            .map(|answer| answer.version)
            .map_err(|r| r.error.code())
    };
    let deleted = |change: fn(&mut Settings)| {
        let mut service = with(change);
        assert_eq!(version(&mut service, 0, NOW), Ok(1));
        assert_eq!(version(&mut service, 1, NOW), Ok(2));
        assert_eq!(service.delete(&lamp(), b"", NOW).unwrap().version, 2);
        assert_eq!(
            service.delete(&lamp(), b"", NOW).unwrap_err().error.code(),
            404
        );
        assert_eq!(
            service.get(&lamp(), b"", NOW).unwrap_err().error.code(),
            404
        );
        service
    };
    let mut service = deleted(|_| {});
    assert_eq!(version(&mut service, 2, later(1)), Err(409));
    assert_eq!(version(&mut service, 3, later(hours_48 - 1)), Ok(4));

    let mut service = deleted(|_| {});
    assert_eq!(version(&mut service, 3, later(hours_48)), Err(409));
    assert_eq!(version(&mut service, 0, later(hours_48)), Ok(1));

    let mut service = deleted(|settings| settings.behaviour.delete_takes_version = false);
    assert_eq!(version(&mut service, 2, later(1)), Ok(3));

    let mut service = deleted_ignoring(AbsentVersion::Ignored, |service| {
        version(service, 99, NOW).is_ok()
    });
    assert_eq!(version(&mut service, 98, NOW), Ok(4));
    let mut service = deleted_ignoring(AbsentVersion::Conflict, |service| {
        version(service, 0, NOW).is_err()
    });
    assert_eq!(version(&mut service, 3, NOW), Err(409));
}

/// A service that knows a shadow deleted at version 2, after a check of a fresh one.
fn deleted_ignoring(rule: AbsentVersion, fresh: impl FnOnce(&mut Service) -> bool) -> Service {
    assert!(fresh(&mut with(|settings| settings
        .behaviour
        .absent_version = rule)));
    let mut service = with(|settings| settings.behaviour.absent_version = rule);
    for _ in 0..2 {
        update(&mut service, r#"{"state":{"reported":{"a":1}}}"#);
    }
    service.delete(&lamp(), b"", NOW).unwrap();
    service
}

#[test]
fn old_tombstones_are_dropped() {
    let mut service = service();
    for number in 0..1000 {
        let shadow = ShadowId::classic(&format!("thing{number}")).unwrap();
        let now = UnixTime::from_seconds(1_767_225_600 + number * 3600);
        service
            .update(&shadow, br#"{"state":{"desired":{"a":1}}}"#, now)
            .unwrap();
        service.delete(&shadow, b"", now).unwrap();
    }
    assert_eq!(service.store().len(), 49);
}
