//! The last requests and what was published, for the page to show. Bounded.

use crate::{
    local::{Request, Served},
    reply::Outgoing,
    time::UnixTime,
    write::{self, Members},
};
use alloc::{collections::VecDeque, string::String, string::ToString as _, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};
use shadow_proto::Operation;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last [`KEPT`] requests, from the moment on when there is a page that may show them.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    on: AtomicBool,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// How many requests there were.
    number: u64,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    time: UnixTime,
    text: String,
    thing: String,
    name: String,
    /// Whether the document is another one, and whether it came or went.
    changed: bool,
    listed: bool,
    messages: Vec<(String, String)>,
}

impl Recent {
    /// Begins to take notes.
    #[cfg(feature = "http")]
    pub(crate) fn begin(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// Notes a request and what it makes the service publish.
    pub(crate) fn note(&self, time: UnixTime, served: &Served<'_>, messages: &[Outgoing]) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let Request::Shadow(shadow, operation) = served.request else {
            return;
        };
        let changed = operation != Operation::Get && served.outcome.is_ok();
        let born = |message: &Outgoing| message.payload.starts_with(r#"{"previous":null"#);
        let entry = Entry {
            time,
            text: served.to_string(),
            thing: shadow.thing().to_string(),
            name: shadow.shadow().unwrap_or_default().to_string(),
            changed,
            listed: changed && (operation == Operation::Delete || messages.iter().any(born)),
            messages: messages
                .iter()
                .map(|message| (message.topic.to_string(), short(&message.payload)))
                .collect(),
        };
        let mut ring = self.ring();
        ring.number += 1;
        if ring.entries.len() == KEPT {
            ring.entries.pop_front();
        }
        ring.entries.push_back(entry);
    }

    /// Those after the request of this number, as JSON; all if the number is none of this
    /// process's.
    pub(crate) fn after(&self, number: Option<u64>) -> String {
        let ring = self.ring();
        let missed = match number {
            Some(number) if number <= ring.number => ring.number - number,
            Some(_) | None => ring.number,
        };
        let missed = usize::try_from(missed).unwrap_or(usize::MAX);
        let skip = ring.entries.len().saturating_sub(missed);
        let mut out = String::new();
        let mut members = Members::open(&mut out);
        members.number("number", ring.number);
        let list = members.name("entries");
        list.push('[');
        for (at, entry) in ring.entries.iter().skip(skip).enumerate() {
            if at > 0 {
                list.push(',');
            }
            entry.write(list);
        }
        list.push(']');
        members.close();
        out
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn write(&self, out: &mut String) {
        let mut members = Members::open(out);
        let milliseconds = self.time.as_duration().as_millis();
        members.number("time", u64::try_from(milliseconds).unwrap_or(u64::MAX));
        members.text("text", &self.text);
        members.text("thing", &self.thing);
        members.text("name", &self.name);
        for (name, is) in [("changed", self.changed), ("listed", self.listed)] {
            let is = if is { "true" } else { "false" };
            members.name(name).push_str(is);
        }
        let list = members.name("messages");
        list.push('[');
        for (at, (topic, payload)) in self.messages.iter().enumerate() {
            list.push_str(if at > 0 { ",[" } else { "[" });
            write::string(list, topic);
            list.push(',');
            write::string(list, payload);
            list.push(']');
        }
        list.push(']');
        members.close();
    }
}

fn short(payload: &str) -> String {
    if payload.len() <= SHOWN {
        return payload.to_string();
    }
    let mut end = SHOWN;
    while !payload.is_char_boundary(end) {
        end -= 1;
    }
    let mut text: String = payload.get(..end).unwrap_or_default().into();
    text.push('…');
    text
}

/// Requests that are kept.
const KEPT: usize = 100;
/// Bytes that are kept of a payload.
const SHOWN: usize = 2048;

#[cfg(feature = "http")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Way;
    use alloc::{format, string::ToString};
    use shadow_proto::ShadowId;

    fn note(recent: &Recent, number: u64, operation: Operation) {
        let shadow = ShadowId::classic("lamp").unwrap();
        let time = UnixTime::from_seconds(number);
        let served = Served {
            way: Way::Mqtt,
            request: Request::Shadow(&shadow, operation),
            outcome: Ok(Some(number)),
            fault: None,
            time,
        };
        let payload = "ü".repeat(SHOWN);
        recent.note(time, &served, &[Outgoing::new("t".into(), payload)]);
    }

    #[test]
    fn memory_is_bounded_and_numbers_go_on() {
        let recent = Recent::default();
        note(&recent, 1, Operation::Update);
        recent.begin();
        assert_eq!(recent.after(None), r#"{"number":0,"entries":[]}"#);
        for number in 1..=1000 {
            note(&recent, number, Operation::Update);
        }
        let all = recent.after(None);
        assert_eq!(all.matches("\"text\"").count(), KEPT);
        assert!(all.len() < KEPT * (SHOWN + 200));
        assert!(all.contains(
            r#""text":"mqtt update lamp: version 1000","thing":"lamp","name":"","changed":true"#
        ));
        assert_eq!(recent.after(Some(998)).matches("\"text\"").count(), 2);
        assert_eq!(recent.after(Some(1000)), r#"{"number":1000,"entries":[]}"#);
        // Of a process before this one.
        assert_eq!(recent.after(Some(5000)), all);
        note(&recent, 7, Operation::Get);
        assert!(recent.after(Some(1000)).contains(r#""changed":false"#));
        assert_eq!(format!("{:?}", recent.ring().number), 1001.to_string());
    }
}
