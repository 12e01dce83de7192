//! The newest records, one after another in a file of fixed length.
//!
//! A frame is `length: u32, check: u64`, little endian, and then so many bytes: the lengths of
//! thing and shadow name (a byte each), both names, the record's text. The check covers the
//! frame's place and the epoch, a random number that the database knows. Frames of one epoch
//! begin at the start of the file and follow each other; the first that is not right ends them:
//! it was never acknowledged, or is left over from an earlier epoch. Since nobody outside knows
//! the epoch, no document can hold what looks like a frame.
//!
//! The file is written over and over. So a sync has to write data alone, nothing about the file.

use alloc::{boxed::Box, vec, vec::Vec};
use redb::StorageBackend;
use shadow_proto::ShadowId;
use std::io;

/// The end of the file's use, and how to go on there.
#[derive(Debug)]
pub(super) struct Journal {
    medium: Box<dyn StorageBackend>,
    room: u64,
    epoch: u64,
    end: u64,
    /// A write failed: nobody knows what is on the medium from `end` on, or which epoch counts.
    broken: bool,
}

impl Journal {
    /// Reads the frames of `epoch`, oldest first, each given to `found`. Makes the file at least
    /// `room` bytes long.
    pub(super) fn open(
        medium: Box<dyn StorageBackend>,
        epoch: u64,
        room: u64,
        mut found: impl FnMut(ShadowId, &str),
    ) -> io::Result<Self> {
        let length = medium.len()?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        medium.read(0, &mut bytes)?;
        let mut end = 0;
        while let Some((body, next)) = frame(&bytes, end, epoch) {
            let (shadow, text) = read(body).ok_or(io::ErrorKind::InvalidData)?;
            found(shadow, text);
            end = next;
        }
        if length < room {
            // Written, not only made long: else each first write of a block would be one of
            // the file system's too.
            let missing = usize::try_from(room - length).map_err(io::Error::other)?;
            medium.set_len(room)?;
            medium.write(length, &vec![0; missing])?;
        }
        if end > 0 || length < room {
            // A killed process may have written what it did not live to sync. From here on it
            // is there for all to see, so it has to stay.
            medium.sync_data()?;
        }
        Ok(Self {
            medium,
            room: length.max(room),
            epoch,
            end: end as u64,
            broken: false,
        })
    }

    /// Puts a record at the end; it is on the medium when this returns. `false` if there is no
    /// room for it, and then nothing happened.
    pub(super) fn append(&mut self, shadow: &ShadowId, text: &str) -> io::Result<bool> {
        if self.broken {
            return Err(io::Error::other("the store could not be written before"));
        }
        let name = shadow.shadow().unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD + 2 + 128 + 64 + text.len());
        bytes.extend_from_slice(&[0; HEAD]);
        for part in [shadow.thing(), name] {
            // Names are at most 128 and 64 bytes long.
            bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        }
        for part in [shadow.thing(), name, text] {
            bytes.extend_from_slice(part.as_bytes());
        }
        let end = self.end + bytes.len() as u64;
        let (Ok(length), true) = (u32::try_from(bytes.len() - HEAD), end <= self.room) else {
            return Ok(false);
        };
        if let Some((head, body)) = bytes.split_first_chunk_mut::<HEAD>() {
            let check = check(self.epoch, self.end, body);
            let fields = length.to_le_bytes().into_iter().chain(check.to_le_bytes());
            for (place, byte) in head.iter_mut().zip(fields) {
                *place = byte;
            }
        }
        let written = self.medium.write(self.end, &bytes);
        let written = written.and_then(|()| self.medium.sync_data());
        self.broken = written.is_err();
        written?;
        self.end = end;
        Ok(true)
    }

    /// Begins at the start again. All that was in the journal is in the database, which also
    /// knows the new `epoch`.
    pub(super) const fn restart(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.end = 0;
    }

    /// Takes no record any more: nobody knows whether it would be found.
    pub(super) const fn give_up(&mut self) {
        self.broken = true;
    }

    /// Whether it holds no record.
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Bytes before a frame's body.
const HEAD: usize = 4 + 8;

/// The body of the frame at `at`, and where the next one would be; `None` if there is none.
fn frame(bytes: &[u8], at: usize, epoch: u64) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<8>()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let right = check(epoch, at as u64, body) == u64::from_le_bytes(*expected);
    (right && !body.is_empty()).then_some((body, at + HEAD + body.len()))
}

fn read(body: &[u8]) -> Option<(ShadowId, &str)> {
    let ([thing, name], rest) = body.split_first_chunk::<2>()?;
    let (thing, rest) = rest.split_at_checked(usize::from(*thing))?;
    let (name, text) = rest.split_at_checked(usize::from(*name))?;
    let [thing, name, text] = [thing, name, text].map(|part| core::str::from_utf8(part).ok());
    let name = Some(name?).filter(|name| !name.is_empty());
    Some((ShadowId::new(thing?, name).ok()?, text?))
}

/// Tells a whole frame from a torn one: with each word, every bit so far reaches all others.
fn check(epoch: u64, at: u64, body: &[u8]) -> u64 {
    let words = body.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(chunk) {
            *place = *byte;
        }
        u64::from_le_bytes(word)
    });
    let length = body.len() as u64;
    let words = [epoch, at, length].into_iter().chain(words);
    words.fold(SEED, |sum, word| {
        let product = u128::from(sum ^ word) * u128::from(FACTOR);
        (product as u64) ^ (product >> 64) as u64 ^ word.rotate_left(32)
    })
}

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, sync::Arc};
    use redb::backends::InMemoryBackend;

    /// A file that is still there when the journal over it is gone.
    #[derive(Clone, Debug, Default)]
    struct File(Arc<InMemoryBackend>);

    impl StorageBackend for File {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, length: u64) -> io::Result<()> {
            self.0.set_len(length)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    fn open(file: &File, epoch: u64) -> (Journal, Vec<String>) {
        let mut found = Vec::new();
        let journal = Journal::open(Box::new(file.clone()), epoch, 300, |shadow, text| {
            found.push(alloc::format!("{shadow} {text}"));
        });
        (journal.unwrap(), found)
    }

    fn shadows() -> [ShadowId; 2] {
        [
            ShadowId::classic("lamp").unwrap(),
            ShadowId::named("lamp", "light").unwrap(),
        ]
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_full() {
        let file = File::default();
        let (mut journal, found) = open(&file, 7);
        assert!(found.is_empty() && journal.is_empty());
        let [classic, named] = shadows();
        assert!(journal.append(&classic, "one").unwrap());
        assert!(journal.append(&named, "").unwrap());
        assert!(!journal.append(&classic, &"x".repeat(300)).unwrap());
        assert!(journal.append(&classic, "three").unwrap());
        let (mut journal, found) = open(&file, 7);
        let [first, second, third] = &*found else {
            panic!("{found:?}")
        };
        assert!(first.ends_with(" one") && second.ends_with("light ") && third.ends_with(" three"));
        let mut fitted = 0;
        while journal.append(&classic, "more").unwrap() {
            fitted += 1;
        }
        assert_eq!(open(&file, 7).1.len(), 3 + fitted);
    }

    #[test]
    fn a_frame_that_is_not_whole_ends_it() {
        let file = File::default();
        let (mut journal, _) = open(&file, 7);
        let [classic, named] = shadows();
        assert!(journal.append(&classic, "one").unwrap());
        let begin = journal.end;
        assert!(journal.append(&named, "two").unwrap());
        for at in begin..journal.end {
            let mut byte = [0];
            file.read(at, &mut byte).unwrap();
            for bit in 0..8 {
                file.write(at, &[byte[0] ^ 1 << bit]).unwrap();
                assert_eq!(open(&file, 7).1.len(), 1, "byte {at}, bit {bit}");
            }
            file.write(at, &byte).unwrap();
        }
        assert_eq!(open(&file, 7).1.len(), 2);
    }

    #[test]
    fn an_earlier_epoch_does_not_come_back() {
        let file = File::default();
        let (mut journal, _) = open(&file, 7);
        let [classic, _] = shadows();
        for _ in 0..5 {
            assert!(journal.append(&classic, "old").unwrap());
        }
        journal.restart(8);
        assert!(open(&file, 8).1.is_empty());
        // Of the same length, so that the old frames follow it without a gap.
        assert!(journal.append(&classic, "new").unwrap());
        assert_eq!(open(&file, 8).1.len(), 1);
        assert_eq!(open(&file, 7).1.len(), 0);
    }
}
