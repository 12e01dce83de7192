//! The light all by itself, as a newcomer starts it.

use crate::programs::{ended, program};
use testkit::Process;

/// Without a terminal, and with the input at its end.
fn demo(args: &[&str]) -> Process {
    let mut demo = Process::spawn(program().args(args));
    demo.close_stdin();
    demo
}

#[test]
fn it_ends_in_sync() {
    let cases: [(&[&str], &str); 5] = [
        (&[], "color"),
        (&["--property", "brightness"], "brightness"),
        (&["--shadow-name", "night"], "color"),
        (&["--mqtt", "3"], "color"),
        (&["--thing_name=a:b", "--client-id", "x"], "color"),
    ];
    let mut demos = cases.map(|(args, _)| demo(args));
    for (demo, (args, property)) in demos.iter_mut().zip(cases) {
        let status = ended(demo);
        let output = demo.output();
        assert!(status.success(), "{args:?}, {status}: {output:#?}");
        assert!(
            output[0].starts_with("a shadow service of our own listens on mqtt://127.0.0.1:"),
            "{output:#?}"
        );
        let last = [
            format!(r#"  desired: {{"{property}":"violet"}}"#),
            format!(r#"  reported: {{"{property}":"violet"}}"#),
            format!("in sync: {property} = violet"),
        ];
        assert!(output.ends_with(&last), "{args:?}: {output:#?}");
        assert_eq!(demo.stderr(), [""; 0], "{args:?}");
    }
}

#[test]
fn what_is_piped_into_it_is_not_typed() {
    let mut demo = Process::spawn(&mut program());
    demo.write(b"red\nquit\n");
    assert!(ended(&mut demo).success());
    let output = demo.output();
    assert_eq!(
        output.last().map(String::as_str),
        Some("in sync: color = violet")
    );
}

#[test]
fn it_fails_when_the_light_does_not_report() {
    let mut demo = demo(&["--mute", "--patience", "0.5"]);
    assert_eq!(ended(&mut demo).code(), Some(1));
    assert_eq!(
        demo.stderr(),
        ["light: not in sync: color = teal is desired, and after 500ms reported is nothing"]
    );
    let stdout = demo.stdout();
    assert!(!stdout.iter().any(|line| line.starts_with("in sync")));
}

#[test]
fn its_patience_is_ten_seconds_and_its_other_flags_are_told() {
    let mut help = demo(&["--help"]);
    assert!(ended(&mut help).success());
    let help = help.stdout().join("\n");
    for flag in [
        "--endpoint HOST",
        "--port PORT",
        "--ca-file FILE",
        "--cert FILE",
        "--key FILE",
        "--thing-name NAME",
        "--shadow-name NAME",
        "--shadow-property NAME",
        "--client-id ID",
        "--mqtt 3|5",
        "--clean-session true|false",
        "--websocket",
        "--sigv4",
        "--proxy-host HOST",
        "--mute",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    let patience = help
        .lines()
        .find(|line| line.contains("--patience SECONDS"))
        .expect("it is told");
    assert!(patience.ends_with("[default: 10]"), "{patience}");
}
