//! What is JSON, and what is not.

use super::*;
use alloc::{format, string::ToString};

fn skip(text: &str) -> Result<(), ParseError> {
    let mut reader = Reader::new(text);
    reader.skip()?;
    reader.end()
}

#[test]
fn what_is_json_is_read() {
    for (text, compact) in [
        (" null ", "null"),
        ("\t[ 1 , 2 ]\r\n", "[1,2]"),
        (r#" { "b" : [ ] , "a" : { } } "#, r#"{"a":{},"b":[]}"#),
        (r#""\u00e9\ud83d\udd27\/""#, "\"é🔧/\""),
        ("-0", "-0"),
        ("-1.50e+003", "-1.50e+003"),
        ("1e999999999", "1e999999999"),
        (r#"{"":{"":""}}"#, r#"{"":{"":""}}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
    ] {
        assert_eq!(Value::parse(text).unwrap().to_string(), compact);
        assert_eq!(skip(text), Ok(()), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "+1",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{",
        "}",
        "{}}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{a:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{1:2}"#,
        "\"",
        r#""\"#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u123g""#,
        r#""\ud800""#,
        r#""\ud800\u0041""#,
        r#""\udc00""#,
        r#""\ud800\n""#,
        "\"\n\"",
        "\"\u{0}\"",
        "\u{feff}{}",
        "{}\u{0}",
        "[1]]",
        "1 2",
        "'a'",
        "[\u{a0}]",
        r#"{"a":1]"#,
        r#"[1}"#,
    ] {
        assert!(Value::parse(text).is_err(), "{text:?}");
        assert!(skip(text).is_err(), "{text:?}");
    }
}

#[test]
fn depth_costs_no_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(skip(&deep), Ok(()));
        assert_eq!(Value::parse(&deep).unwrap_err().reason, "nested too deeply");
        assert!(skip(&open.repeat(100_000)).is_err());
        assert!(Value::parse(&open.repeat(100_000)).is_err());
    }
}

#[test]
fn the_limit_itself_is_read() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Value::parse(&nested(MAX_NESTING)).is_ok());
    assert!(Value::parse(&nested(MAX_NESTING + 1)).is_err());
}
