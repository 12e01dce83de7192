//! Equality, sizes, depths.

use super::*;
use alloc::{format, string::ToString};

fn number(text: &str) -> Number {
    Number::from_checked(text)
}

#[test]
fn equal_numbers_of_any_spelling() {
    for (a, b) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("100", "1e2"),
        ("100", "1E+0002"),
        ("0.001", "1e-3"),
        ("-0", "0"),
        ("0e99999999999999999999", "0.000"),
        ("12.50", "0.125e2"),
        ("1e999999999", "10e999999998"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890.0",
        ),
        ("1e99999999999999999999999", "1.0E+99999999999999999999999"),
    ] {
        assert!(number(a).same(&number(b)), "{a} {b}");
        assert!(number(b).same(&number(a)), "{a} {b}");
    }
}

#[test]
fn unequal_numbers() {
    for (a, b) in [
        ("1", "-1"),
        ("1", "10"),
        ("1", "0.1"),
        ("1e999999999", "1e999999998"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000000001"),
        ("1e99999999999999999999999", "1e-99999999999999999999999"),
        ("12", "102"),
    ] {
        assert!(!number(a).same(&number(b)), "{a} {b}");
    }
}

#[test]
fn size_is_that_of_the_compact_text() {
    for text in [
        "null",
        "[]",
        "{}",
        r#"{"a":[1.50,true,false,null,-1E5],"b":{"":"x"}}"#,
        r#"["\"\\\b\f\n\r\t\u0000\u001f/é🔧"]"#,
    ] {
        let value: Value = Value::parse(text).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(value.size(), text.len(), "{text}");
    }
}

#[test]
fn the_last_of_duplicate_members_wins() {
    let value = Value::parse(r#"{"b":1,"a":1,"b":2,"a":{"x":1},"b":3}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"a":{"x":1},"b":3}"#);
}

#[test]
fn depth_counts_levels_with_content() {
    let depth = |text: &str, arrays| Value::parse(text).unwrap().depth(arrays);
    assert_eq!(depth("1", true), 0);
    assert_eq!(depth("{}", true), 0);
    assert_eq!(depth(r#"{"a":1}"#, true), 1);
    assert_eq!(depth(r#"{"a":{"b":1}}"#, true), 2);
    assert_eq!(depth(r#"{"a":{}}"#, true), 1);
    assert_eq!(depth(r#"{"a":[[1]]}"#, true), 3);
    assert_eq!(depth(r#"{"a":[[1]]}"#, false), 1);
    assert_eq!(
        depth(&format!("{}1{}", "[".repeat(64), "]".repeat(64)), true),
        64
    );
}

#[test]
fn members_are_sorted_by_their_names_and_the_last_of_each_stays() {
    let names = [
        "",
        "\0",
        "a",
        "ab",
        "ab\0",
        "ab\0c",
        "abcdefgh",
        "abcdefgh\0",
        "abcdefghi",
        "abcdefgi",
        "é",
        "\u{10ffff}",
    ];
    // Each as often as it has bytes, and all of them scattered.
    let mut members = Vec::new();
    for round in 0..12_usize {
        for at in 0..names.len() {
            let name = names[(at * 7 + round * 5) % names.len()];
            if round <= name.len() {
                members.push((
                    Box::from(name),
                    Value::Leaf(Scalar::Number(number(&round.to_string()))),
                ));
            }
        }
    }
    let object = Object::from_members(members.clone());
    let mut expected: Vec<&str> = names.to_vec();
    expected.sort_unstable();
    let found: Vec<&str> = object.iter().map(|(name, _)| name).collect();
    assert_eq!(found, expected);
    for (name, value) in object.iter() {
        let last = members.iter().rfind(|(other, _)| **other == *name);
        assert_eq!(value, &last.unwrap().1, "{name:?}");
        assert_eq!(object.get(name), Some(value), "{name:?}");
    }
}
