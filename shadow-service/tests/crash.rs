//! The store when the process is killed, and when the power fails.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use redb::StorageBackend;
use shadow_proto::ShadowId;
use shadow_service::{After, FileStore, Service, Settings, Store, UnixTime};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// A disk whose writes reach it in any order, wholly, torn or not at all, until it is synced.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    synced: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Write>,
    /// What each sync had still to do when it was called.
    boundaries: Vec<Boundary>,
    acknowledged: usize,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

#[derive(Clone, Debug)]
struct Boundary {
    synced: Vec<u8>,
    unsynced: Vec<Write>,
    acknowledged: usize,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn with(image: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().synced.clone_from(&image);
        disk.state().current = image;
        disk
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

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = offset as usize;
        let found = state.current.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let write = Write::Length(length as usize);
        write.apply(&mut state.current);
        state.unsynced.push(write);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let boundary = Boundary {
            synced: state.synced.clone(),
            unsynced: core::mem::take(&mut state.unsynced),
            acknowledged: state.acknowledged,
        };
        state.synced = state.current.clone();
        state.boundaries.push(boundary);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let write = Write::Bytes(offset as usize, data.to_vec());
        write.apply(&mut state.current);
        state.unsynced.push(write);
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

impl Boundary {
    /// What the disk holds after the power failed here.
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

#[test]
fn the_power_may_fail_at_any_moment() {
    let disk = Disk::default();
    let store = FileStore::with_backend(disk.clone()).unwrap();
    let born = disk.state().boundaries.len();
    let mut service = Service::with_store(Settings::default(), store);
    let mut after_each = vec![contents(service.store())];
    let mut random = Random(88_172_645_463_325_252);
    for number in 0..120 {
        let shadow = ShadowId::classic(&format!("t{}", random.below(7))).unwrap();
        let now = UnixTime::from_seconds(1_767_225_600 + number * 3600);
        let text = "x".repeat(random.below(3000));
        let payload = format!(r#"{{"state":{{"reported":{{"text":"{text}"}}}}}}"#);
        let done = match random.below(4) {
            0 => service.delete(&shadow, b"", now),
            _ => service.update(&shadow, payload.as_bytes(), now),
        };
        if done.is_ok() {
            disk.state().acknowledged += 1;
            after_each.push(contents(service.store()));
        }
    }
    let boundaries = core::mem::take(&mut disk.state().boundaries);
    assert!(boundaries.len() > 120);
    for (at, boundary) in boundaries.iter().enumerate() {
        for _ in 0..4 {
            let image = boundary.image(&mut random);
            let reopened = match FileStore::with_backend(Disk::with(image)) {
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
        }
    }
}
