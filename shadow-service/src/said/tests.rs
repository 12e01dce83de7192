//! What is read, written, and seen on the way.

use super::*;
use crate::settings::{Behaviour, IntegerRange, NullInArrayObject};
use crate::stamps;
use alloc::format;
use shadow_proto::Timestamp;

/// A text as a sheet, all of it written at this time.
pub(crate) fn sheet(text: &str, seconds: u64, behaviour: &Behaviour) -> (Sheet, Facts) {
    let mut said = Said::default();
    let mut reader = Reader::new(text);
    let Ok(Root::Object(head)) = said.read(&mut reader) else {
        panic!("{text}");
    };
    let always = stamps::always(Timestamp::from_seconds(seconds));
    said.write(text, head, &always, behaviour)
}

#[test]
fn what_is_written_is_compact_and_sorted() {
    for (text, state, metadata) in [
        ("{ }", "{}", "{}"),
        (
            r#" { "b" : 1 , "a" : [ 2 , "x" ], "" : { "z":null,"é":[] } } "#,
            r#"{"":{"z":null,"é":[]},"a":[2,"x"],"b":1}"#,
            r#"{"":{"z":@,"é":[]},"a":[@,@],"b":@}"#,
        ),
        (
            r#"{"a\u000a":"\ud83d\udd27\/","a\"":1,"\u0061":[true,"\u0062"]}"#,
            r#"{"a":[true,"b"],"a\"":1,"a\n":"🔧/"}"#,
            r#"{"a":[@,@],"a\"":@,"a\n":@}"#,
        ),
        (
            r#"{"a":[[1],{"c":null,"b":{}},-1.5e3],"timestamp":{"timestamp":1}}"#,
            r#"{"a":[[1],{"b":{},"c":null},-1.5e3],"timestamp":{"timestamp":1}}"#,
            r#"{"a":[[@],{"b":{},"c":@},@],"timestamp":{"timestamp":@}}"#,
        ),
        (
            "{ \"b\" : [ 1 , \"x , y\" ,\n true\t] , \"a\\n\" : [ ] , \"a\": [ -1.5e3, \"\" ] }",
            r#"{"a":[-1.5e3,""],"a\n":[],"b":[1,"x , y",true]}"#,
            r#"{"a":[@,@],"a\n":[],"b":[@,@,@]}"#,
        ),
        (
            r#"{"sixteen_letters_b":1,"sixteen_letters_a":2,"sixteen_letters_":3,"sixteen":4}"#,
            r#"{"sixteen":4,"sixteen_letters_":3,"sixteen_letters_a":2,"sixteen_letters_b":1}"#,
            r#"{"sixteen":@,"sixteen_letters_":@,"sixteen_letters_a":@,"sixteen_letters_b":@}"#,
        ),
        (
            r#"{"a":[null],"b":{"x":1,"y":2,"x":[3]},"a":4,"b":{},"a":5}"#,
            r#"{"a":5,"b":{}}"#,
            r#"{"a":@,"b":{}}"#,
        ),
    ] {
        let (sheet, _) = sheet(text, 7, &Behaviour::default());
        assert_eq!(sheet.state, state);
        assert_eq!(sheet.metadata, metadata.replace('@', r#"{"timestamp":7}"#));
        sheet.check();
        // What is written is read as the same.
        assert_eq!(tests::sheet(state, 7, &Behaviour::default()).0, sheet);
    }
}

#[test]
fn what_is_seen_is_of_what_stays() {
    let behaviour = Behaviour {
        integers: IntegerRange::Bits64,
        ..Behaviour::default()
    };
    for (text, expected) in [
        ("{}", (false, false, false, 0)),
        (r#"{"a":{"b":{}}}"#, (false, false, false, 2)),
        (r#"{"a":{"b":[]}}"#, (false, false, false, 2)),
        (r#"{"a":[1]}"#, (false, false, false, 2)),
        (r#"{"a":[[[1]]]}"#, (false, false, false, 4)),
        (r#"{"a":null}"#, (true, false, false, 1)),
        (r#"{"a":[{"b":null}]}"#, (true, false, false, 3)),
        (r#"{"a":[null]}"#, (true, true, false, 2)),
        (r#"{"a":[{"b":[null]}]}"#, (true, true, false, 4)),
        (r#"{"a":[null],"a":1}"#, (false, false, false, 1)),
        (r#"{"a":9223372036854775807}"#, (false, false, false, 1)),
        (r#"{"a":9223372036854775808}"#, (false, false, true, 1)),
        (r#"{"a":[9223372036854775808]}"#, (false, false, true, 2)),
        (r#"{"a":["9223372036854775808"]}"#, (false, false, false, 2)),
        (r#"{"a":1e999}"#, (false, false, false, 1)),
    ] {
        let (_, facts) = sheet(text, 7, &behaviour);
        let Facts {
            nulls,
            refused_null,
            large_integer,
            depth,
            times_fit: _,
        } = facts;
        let found = (nulls, refused_null, large_integer, depth);
        assert_eq!(found, expected, "{text}");
    }
    let behaviour = Behaviour {
        arrays_are_levels: false,
        null_in_array_object: NullInArrayObject::Reject,
        ..Behaviour::default()
    };
    let (_, facts) = sheet(r#"{"a":[[{"b":null}]]}"#, 7, &behaviour);
    assert!(facts.refused_null);
    assert_eq!(facts.depth, 2);
}

#[test]
fn the_order_of_one_object_is_not_taken_for_that_of_another() {
    let mut said = Said::default();
    let always = stamps::always(Timestamp::from_seconds(7));
    let mut write = |text: &str| {
        said.clear();
        let Ok(Root::Object(head)) = said.read(&mut Reader::new(text)) else {
            panic!("{text}");
        };
        let (sheet, _) = said.write(text, head, &always, &Behaviour::default());
        sheet.check();
        let state = sheet.state.clone();
        // Whatever room it had is had by the next.
        said.recycle(sheet);
        state
    };
    for (text, state) in [
        (r#"{"c":1,"a":2,"b":3}"#, r#"{"a":2,"b":3,"c":1}"#),
        (r#"{"c":4,"a":5,"b":6}"#, r#"{"a":5,"b":6,"c":4}"#),
        (r#"{"b":4,"c":5,"a":6}"#, r#"{"a":6,"b":4,"c":5}"#),
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (
            r#"{"b":1,"a":{"z":2,"y":3}}"#,
            r#"{"a":{"y":3,"z":2},"b":1}"#,
        ),
        (
            r#"{"a":{"z":2,"y":3},"b":1}"#,
            r#"{"a":{"y":3,"z":2},"b":1}"#,
        ),
        (r#"{"b":1,"b":2}"#, r#"{"b":2}"#),
        (r#"{"b":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"d":1,"c":2,"a":3}"#, r#"{"a":3,"c":2,"d":1}"#),
        (r#"{"d":1,"d":2,"a":3}"#, r#"{"a":3,"d":2}"#),
        ("{}", "{}"),
    ] {
        assert_eq!(write(text), state);
    }
}

#[test]
fn what_a_huge_request_took_is_given_back() {
    let mut said = Said::default();
    let members: Vec<String> = (0..MANY * 2).map(|n| format!(r#""{n}":{n}"#)).collect();
    let text = format!("{{{}}}", members.join(","));
    assert!(said.read(&mut Reader::new(&text)).is_ok());
    assert!(said.nodes.capacity() > MANY && said.sorted.capacity() > MANY);
    said.clear();
    assert_eq!(said.nodes.capacity() + said.sorted.capacity(), 0);
}
