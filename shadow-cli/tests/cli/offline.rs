//! What needs no broker: the policy, help, completions, the manual, settings, wrong words.

use testkit::{Process, TempDir};

use crate::site::{LIMIT, bare, fails, finish};

fn run(dir: &TempDir, args: &[&str]) -> (Option<i32>, Vec<String>) {
    finish(Process::spawn(bare(dir).args(args)), args)
}

#[test]
fn the_policy_of_a_light() {
    let dir = TempDir::new();
    for (args, golden) in [
        (
            &["policy", "--thing", "lamp", "--client-id", "test-*"][..],
            include_str!("policy-classic.json"),
        ),
        (
            &["policy", "--thing", "lamp", "--named", "config"],
            include_str!("policy-named.json"),
        ),
        // As the other commands call it.
        (
            &["policy", "--thing", "lamp", "-n", "config"],
            include_str!("policy-named.json"),
        ),
        (
            &["policy", "--thing", "lamp", "--rest", "--allow", "get"],
            include_str!("policy-rest.json"),
        ),
    ] {
        let place = ["--region", "eu-west-1", "--account", "123456789012"];
        let (code, said) = run(&dir, &[args, &place].concat());
        assert_eq!(code, Some(0), "{said:?}");
        assert_eq!(said.join("\n"), golden.trim_end(), "{args:?}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let dir = TempDir::new();
    let account = ["--account", "123456789012", "--region"];
    for (args, part) in [
        (&["--colour"][..], "unexpected argument"),
        (&["get"], "<THING>"),
        (&["get", "a b"], "the thing name holds ' '"),
        (&["get", "lamp", "-n", ""], "empty"),
        (&["get", "lamp", "--endpoint", "ftp://x"], "--endpoint"),
        (&["get", "lamp", "--mqtt", "4"], "--mqtt 4"),
        (&["get", "lamp", "--cert", "/no/such.pem"], "--"),
        (&["get", "lamp", "--site", "home"], ""),
        (&["update", "lamp"], "nothing to change"),
        (&["update", "lamp", "-d", "color"], "KEY=VALUE"),
        (&["update", "lamp", "{\"color\":1}"], "desired and reported"),
        (
            &["update", "lamp", "color=teal"],
            "--desired color=teal, or",
        ),
        (&["update", "lamp", "state.json"], "a file is @state.json"),
        (&["update", "lamp", "@"], "which file?"),
        (
            &["get", "--json"],
            r#"{"event":"usage","message":"the following required arguments"#,
        ),
        (
            &["wait", "lamp", "--until", "x", "--json"],
            r#"{"event":"usage","message":"--until: x: a path begins"#,
        ),
        (
            &["update", "lamp", "-d", "a=1", "--clear", "all"],
            "--clear all",
        ),
        (
            &["update", "lamp", "-d", "a=1", "--clear", "desired"],
            "--clear desired",
        ),
        (
            &["update", "lamp", "-d", "a=1", "--if-version", "x"],
            "--if-version",
        ),
        (&["wait", "lamp", "--until", "color == 1"], "begins with"),
        (
            &["wait", "lamp", "--until", "desired", "--timeout", "x"],
            "--timeout",
        ),
        (&["watch", "lamp", "--count", "0"], "--count"),
        (&["completions", "cobol"], "cobol"),
        (
            &[
                "policy",
                "--thing",
                "lamp",
                "--region",
                "eu-west-1",
                "--account",
                "1",
            ],
            "twelve",
        ),
        (
            &[&["policy", "--thing", "lamp"][..], &account, &["Mars!"]].concat(),
            "region",
        ),
    ] {
        let (code, said) = run(&dir, args);
        // A file that is missing is another matter than a word that is wrong.
        let expected = if args.contains(&"--site") { 74 } else { 64 };
        fails((code, said), args, expected, part);
    }
}

#[test]
fn nobody_at_home() {
    let dir = TempDir::new();
    let args = ["get", "lamp", "--endpoint", "mqtt://127.0.0.1:1"];
    fails(run(&dir, &args), &args, 69, "mqtt://127.0.0.1:1");
    let json = [&args[..], &["--json"]].concat();
    fails(
        run(&dir, &json),
        &json,
        69,
        r#"{"event":"connection","message":""#,
    );
}

#[test]
fn settings_come_from_flags_variables_and_the_profile_file() {
    let dir = TempDir::new();
    let folder = dir.path().join(".config/shadow");
    std::fs::create_dir_all(&folder).expect("a folder");
    let profiles =
        "[default]\nendpoint = mqtt://127.0.0.1:1\n[other]\nendpoint = mqtt://127.0.0.1:2\n";
    std::fs::write(folder.join("profiles"), profiles).expect("a file");
    let args = ["get", "lamp"];
    fails(run(&dir, &args), &args, 69, "127.0.0.1:1");
    let args = ["get", "lamp", "--site", "other"];
    fails(run(&dir, &args), &args, 69, "127.0.0.1:2");
    let args = ["get", "lamp", "--site", "third"];
    fails(run(&dir, &args), &args, 64, "[third]");
    let variable = |args: &[&str]| {
        let mut command = bare(&dir);
        command.env("SHADOW_ENDPOINT", "mqtt://127.0.0.1:3");
        finish(Process::spawn(command.args(args)), args)
    };
    let args = ["get", "lamp"];
    fails(variable(&args), &args, 69, "127.0.0.1:3");
    let args = ["get", "lamp", "--endpoint", "mqtt://127.0.0.1:4"];
    fails(variable(&args), &args, 69, "127.0.0.1:4");
    let profiles = dir.write("wrong", "[default]\ncolour = red\n");
    let profiles = profiles.display().to_string();
    let args = ["get", "lamp", "--profiles", &profiles];
    fails(run(&dir, &args), &args, 64, "wrong:2: colour");
}

#[test]
fn help_and_completions() {
    let dir = TempDir::new();
    let (code, said) = run(&dir, &["--help"]);
    assert_eq!(code, Some(0));
    let help = said.join("\n");
    for part in [
        "Exit codes: 0 accepted",
        "SHADOW_ENDPOINT",
        "policy",
        "local",
    ] {
        assert!(help.contains(part), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, said) = run(&dir, &["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(
            said.iter().any(|line| line.contains("if-version")),
            "{shell}"
        );
    }
    // The options of a service that is another program's elsewhere.
    let (code, said) = run(&dir, &["local", "--help"]);
    assert_eq!(code, Some(0));
    assert!(
        said.iter().any(|line| line.contains("--republish")),
        "{said:?}"
    );
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let dir = TempDir::new();
    let page = |args: &[&str], title: &str, part: &str| {
        let (code, said) = run(&dir, args);
        assert_eq!(code, Some(0), "{args:?}: {said:?}");
        assert!(
            said.iter().any(|line| line.starts_with(title)),
            "{args:?}: {said:?}"
        );
        assert!(
            said.iter().any(|line| line.contains(part)),
            "{args:?}: {said:?}"
        );
        said
    };
    let (_, help) = run(&dir, &["--help"]);
    let commands = help
        .iter()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 12, "{help:#?}");
    let all = page(&["man"], ".TH shadow 1", "Exit codes");
    page(&["man", "get"], ".TH shadow-get 1", "SHADOW_REST_URL");
    page(&["man", "update"], ".TH shadow-update 1", "nests");
    // Its options are another program's elsewhere.
    page(&["man", "local"], ".TH shadow-local 1", "republish");

    let folder = dir.path().join("share/man1").display().to_string();
    let (code, said) = run(&dir, &["man", "--dir", &folder]);
    assert_eq!((code, said.len()), (Some(0), 0), "{said:?}");
    let written = |name: String| {
        let path = dir.path().join("share/man1").join(&name);
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for command in commands {
        assert!(
            all.iter()
                .any(|line| line.contains(&format!("shadow\\-{command}(1)"))),
            "{command}: {all:#?}"
        );
        let text = written(format!("shadow-{command}.1"));
        assert!(text.contains(&format!("shadow {command}")), "{text}");
    }
    assert_eq!(written("shadow.1".to_owned()).trim_end(), all.join("\n"));

    let args = ["man", "fly"];
    fails(run(&dir, &args), &args, 64, "fly is no command");
    let args = ["man", "get", "--dir", &folder];
    fails(run(&dir, &args), &args, 64, "cannot be used with");
    let file = dir.write("file", "").display().to_string();
    let args = ["man", "--dir", &file];
    fails(run(&dir, &args), &args, 74, &file);
}

#[test]
fn nobody_reading_is_no_panic() {
    let dir = TempDir::new();
    let program = env!("CARGO_BIN_EXE_shadow");
    let script = format!("'{program}' man | head -n 1; '{program}' --help | head -n 1");
    let mut shell = Process::spawn(
        std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(dir.path()),
    );
    shell.wait(LIMIT).expect("it ends");
    assert_eq!(shell.stderr(), [""; 0]);
}
