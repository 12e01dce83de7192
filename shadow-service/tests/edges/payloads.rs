//! What a payload may be: nesting, numbers, duplicates, tokens, nulls and size.

use crate::{NOW, lamp, rejected, service, state, update, with};
use shadow_service::{
    EmptyToken, IntegerRange, NullInArrayObject, NullInArrayText, NumberEquality,
};

#[test]
fn deep_payloads_are_refused_or_ignored_and_cost_no_stack() {
    let nested =
        |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let mut service = with(|settings| settings.limits.max_payload_bytes = 10_000_000);
    let too_deep = rejected(
        400,
        "JSON contains too many levels of nesting; maximum is 8",
    );
    for deep in [
        nested("[", "]"),
        nested(r#"{"a":"#, "}"),
        nested(r#"[{"a":"#, "}]"),
    ] {
        let request = format!(r#"{{"state":{{"desired":{{"x":{deep}}}}}}}"#);
        assert_eq!(update(&mut service, request), too_deep);
        assert_eq!(
            update(&mut service, &deep),
            rejected(400, "Missing required node: state")
        );
        let token = rejected(400, "Invalid clientToken");
        assert_eq!(
            update(&mut service, format!(r#"{{"clientToken":{deep}}}"#)),
            token
        );
        let version = format!(r#"{{"state":{{}},"version":{deep}}}"#);
        assert_eq!(
            update(&mut service, version),
            rejected(400, "Invalid version")
        );
        let elsewhere = format!(r#"{{"other":{deep},"state":{{}},"clientToken":"t"}}"#);
        assert!(update(&mut service, elsewhere).contains(r#""version":"#));
        let unclosed = format!(r#"{{"state":{}"#, "[".repeat(100_000));
        assert_eq!(
            update(&mut service, unclosed),
            rejected(400, "Invalid JSON")
        );
        // A get reads only the token, and nothing else can hurt it.
        assert!(service.get(&lamp(), deep.as_bytes(), NOW).is_ok());
    }
}

#[test]
fn arrays_count_as_levels_or_not() {
    let request = |levels: usize| {
        let array = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"state":{{"reported":{{"a":{array}}}}}}}"#)
    };
    let too_deep = rejected(
        400,
        "JSON contains too many levels of nesting; maximum is 8",
    );
    let mut service = service();
    assert!(update(&mut service, request(7)).contains(r#""version":1"#));
    assert_eq!(update(&mut service, request(8)), too_deep);
    let mut service = with(|settings| settings.behaviour.arrays_are_levels = false);
    assert!(update(&mut service, request(60)).contains(r#""version":1"#));
    assert_eq!(update(&mut service, request(70)), too_deep);
}

#[test]
fn the_greatest_depth_that_can_be_set() {
    let mut service = with(|settings| settings.limits.max_depth = usize::MAX);
    let request = |levels: usize| {
        let nested = format!("{}{{}}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        format!(r#"{{"state":{{"reported":{nested}}}}}"#)
    };
    assert!(update(&mut service, request(62)).contains(r#""version":1"#));
    assert_eq!(
        update(&mut service, request(63)),
        rejected(
            400,
            "JSON contains too many levels of nesting; maximum is 62"
        )
    );
}

#[test]
fn numbers_are_kept_as_written_and_compared_by_value() {
    let mut service = service();
    let numbers = r#"{"a":1.0,"b":1e999999999,"c":-0,"d":123456789012345678901234567890,"e":1E5}"#;
    update(
        &mut service,
        format!(r#"{{"state":{{"desired":{numbers}}}}}"#),
    );
    assert_eq!(
        state(&mut service),
        format!(r#"{{"desired":{numbers},"delta":{numbers}}}"#)
    );
    let same =
        r#"{"a":1,"b":10e999999998,"c":0.00,"d":12345678901234567890123456789e1,"e":100000}"#;
    update(
        &mut service,
        format!(r#"{{"state":{{"reported":{same}}}}}"#),
    );
    assert_eq!(
        state(&mut service),
        format!(r#"{{"desired":{numbers},"reported":{same}}}"#)
    );

    let mut strict = with(|settings| settings.behaviour.numbers = NumberEquality::ByText);
    update(
        &mut strict,
        r#"{"state":{"desired":{"a":[1.0]},"reported":{"a":[1]}}}"#,
    );
    assert!(state(&mut strict).contains(r#""delta":{"a":[1.0]}"#));
}

#[test]
fn a_number_with_a_huge_exponent_text_costs_little() {
    let long = "9".repeat(100_000);
    let mut service = with(|settings| settings.limits.max_document_bytes = 1_000_000);
    let request =
        format!(r#"{{"state":{{"desired":{{"a":1e{long}}},"reported":{{"a":1e-{long}}}}}}}"#);
    // Two of 100 000 digits are 200 000 bytes, more than a payload may have.
    assert_eq!(
        update(&mut service, &request),
        rejected(413, "The payload exceeds the maximum size allowed")
    );
    let request = request.replace(&long, &"9".repeat(60_000));
    assert!(update(&mut service, request).contains(r#""version":1"#));
    assert!(state(&mut service).contains("delta"));
}

#[test]
fn duplicate_members() {
    let request = r#"{"state":1,"clientToken":5,"version":"x","state":{"reported":{"a":1,"a":2}},
        "clientToken":"t","version":0}"#;
    let mut last = service();
    assert!(update(&mut last, request).contains(r#""clientToken":"t""#));
    assert_eq!(state(&mut last), r#"{"reported":{"a":2}}"#);
    for request in [
        request,
        r#"{"state":{"reported":{"a":1,"a":1}}}"#,
        r#"{"state":{"reported":{"a":[{"b":1,"c":2,"b":3}]}}}"#,
        r#"{"state":{"reported":{}},"state":{"reported":{}}}"#,
    ] {
        let mut refuse = with(|settings| settings.behaviour.refuse_duplicate_members = true);
        assert_eq!(update(&mut refuse, request), rejected(400, "Invalid JSON"));
    }
}

#[test]
fn what_is_not_text_or_not_json() {
    let mut service = service();
    let encoding = "Unsupported documented encoding; supported encoding is UTF-8";
    assert_eq!(
        update(&mut service, b"\xff\xfe{\x00}\x00"),
        rejected(415, encoding)
    );
    assert_eq!(
        update(
            &mut service,
            b"{\"state\":{\"reported\":{\"a\":\"\xc3\x28\"}}}"
        ),
        rejected(415, encoding)
    );
    for payload in [
        "",
        " ",
        "\u{feff}{\"state\":{}}",
        r#"{"state":{"reported":{"a":"\ud800"}}}"#,
        r#"{"state":{"reported":{"\udc00":1}}}"#,
        r#"{"state":{}}{"state":{}}"#,
        r#"{"state":{},}"#,
        r#"{'state':{}}"#,
        r#"{"state":{"reported":{"a":NaN}}}"#,
        "{\"state\":{\"reported\":{\"a\":\"\u{1}\"}}}",
    ] {
        assert_eq!(
            update(&mut service, payload),
            rejected(400, "Invalid JSON"),
            "{payload}"
        );
    }
    for payload in ["null", "1", "[]", "\"state\"", "true", "[{\"state\":{}}]"] {
        assert_eq!(
            update(&mut service, payload),
            rejected(400, "Missing required node: state"),
            "{payload}"
        );
    }
}

#[test]
fn an_unreadable_get_or_delete_proceeds_without_a_token() {
    let mut service = service();
    update(&mut service, r#"{"state":{"reported":{"a":1}}}"#);
    for payload in [
        &b"{"[..],
        b"\xff",
        b"[]",
        b"1",
        b"null",
        b"{\"state\":{\"x\":[null]}}",
    ] {
        let body = service.get(&lamp(), payload, NOW).unwrap().body;
        assert!(!body.contains("clientToken"));
    }
    for payload in [r#"{"clientToken":1}"#, r#"{"clientToken":["x"]}"#] {
        let rejection = service.get(&lamp(), payload.as_bytes(), NOW).unwrap_err();
        assert_eq!(rejection.payload(), rejected(400, "Invalid clientToken"));
        let rejection = service
            .delete(&lamp(), payload.as_bytes(), NOW)
            .unwrap_err();
        assert_eq!(rejection.payload(), rejected(400, "Invalid clientToken"));
    }
    assert!(service.delete(&lamp(), b"{\"version\":99,", NOW).is_ok());
}

#[test]
fn tokens() {
    let request = |token: &str| format!(r#"{{"state":{{}},"clientToken":{token}}}"#);
    let mut service = service();
    assert!(!update(&mut service, request("null")).contains("clientToken"));
    assert!(update(&mut service, request(r#""""#)).contains(r#","clientToken":""}"#));
    let quoted = update(&mut service, request(r#""a\"\\\u0000\n""#));
    assert!(
        quoted.contains(r#","clientToken":"a\"\\\u0000\n"}"#),
        "{quoted}"
    );
    let sixteen = r"\ud83d\udd27".repeat(16);
    assert!(update(&mut service, request(&format!("\"{sixteen}\""))).contains("🔧"));
    let invalid = rejected(400, "Invalid clientToken");
    assert_eq!(
        update(&mut service, request(&format!("\"{sixteen}x\""))),
        invalid
    );
    assert_eq!(update(&mut service, request("{}")), invalid);
    assert_eq!(
        update(&mut service, r#"{"clientToken":5}"#),
        invalid,
        "before the missing state"
    );

    assert!(!update(&mut service, request("null")).contains("oken"));
    let mut service = with(|settings| settings.behaviour.refuse_null_token = true);
    assert_eq!(update(&mut service, request("null")), invalid);

    let mut service = with(|settings| settings.behaviour.empty_token = EmptyToken::Ignore);
    assert!(!update(&mut service, request(r#""""#)).contains("clientToken"));
    let mut service = with(|settings| {
        settings.behaviour.empty_token = EmptyToken::Reject;
        settings.behaviour.echo_invalid_token = true;
    });
    let echoed = r#"{"code":400,"message":"Invalid clientToken","clientToken":""}"#;
    assert_eq!(update(&mut service, request(r#""""#)), echoed);
}

#[test]
fn nulls_inside_arrays() {
    let request = |array: &str| format!(r#"{{"state":{{"desired":{{"a":{{"b":{array}}}}}}}}}"#);
    for array in ["[null]", "[1,[null]]", r#"[{"x":[null]}]"#] {
        assert!(
            update(&mut service(), request(array)).contains(r#""code":400"#),
            "{array}"
        );
    }
    let member = request(r#"[{"x":null,"y":1}]"#);
    let stored = |rule| {
        let mut service = with(|settings| settings.behaviour.null_in_array_object = rule);
        let answer = update(&mut service, &member);
        if answer.contains("code") {
            answer
        } else {
            state(&mut service)
        }
    };
    let desired =
        |b: &str| format!(r#"{{"desired":{{"a":{{"b":{b}}}}},"delta":{{"a":{{"b":{b}}}}}}}"#);
    assert_eq!(
        stored(NullInArrayObject::Keep),
        desired(r#"[{"x":null,"y":1}]"#)
    );
    assert_eq!(stored(NullInArrayObject::Drop), desired(r#"[{"y":1}]"#));
    let refused = rejected(400, "Arrays must not contain null");
    assert_eq!(stored(NullInArrayObject::Reject), refused);
    let mut service = with(|settings| {
        settings.behaviour.null_in_array_text = NullInArrayText::InvalidJson;
    });
    let refused = rejected(400, "Invalid JSON");
    assert_eq!(update(&mut service, request("[null]")), refused);
}

#[test]
fn how_large_an_integer_may_be() {
    let large = [
        "9223372036854775808",
        "-9223372036854775809",
        r#"{"x":[1,123456789012345678901234567890]}"#,
    ];
    let others = [
        "9223372036854775807",
        "-9223372036854775808",
        "123456789012345678901234567890.0",
        "1e99",
        r#""9223372036854775808""#,
    ];
    let request = |value: &str| format!(r#"{{"state":{{"reported":{{"a":{value}}}}}}}"#);
    for value in large.iter().chain(&others) {
        let mut any = service();
        assert!(update(&mut any, request(value)).contains(r#""version":1"#));
        assert_eq!(
            state(&mut any),
            format!(r#"{{"reported":{{"a":{value}}}}}"#)
        );
    }
    let bits = || with(|settings| settings.behaviour.integers = IntegerRange::Bits64);
    for value in large {
        let refused = rejected(400, "Invalid JSON");
        assert_eq!(update(&mut bits(), request(value)), refused);
    }
    for value in others {
        assert!(update(&mut bits(), request(value)).contains(r#""version":1"#));
    }
}

#[test]
fn the_size_limit_counts_compact_bytes() {
    let limited = |max| with(|settings| settings.limits.max_document_bytes = max);
    for (written, compact) in [
        (r#"{ "k" : "\u00e9\/" }"#, r#"{"k":"é/"}"#),
        (r#"{"k":"\u0001\n"}"#, r#"{"k":"\u0001\n"}"#),
        (
            r#"{"k": 1.50e+10, "l": [ ], "m": { }}"#,
            r#"{"k":1.50e+10,"l":[],"m":{}}"#,
        ),
    ] {
        let request = format!(r#"{{"state":{{"desired":{written}}}}}"#);
        assert!(update(&mut limited(compact.len()), &request).contains(r#""version":1"#));
        let mut service = limited(compact.len() - 1);
        let too_large = rejected(413, "The payload exceeds the maximum size allowed");
        assert_eq!(update(&mut service, &request), too_large);
        assert!(service.document(&lamp(), NOW).unwrap().is_none());
    }
}

#[test]
fn a_wide_object_costs_linear_time() {
    let mut service = with(|settings| settings.limits.max_document_bytes = 1 << 20);
    let members = |offset: usize, value: &str| {
        let names = (0..7000)
            .rev()
            .map(|n| format!("\"{:05}\":{value}", 2 * n + offset));
        let names: Vec<String> = names.collect();
        format!(r#"{{"state":{{"reported":{{{}}}}}}}"#, names.join(","))
    };
    update(&mut service, members(0, "1"));
    update(&mut service, members(1, "2"));
    assert_eq!(
        service.document(&lamp(), NOW).unwrap().unwrap().size(),
        14_000 * 10 + 1
    );
    update(&mut service, members(0, "null"));
    update(&mut service, members(1, "null"));
    assert_eq!(state(&mut service), "{}");
}
