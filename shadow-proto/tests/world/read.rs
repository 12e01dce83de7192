//! Words of a script, and topics made short.

use shadow_proto::{Interest, ShadowId};
use std::{fmt::Write, time::Duration};

pub(super) fn read_id(name: &str) -> ShadowId {
    match name.split_once('~') {
        None => ShadowId::classic(name).unwrap(),
        Some((thing, shadow)) => ShadowId::named(thing, shadow).unwrap(),
    }
}

pub(super) fn read_interest(word: &str) -> Interest {
    match word {
        "delta" => Interest::DELTA,
        "documents" => Interest::DOCUMENTS,
        "get" => Interest::GET,
        "get-accepted" => Interest::GET_ACCEPTED,
        "update" => Interest::UPDATE,
        "update-accepted" => Interest::UPDATE_ACCEPTED,
        "delete" => Interest::DELETE,
        "delete-accepted" => Interest::DELETE_ACCEPTED,
        "all" => Interest::ALL,
        "none" => Interest::NONE,
        other => panic!("unknown interest {other}"),
    }
}

pub(super) fn read_time(text: &str) -> Duration {
    if let Some(hours) = text.strip_suffix('h') {
        return Duration::from_secs(hours.parse::<u64>().unwrap() * 3600);
    }
    if let Some(millis) = text.strip_suffix("ms") {
        return Duration::from_millis(millis.parse().unwrap());
    }
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

/// Topics without what all of them have: `lamp get/accepted`.
pub(super) fn shorten(topics: &[Box<str>]) -> String {
    let mut text = String::new();
    for (at, topic) in topics.iter().enumerate() {
        let rest = topic.split_once("/things/").unwrap().1;
        let (thing, rest) = rest.split_once("/shadow/").unwrap();
        let (shadow, suffix) = match rest.strip_prefix("name/") {
            None => (thing.to_owned(), rest),
            Some(rest) => {
                let (shadow, suffix) = rest.split_once('/').unwrap();
                (format!("{thing}~{shadow}"), suffix)
            }
        };
        write!(text, "{}{shadow} {suffix}", if at == 0 { "" } else { ", " }).unwrap();
    }
    text
}
