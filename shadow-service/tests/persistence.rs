//! Documents that outlive the process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use shadow_proto::ShadowId;
use shadow_service::{
    After, FileStore, MemoryStore, Service, Settings, Store, UnixTime,
    vectors::{self, Seen, Times},
};
use std::path::{Path, PathBuf};

/// A directory of one test, gone with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Service<FileStore> {
        Service::with_store(Settings::default(), FileStore::open(&self.0).unwrap())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_scenario_holds_though_the_process_ends_after_each_step() {
    let directory = Directory::new("scenarios");
    for scenario in vectors::scenarios().unwrap() {
        let mut settings = Settings::default();
        settings.limits.max_document_bytes = scenario.max_document_bytes.unwrap_or(8192);
        settings.limits.max_depth = scenario.max_depth.unwrap_or(8);
        let _ = std::fs::remove_dir_all(&directory.0);
        let mut times = Times::new();
        for (number, step) in (1..).zip(&scenario.steps) {
            let now = UnixTime::from_seconds(vectors::START + 10 * number);
            times.set(number, now.timestamp());
            let store = FileStore::open(&directory.0).unwrap();
            let mut service = Service::with_store(settings.clone(), store);
            let handled = service.handle_publish(&step.topic(), step.payload.as_bytes(), now);
            let seen = Seen::all(&handled.unwrap().messages).unwrap();
            let document = service.document(&step.shadow, now).unwrap();
            let document = document.map(|document| document.to_json());
            let ours = step.ours();
            ours.check(&step.shadow, &seen, document.as_deref(), &mut times)
                .unwrap();
        }
    }
}

#[test]
fn the_file_lists_and_forgets_as_memory_does() {
    fn run(store: impl Store) -> Vec<Vec<ShadowId>> {
        let mut service = Service::with_store(Settings::default(), store);
        let mut lists = Vec::new();
        let names = [None, Some("a"), Some("$b"), Some("c")];
        for (hours, thing) in [(0, "t-1"), (1, "t"), (30, "t1"), (60, "s"), (61, "t")] {
            let now = UnixTime::from_seconds(vectors::START + hours * 3600);
            for name in names {
                let shadow = ShadowId::new(thing, name).unwrap();
                service
                    .update(&shadow, br#"{"state":{"desired":{"x":[1]}}}"#, now)
                    .unwrap();
            }
            let shadow = ShadowId::new(thing, names[hours as usize % 4]).unwrap();
            service.delete(&shadow, b"", now).unwrap();
            for after in [After::Start, After::Shadow(&shadow)] {
                for limit in [0, 1, 5, 100] {
                    lists.push(service.store().list(after, limit).unwrap());
                }
            }
        }
        // Forgotten or not: a version of 2 or more says that the tombstone is still there.
        for thing in ["t-1", "t", "t1", "s"] {
            for name in names {
                let shadow = ShadowId::new(thing, name).unwrap();
                lists.push(Vec::from([shadow.clone()]));
                let record = service.store().load(&shadow).unwrap();
                lists.extend(record.is_none().then(Vec::new));
            }
        }
        lists
    }
    let directory = Directory::new("lists");
    let file = run(FileStore::open(&directory.0).unwrap());
    assert_eq!(file, run(MemoryStore::new()));
}

#[test]
fn a_second_process_is_refused() {
    let directory = Directory::new("second");
    let first = directory.open();
    let error = FileStore::open(&directory.0).unwrap_err();
    assert!(error.is_in_use(), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("shadows.redb is in use by another process")
    );
    drop(first);
    assert!(FileStore::open(&directory.0).is_ok());
}

#[test]
fn what_is_no_store_is_refused() {
    let directory = Directory::new("garbage");
    std::fs::create_dir_all(&directory.0).unwrap();
    let file = directory.0.join(FileStore::FILE_NAME);
    std::fs::write(&file, "not a database".repeat(1000)).unwrap();
    let error = FileStore::open(&directory.0).unwrap_err().to_string();
    assert!(
        error.contains(" is no store of shadows, or is damaged"),
        "{error}"
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = FileStore::open(&directory.0).unwrap_err().to_string();
    assert!(error.starts_with("cannot open "), "{error}");
}

#[test]
fn half_a_store_is_refused() {
    let directory = Directory::new("half");
    let shadow = ShadowId::classic("t").unwrap();
    let now = UnixTime::from_seconds(vectors::START);
    let mut service = directory.open();
    let update = br#"{"state":{"desired":{"x":1}}}"#;
    service.update(&shadow, update, now).unwrap();
    drop(service);
    let journal = directory.0.join(FileStore::JOURNAL_NAME);
    std::fs::remove_file(&journal).unwrap();
    let error = FileStore::open(&directory.0).unwrap_err().to_string();
    assert!(
        error.contains(" is not whole without shadows.journal"),
        "{error}"
    );
    // What the error advises.
    std::fs::write(&journal, "").unwrap();
    let service = directory.open();
    assert!(service.document(&shadow, now).unwrap().is_some());
}

#[test]
fn a_damaged_store_is_an_error_and_no_panic() {
    let directory = Directory::new("damaged");
    let shadow = |number: u64| ShadowId::classic(&format!("thing-{number}")).unwrap();
    let now = UnixTime::from_seconds(vectors::START);
    let mut service = directory.open();
    let text = "x".repeat(1000);
    let payload = format!(r#"{{"state":{{"desired":{{"text":"{text}"}}}}}}"#);
    for number in 0..30 {
        service
            .update(&shadow(number), payload.as_bytes(), now)
            .unwrap();
    }
    drop(service);
    let file = directory.0.join(FileStore::FILE_NAME);
    let whole = std::fs::read(&file).unwrap();
    let mut failed = 0;
    for page in (1..whole.len() / 4096).step_by(3) {
        let mut damaged = whole.clone();
        let page = damaged.iter_mut().skip(page * 4096).take(4096);
        page.for_each(|byte| *byte ^= 0xa5);
        std::fs::write(&file, damaged).unwrap();
        let store = match FileStore::open(&directory.0) {
            Ok(store) => store,
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                failed += 1;
                continue;
            }
        };
        let mut service = Service::with_store(Settings::default(), store);
        for number in 0..30 {
            let answer = service.get(&shadow(number), b"", now);
            let code = answer.map_or_else(|rejection| rejection.error.code(), |_| 200);
            failed += u32::from(code != 200);
            assert!(matches!(code, 200 | 404 | 500), "{code}");
            let _ = service.update(&shadow(number), b"{\"state\":{}}", now);
        }
    }
    assert!(failed > 0);
}
