//! The store when the process is killed, and when the power fails.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use redb::StorageBackend;
use shadow_proto::ShadowId;
use shadow_service::{After, FileStore, OpenError, Service, Settings, Store, UnixTime};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// A disk whose writes reach it in any order, wholly, torn or not at all, until their file is
/// synced.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

/// The database and the journal.
#[derive(Debug)]
struct File(Disk, usize);

#[derive(Debug, Default)]
struct State {
    current: [Vec<u8>; 2],
    kept: [Kept; 2],
    /// What each sync had still to do when it was called.
    boundaries: Vec<Boundary>,
    acknowledged: usize,
    /// The file that cannot be synced any more.
    failing: Option<usize>,
}

/// What is sure to be on the disk of a file, and what may be.
#[derive(Clone, Debug, Default)]
struct Kept {
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

#[derive(Clone, Debug)]
struct Boundary {
    files: [Kept; 2],
    acknowledged: usize,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn with(images: [Vec<u8>; 2]) -> Self {
        let disk = Self::default();
        disk.state().current = images.clone();
        disk.state().kept = images.map(|synced| Kept {
            synced,
            unsynced: Vec::new(),
        });
        disk
    }

    /// After the power failed, and nothing arrived that was not synced.
    fn crash(&self) -> Self {
        let kept = self.state().kept.clone();
        Self::with(kept.map(|kept| kept.synced))
    }

    fn open(&self) -> Result<FileStore, OpenError> {
        let [database, journal] = [0, 1].map(|file| File(self.clone(), file));
        FileStore::with_backends(database, journal)
    }
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Bytes(offset, bytes) => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl File {
    fn change(&self, write: Write) {
        let mut state = self.0.state();
        write.apply(&mut state.current[self.1]);
        state.kept[self.1].unsynced.push(write);
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().current[self.1].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let start = offset as usize;
        let found = state.current[self.1].get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Write::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.state();
        if state.failing == Some(self.1) {
            return Err(io::Error::other("no more syncs"));
        }
        let boundary = Boundary {
            files: state.kept.clone(),
            acknowledged: state.acknowledged,
        };
        state.kept[self.1] = Kept {
            synced: state.current[self.1].clone(),
            unsynced: Vec::new(),
        };
        state.boundaries.push(boundary);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Write::Bytes(offset as usize, data.to_vec()));
        Ok(())
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

impl Kept {
    /// What the disk holds of a file after the power failed.
    fn image(&self, random: &mut Random) -> Vec<u8> {
        let mut image = self.synced.clone();
        for write in &self.unsynced {
            match (random.below(4), write) {
                (0, _) => {}
                // Sectors are written whole, but not all of them.
                (1, Write::Bytes(offset, bytes)) => {
                    for (sector, part) in bytes.chunks(512).enumerate() {
                        if random.below(2) == 0 {
                            Write::Bytes(offset + 512 * sector, part.to_vec()).apply(&mut image);
                        }
                    }
                }
                (_, write) => write.apply(&mut image),
            }
        }
        image
    }
}

/// Everything a store holds, as text.
fn contents(store: &FileStore) -> BTreeMap<ShadowId, String> {
    let shadows = store.list(After::Start, usize::MAX).unwrap();
    let load = |shadow: &ShadowId| store.load(shadow).unwrap().unwrap().encode();
    shadows
        .into_iter()
        .map(|shadow| (shadow.clone(), load(&shadow)))
        .collect()
}

/// Room for a few records, so that the database gets its share; the largest record has none.
const JOURNAL: usize = 7000;

#[test]
fn the_power_may_fail_at_any_moment() {
    let disk = Disk::with([Vec::new(), vec![0; JOURNAL]]);
    let store = disk.open().unwrap();
    let born = disk.state().boundaries.len();
    let mut service = Service::with_store(Settings::default(), store);
    let mut after_each = vec![contents(service.store())];
    let mut random = Random(88_172_645_463_325_252);
    let mut largest = 0;
    for number in 0..200 {
        let shadow = ShadowId::classic(&format!("t{}", random.below(7))).unwrap();
        let now = UnixTime::from_seconds(1_767_225_600 + number * 3600);
        let length = 3000 * (1 + usize::from(random.below(20) == 0));
        let text = "x".repeat(random.below(length) + length / 2);
        let payload = format!(r#"{{"state":{{"reported":{{"text":"{text}"}}}}}}"#);
        let done = match random.below(4) {
            0 => service.delete(&shadow, b"", now),
            _ => service.update(&shadow, payload.as_bytes(), now),
        };
        if done.is_ok() {
            largest = largest.max(text.len());
            disk.state().acknowledged += 1;
            after_each.push(contents(service.store()));
        }
    }
    assert!(largest > JOURNAL);
    let boundaries = core::mem::take(&mut disk.state().boundaries);
    let torn = |file: usize| {
        let boundaries = boundaries.iter();
        boundaries
            .filter(|boundary| !boundary.files[file].unsynced.is_empty())
            .count()
    };
    assert!(torn(0) > 40 && torn(1) > 90, "{} {}", torn(0), torn(1));
    for (at, boundary) in boundaries.iter().enumerate() {
        for _ in 0..4 {
            let images = boundary
                .files
                .each_ref()
                .map(|kept| kept.image(&mut random));
            let disk = Disk::with(images);
            let reopened = match disk.open() {
                Ok(store) => contents(&store),
                // A file that never was a store yet holds nothing to lose.
                Err(_) if at < born => continue,
                Err(error) => panic!("boundary {at}: {error}"),
            };
            let acknowledged = &after_each[boundary.acknowledged];
            let next = after_each.get(boundary.acknowledged + 1);
            assert!(
                reopened == *acknowledged || Some(&reopened) == next,
                "boundary {at}: neither the last acknowledged state nor the one after"
            );
            // What a reopened store told stays, and it can be written.
            let disk = disk.crash();
            let again = disk.open().unwrap();
            assert!(
                contents(&again) == reopened,
                "boundary {at}: it changed its mind"
            );
            let mut service = Service::with_store(Settings::default(), again);
            let shadow = ShadowId::classic("t0").unwrap();
            let payload = br#"{"state":{"reported":{"text":"y"}}}"#;
            let now = UnixTime::from_seconds(1_767_225_600);
            service.update(&shadow, payload, now).unwrap();
            let written = contents(service.store());
            assert!(
                contents(&disk.crash().open().unwrap()) == written,
                "boundary {at}"
            );
        }
    }
}

#[test]
fn an_update_that_cannot_be_kept_is_not_accepted() {
    for failing in [0, 1] {
        let disk = Disk::with([Vec::new(), vec![0; JOURNAL]]);
        let mut service = Service::with_store(Settings::default(), disk.open().unwrap());
        let now = UnixTime::from_seconds(1_767_225_600);
        let shadow = ShadowId::classic("t").unwrap();
        let update = |number: usize| {
            let text = "x".repeat(1000);
            format!(r#"{{"state":{{"reported":{{"text":"{text}","number":{number}}}}}}}"#)
        };
        service.update(&shadow, update(0).as_bytes(), now).unwrap();
        disk.state().failing = Some(failing);
        let mut refused = 0;
        let mut last = contents(service.store());
        for number in 1..20 {
            match service.update(&shadow, update(number).as_bytes(), now) {
                // The journal has room for a few when it is the database that fails.
                Ok(_) => {
                    assert!(failing == 0 && refused == 0, "{failing} {number}");
                    last = contents(service.store());
                }
                Err(rejection) => {
                    assert_eq!(rejection.error.code(), 500);
                    refused += 1;
                }
            }
            assert!(contents(service.store()) == last, "{failing} {number}");
        }
        // Nor is one for which the journal would have room: which of two journals counts is open.
        let small = br#"{"state":{"reported":{"number":20}}}"#;
        assert!(service.update(&shadow, small, now).is_err(), "{failing}");
        assert!(refused > 10, "{failing} {refused}");
        disk.state().failing = None;
        assert!(service.update(&shadow, update(0).as_bytes(), now).is_err());
        // As after a crash: whoever begins anew knows what is on the disk.
        let disk = disk.crash();
        drop(service);
        let mut service = Service::with_store(Settings::default(), disk.open().unwrap());
        assert!(contents(service.store()) == last);
        service.update(&shadow, update(0).as_bytes(), now).unwrap();
    }
}
