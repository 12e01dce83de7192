//! A message for one of many shadows: those that are idle cost memory alone.

use std::hint::black_box;
use std::io::Write as _;

use shadow_proto::{Event, Output};

use crate::message::{Shape, delta};
use crate::{Case, Step, Who, device, each};

/// Ten and a hundred thousand shadows; messages for one of them, and for all in turn.
#[must_use]
pub fn cases() -> Vec<Case> {
    each(
        "idle",
        &[
            "10 shadows, one busy",
            "100000 shadows, one busy",
            "10 shadows, all drawn",
            "100000 shadows, all drawn",
        ],
        &[(Who::Ours, ours)],
    )
}

fn ours(input: &str) -> Step {
    let (count, which) = input.split_once(" shadows, ").expect("as above");
    let count: usize = count.parse().expect("a number");
    let drawn = if which == "all drawn" { count } else { 1 };
    let (mut client, _) = device::connected(count);
    let mut message = delta(256, Shape::Shallow);
    let mut topic = Vec::with_capacity(64);
    let mut random = 1_u64;
    Box::new(move || {
        // Knuth's generator; its upper bits are good enough to surprise a cache.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let n = ((random >> 32) as usize * drawn) >> 32;
        topic.clear();
        write!(topic, "$aws/things/lamp-{n:05}/shadow/update/delta").expect("memory");
        let topic = core::str::from_utf8(&topic).expect("text");
        message.next_version();
        let taken = client.handle_publish(black_box(topic), &message.bytes, device::NOW);
        assert!(taken.is_ok());
        let output = client.poll_output();
        assert!(matches!(output, Some(Output::Event(Event::Delta { .. }))));
        black_box(output);
        assert!(client.poll_output().is_none());
    })
}
