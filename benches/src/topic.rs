//! A topic is classified: operation, kind, thing and shadow.

use std::hint::black_box;

use shadow_proto::Topic;

use crate::{Case, Step, Who, each};

/// By the names the tables use.
const TOPICS: [(&str, &str); 13] = [
    ("get", "$aws/things/lamp-00017/shadow/get"),
    ("get accepted", "$aws/things/lamp-00017/shadow/get/accepted"),
    ("get rejected", "$aws/things/lamp-00017/shadow/get/rejected"),
    ("update", "$aws/things/lamp-00017/shadow/update"),
    (
        "update accepted",
        "$aws/things/lamp-00017/shadow/update/accepted",
    ),
    (
        "update rejected",
        "$aws/things/lamp-00017/shadow/update/rejected",
    ),
    ("update delta", "$aws/things/lamp-00017/shadow/update/delta"),
    (
        "update documents",
        "$aws/things/lamp-00017/shadow/update/documents",
    ),
    (
        "delete accepted",
        "$aws/things/lamp-00017/shadow/delete/accepted",
    ),
    (
        "named update delta",
        "$aws/things/lamp-00017/shadow/name/config/update/delta",
    ),
    (
        "named get accepted",
        "$aws/things/lamp-00017/shadow/name/config/get/accepted",
    ),
    ("not ours jobs", "$aws/things/lamp-00017/jobs/notify-next"),
    (
        "not ours other",
        "site/7/building/3/floor/2/sensor/temperature",
    ),
];

/// Eleven topics that are ours, two that are not.
#[must_use]
pub fn cases() -> Vec<Case> {
    let inputs = TOPICS.map(|(name, _)| name);
    each(
        "topic",
        &inputs,
        &[
            (Who::Ours, ours),
            (Who::ByHand("split into Vec"), split_vec),
            (Who::ByHand("split iterator"), split_iter),
            (Who::Floor("copy"), copy),
        ],
    )
}

fn topic(input: &str) -> &'static str {
    TOPICS
        .iter()
        .find(|(name, _)| *name == input)
        .expect("a topic of the table")
        .1
}

fn ours(input: &str) -> Step {
    let topic = topic(input);
    Box::new(move || {
        // A reference everywhere: black_box moves a value about, which takes longer than some calls.
        black_box(&Topic::parse(black_box(topic)));
    })
}

fn split_vec(input: &str) -> Step {
    let topic = topic(input);
    Box::new(move || {
        let levels: Vec<&str> = black_box(topic).split('/').collect();
        black_box(&match levels.as_slice() {
            ["$aws", "things", thing, "shadow", "name", shadow, rest @ ..] => {
                kind(rest).map(|kind| (*thing, Some(*shadow), kind))
            }
            ["$aws", "things", thing, "shadow", rest @ ..] => {
                kind(rest).map(|kind| (*thing, None, kind))
            }
            _ => None,
        });
    })
}

fn split_iter(input: &str) -> Step {
    fn parse(topic: &str) -> Option<(&str, Option<&str>, Kind)> {
        let mut levels = topic.split('/');
        if levels.next()? != "$aws" || levels.next()? != "things" {
            return None;
        }
        let thing = levels.next()?;
        if levels.next()? != "shadow" {
            return None;
        }
        let mut level = levels.next()?;
        let mut shadow = None;
        if level == "name" {
            shadow = Some(levels.next()?);
            level = levels.next()?;
        }
        let kind = match levels.next() {
            None => kind(&[level]),
            Some(last) => kind(&[level, last]),
        };
        if levels.next().is_some() {
            return None;
        }
        Some((thing, shadow, kind?))
    }

    let topic = topic(input);
    Box::new(move || {
        black_box(&parse(black_box(topic)));
    })
}

fn copy(input: &str) -> Step {
    let topic = topic(input);
    let mut buffer = String::with_capacity(256);
    Box::new(move || {
        buffer.clear();
        buffer.push_str(black_box(topic));
        black_box(&buffer);
    })
}

type Kind = (u8, u8);

/// The operation, and what of it.
fn kind(levels: &[&str]) -> Option<Kind> {
    let (operation, rest) = levels.split_first()?;
    let operation = match *operation {
        "get" => 0,
        "update" => 1,
        "delete" => 2,
        _ => return None,
    };
    let what = match (operation, rest) {
        (_, []) => 0,
        (_, ["accepted"]) => 1,
        (_, ["rejected"]) => 2,
        (1, ["delta"]) => 3,
        (1, ["documents"]) => 4,
        _ => return None,
    };
    Some((operation, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_are_what_their_names_say() {
        for (name, topic) in TOPICS {
            assert_eq!(
                Topic::parse(topic).is_none(),
                name.starts_with("not ours"),
                "{name}"
            );
        }
    }
}
