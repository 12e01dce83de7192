//! A token is generated; the token of an answer is matched to its request.

use std::collections::HashMap;
use std::hint::black_box;

use shadow_proto::{Client, Output, RequestOptions};
use uuid::Uuid;

use crate::{Case, Step, Who, device, each};

/// Generated, and found among 1 to 10,000 outstanding.
#[must_use]
pub fn cases() -> Vec<Case> {
    let generate = each(
        "token",
        &["generate"],
        &[
            (Who::Ours, generate),
            (Who::ByHand("uuid v4 to_string"), uuid),
        ],
    );
    let matched = each(
        "token",
        &[
            "match in 1",
            "match in 10",
            "match in 1000",
            "match in 10000",
        ],
        &[
            (Who::Ours, matched),
            (Who::ByHand("HashMap<String, _> of uuids"), hash_map),
        ],
    );
    [generate, matched].concat()
}

fn generate(_: &str) -> Step {
    let (client, tokens) = outstanding(1);
    let request = client.request_of(&tokens[0]).expect("it is outstanding");
    Box::new(move || {
        // A reference: black_box moves a value about, which takes as long.
        black_box(&client.token(*black_box(&request)));
    })
}

fn uuid(_: &str) -> Step {
    Box::new(|| {
        black_box(&Uuid::new_v4().to_string());
    })
}

fn matched(input: &str) -> Step {
    let (client, tokens) = outstanding(count(input));
    let mut next = Scattered::new(tokens.len());
    Box::new(move || {
        let found = client.request_of(black_box(&tokens[next.draw()]));
        assert!(found.is_some());
        black_box(&found);
    })
}

fn hash_map(input: &str) -> Step {
    let tokens: Vec<String> = (0..count(input))
        .map(|_| Uuid::new_v4().to_string())
        .collect();
    let requests: HashMap<String, u64> = tokens.iter().cloned().zip(0..).collect();
    let mut next = Scattered::new(tokens.len());
    Box::new(move || {
        let found = requests.get(black_box(tokens[next.draw()].as_str()));
        assert!(found.is_some());
        black_box(&found);
    })
}

fn count(input: &str) -> usize {
    let number = input.rsplit(' ').next().expect("a word");
    number.parse().expect("a number")
}

/// A client with this many requests sent and not answered, and their tokens.
fn outstanding(count: usize) -> (Client, Vec<String>) {
    let (mut client, shadows) = device::connected(1);
    let get = |client: &mut Client| {
        let id = client.get(shadows[0], RequestOptions::default(), device::NOW);
        id.expect("room for it")
    };
    let first = get(&mut client);
    // The first waits for its filters.
    device::drain(&mut client);
    let mut all = vec![first];
    for _ in 1..count {
        all.push(get(&mut client));
        assert!(matches!(client.poll_output(), Some(Output::Publish { .. })));
    }
    let tokens = all
        .into_iter()
        .map(|id| client.token(id).expect("it was sent").to_string())
        .collect();
    (client, tokens)
}

/// Visits all of a range in a fixed order that caches do not foresee.
struct Scattered {
    at: usize,
    step: usize,
    count: usize,
}

impl Scattered {
    fn new(count: usize) -> Self {
        // A prime that divides none of the counts. No division is left for the measured part, which takes a few
        // nanoseconds.
        let step = 7_919 % count;
        Self { at: 0, step, count }
    }

    fn draw(&mut self) -> usize {
        self.at += self.step;
        if self.at >= self.count {
            self.at -= self.count;
        }
        self.at
    }
}
