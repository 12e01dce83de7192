//! A store of many shadows opens at once, however the process before it ended.
//!
//! The environment variable `SHADOW_STARTUP_SHADOWS` asks for another number of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

mod unsynced;

use core::time::Duration;
use redb::backends::FileBackend;
use shadow_proto::ShadowId;
use shadow_service::{FileStore, Service, Settings, UnixTime};
use std::{fs, path::Path, time::Instant};
use testkit::TempDir;
use unsynced::Unsynced;

const LIMIT: Duration = Duration::from_millis(100);

fn shadow(number: usize) -> ShadowId {
    ShadowId::classic(&format!("thing-{number:06}")).unwrap()
}

const NOW: UnixTime = UnixTime::from_seconds(1_767_225_600);

fn unsynced(path: &Path) -> Unsynced {
    let mut file = fs::OpenOptions::new();
    let file = file.read(true).write(true).create_new(true).open(path);
    Unsynced(FileBackend::new(file.unwrap()).unwrap())
}

const FILES: [&str; 2] = [FileStore::FILE_NAME, FileStore::JOURNAL_NAME];

fn copy(from: &Path, to: &Path) {
    for name in FILES {
        let _ = fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// A store of `shadows` documents of 1 KB in `directory`; `killed` gets it as a killed process
/// leaves it.
fn fill(shadows: usize, directory: &Path, killed: &Path) {
    let [database, journal] = FILES.map(|name| unsynced(&directory.join(name)));
    let store = FileStore::with_backends(database, journal).unwrap();
    let mut service = Service::with_store(Settings::default(), store);
    let text = "x".repeat(1000);
    let payload = format!(r#"{{"state":{{"reported":{{"text":"{text}"}}}}}}"#);
    for number in 0..shadows {
        let _ = service
            .update(&shadow(number), payload.as_bytes(), NOW)
            .unwrap();
    }
    copy(directory, killed);
}

/// The least of five tries: what else the machine does is not asked.
fn least(mut start: impl FnMut() -> Duration) -> Duration {
    (0..5).map(|_| start()).min().unwrap()
}

#[test]
fn a_store_of_many_shadows_opens_at_once() {
    let shadows = std::env::var("SHADOW_STARTUP_SHADOWS").ok();
    let shadows = shadows.and_then(|number| number.parse().ok());
    let shadows: usize = shadows.unwrap_or(10_000);
    let (ended, killed, again) = (TempDir::new(), TempDir::new(), TempDir::new());
    let began = Instant::now();
    fill(shadows, ended.path(), killed.path());
    println!(
        "filled with {shadows} shadows of 1 KB in {:?}",
        began.elapsed()
    );

    let open = |directory: &TempDir| {
        let began = Instant::now();
        let store = FileStore::open(directory.path()).unwrap();
        let service = Service::with_store(Settings::default(), store);
        // The first answer belongs to the start.
        let last = service.document(&shadow(shadows - 1), NOW).unwrap();
        let took = began.elapsed();
        assert!(last.is_some());
        took
    };
    let after_an_end = least(|| open(&ended));
    let after_a_kill = least(|| {
        copy(killed.path(), again.path());
        open(&again)
    });
    println!("opened after a clean end in {after_an_end:?}, after a kill in {after_a_kill:?}");
    assert!(after_an_end < LIMIT, "{after_an_end:?}");
    assert!(after_a_kill < LIMIT, "{after_a_kill:?}");
}
