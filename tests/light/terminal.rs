//! The light in a terminal, which `script` gives it.

use std::process::Command;

use testkit::{Process, find_program, skip_or_fail};

use crate::programs::{LIMIT, ended, program};

/// `None`: there is no `script` as Linux has it.
fn in_a_terminal() -> Option<Process> {
    let script = find_program("script").map_err(|tool| skip_or_fail(tool.name()));
    let light = program();
    let light = light.get_program().to_str().expect("a path that is text");
    // -q: no word of its own, -e: the exit code of the program, -c: which. The shell that it starts gives way to the
    // program: some shells would wait instead, and be what Ctrl-C ends.
    let mut command = Command::new(script.ok()?);
    command.env("SHELL", "/bin/sh");
    command.args(["-qec", &format!("exec '{light}'"), "/dev/null"]);
    let mut process = Process::spawn(&mut command);
    process.wait_for(
        LIMIT,
        "a shadow service of our own listens on mqtt://127.0.0.1:",
    );
    process.wait_for(LIMIT, "desired blue   as the application");
    process.wait_for(LIMIT, "reported color = off");
    Some(process)
}

#[test]
fn it_answers_each_line_at_once() {
    let Some(mut light) = in_a_terminal() else {
        return;
    };
    let dialogue: [(&str, &[&str]); 7] = [
        (
            "desired blue",
            &[
                "application: desired color = blue",
                "delta: color = blue",
                "reported color = blue",
            ],
        ),
        (
            "red",
            &["color is now red", "reported and desired color = red"],
        ),
        ("red", &["color is red already"]),
        ("none", &["color is now none", "removed color"]),
        ("desired", &["desired what? type: desired VALUE"]),
        (
            "desired green",
            &["delta: color = green", "reported color = green"],
        ),
        (
            "clear_shadow",
            &["clearing the shadow", "cleared the shadow"],
        ),
    ];
    for (line, answers) in dialogue {
        light.write_line(line);
        for answer in answers {
            light.wait_for(LIMIT, answer);
        }
    }
    // Ctrl-C
    light.write(b"\x03");
    light.wait_for(LIMIT, "goodbye");
    assert!(ended(&mut light).success());
}

#[test]
fn the_end_of_the_input_ends_it() {
    let Some(mut light) = in_a_terminal() else {
        return;
    };
    // Ctrl-D
    light.write(b"\x04");
    light.wait_for(LIMIT, "goodbye");
    assert!(ended(&mut light).success());
}
