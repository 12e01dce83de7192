//! The command line, as clap has it.

use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use clap_complete::Shell;
use transport_tokio::flags;

const AFTER: &str = "\
Where the broker is, and how to sign in, is said by the connection options of a command
(`shadow get --help`), by a variable of the environment for each (SHADOW_ENDPOINT,
SHADOW_CA_FILE, …), or by a section of the profile file ~/.config/shadow/profiles:

    [default]
    endpoint = mqtt://127.0.0.1:1883
    rest-url = http://127.0.0.1:8080

    [factory]
    endpoint = abc-ats.iot.eu-west-1.amazonaws.com
    cert = /etc/lamp/device.pem.crt
    key = /etc/lamp/private.pem.key

A flag counts before a variable, a variable before the file. Without any, it is the local
service at mqtt://127.0.0.1:1883 and http://127.0.0.1:8080, which `shadow local --http 8080` starts.

Exit codes: 0 accepted, 1 rejected, 2 no answer in time, 3 `diff`: not in sync, 64 the command
line makes no sense, 69 no connection or refused by the broker, 74 a file or anything else, 130
interrupted.";

/// The whole of it.
pub(crate) fn command() -> Command {
    Command::new("shadow")
        .version(env!("CARGO_PKG_VERSION"))
        .about("AWS IoT Device Shadows from the command line, on AWS or any broker")
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Print one JSON object per line"),
        )
        .subcommands([
            get(),
            update(),
            delete(),
            watch(),
            list(),
            wait(),
            diff(),
            sync(),
            local(),
            policy(),
            completions(),
            man(),
        ])
}

fn get() -> Command {
    rest(connected(shadow(Command::new("get").about(
        "Print a shadow's document: desired, reported, and what differs",
    ))))
}

fn update() -> Command {
    let update = Command::new("update")
        .about("Change a shadow")
        .after_help(
            "KEY=VALUE sets one key: the value is JSON, or else a string; `color=null` removes the \
             key; `a.b=1` nests, `a\\.b=1` does not. Examples:\n\n  \
             shadow update lamp --desired color=teal --desired timer=null\n  \
             shadow update lamp --reported '{\"on\": true}' --if-version 7\n  \
             shadow update lamp @state.json\n  \
             shadow update lamp --clear all",
        )
        .arg(
            Arg::new("document")
                .value_name("DOCUMENT")
                .value_hint(ValueHint::FilePath)
                .help("JSON, @FILE, or - for standard input: {\"state\": …}, or {\"desired\": …, \"reported\": …}"),
        )
        .args(["desired", "reported"].map(|section| {
            Arg::new(section)
                .long(section)
                .short(section.chars().next())
                .value_name("KEY=VALUE|JSON")
                .action(ArgAction::Append)
                .help(format!("Set a key of {section}, or several; repeatable"))
        }))
        .arg(
            Arg::new("clear")
                .long("clear")
                .value_name("SECTION")
                .value_parser(["desired", "reported", "all"])
                .action(ArgAction::Append)
                .help("Remove a whole section, or everything"),
        )
        .arg(
            Arg::new("if-version")
                .long("if-version")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Only if the document has this version; else it is rejected with 409"),
        );
    rest(connected(shadow(update)))
}

fn delete() -> Command {
    rest(connected(shadow(
        Command::new("delete").about("Delete a shadow"),
    )))
}

fn watch() -> Command {
    let watch = Command::new("watch")
        .about("Show a shadow as it changes, until Ctrl-C")
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("End after so many changes"),
        );
    connected(shadow(watch))
}

fn list() -> Command {
    let list = Command::new("list")
        .about("List the named shadows of a thing, over the REST data plane")
        .arg(thing());
    rest_url(connected(list))
}

fn wait() -> Command {
    let wait = Command::new("wait")
        .about("Wait until something is true of a shadow")
        .after_help(
            "Examples:\n\n  shadow wait lamp --until 'reported.color == \"green\"' --timeout 30s\n  \
             shadow wait lamp --until 'delta == null && version >= 7'\n\n\
             Compare with == != < <= > >=, join with && and ||, negate with !, group with ( ). A \
             path alone is true if there is something there; what is absent equals null.",
        )
        .arg(
            Arg::new("until")
                .long("until")
                .value_name("CONDITION")
                .required(true)
                .help("On desired, reported, delta and version"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .default_value("60s")
                .help("How long at most: 500ms, 30s, 5m; a number alone is seconds"),
        );
    connected(shadow(wait))
}

fn diff() -> Command {
    rest(connected(shadow(Command::new("diff").about(
        "Print what differs between desired and reported; exits with 3 if anything does",
    ))))
}

fn sync() -> Command {
    let sync = Command::new("sync")
        .about("Keep a JSON file and a shadow in step, until Ctrl-C")
        .after_help(
            "The file is the state of a device. A change of the file is reported; what is desired \
             and differs is written into the file, and reported. So what is desired wins: change \
             the file to something else, and it is changed back. A file that does not exist is \
             made of what the shadow has.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(std::path::PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The file"),
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End as soon as both are in step"),
        );
    connected(shadow(sync))
}

fn local() -> Command {
    // Taken before clap sees it; here for help, completions and the manual.
    Command::new("local")
        .about("Run a shadow service on this machine; `shadow local --help` lists its options")
        .after_help(shadow_service::local::program::help())
        .disable_help_flag(true)
        .arg(
            Arg::new("options")
                .value_name("OPTIONS")
                .num_args(0..)
                .allow_hyphen_values(true)
                .trailing_var_arg(true)
                .help("Those of shadow-local"),
        )
}

fn policy() -> Command {
    let operations = ["get", "update", "delete"];
    let topics = ["delta", "documents"];
    Command::new("policy")
        .about("Print the least AWS IoT policy for a client")
        .after_help(
            "Without --allow and --follow it is what a device needs: get, update, delta. \
             --rest prints what an application needs for the same over the REST data plane.",
        )
        .arg(
            Arg::new("thing")
                .long("thing")
                .value_name("NAME")
                .required(true)
                .help("The thing"),
        )
        .arg(
            Arg::new("named")
                .long("named")
                .visible_alias("name")
                .short('n')
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("A named shadow of it, in place of the classic one; repeatable"),
        )
        .arg(
            Arg::new("region")
                .long("region")
                .value_name("REGION")
                .required(true)
                .help("The region, such as eu-west-1"),
        )
        .arg(
            Arg::new("account")
                .long("account")
                .value_name("ID")
                .required(true)
                .help("The account: twelve digits"),
        )
        .arg(
            Arg::new("client-id")
                .long("client-id")
                .value_name("ID")
                .action(ArgAction::Append)
                .help("A client id to connect with, * for any characters; repeatable [default: the thing's name]"),
        )
        .arg(
            Arg::new("allow")
                .long("allow")
                .value_name("OPERATION")
                .value_parser(operations)
                .action(ArgAction::Append)
                .help("An operation; repeatable"),
        )
        .arg(
            Arg::new("follow")
                .long("follow")
                .value_name("TOPIC")
                .value_parser(topics)
                .action(ArgAction::Append)
                .help("A topic to follow; repeatable"),
        )
        .arg(
            Arg::new("rest")
                .long("rest")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["follow", "client-id"])
                .help("Over the REST data plane, in place of MQTT"),
        )
}

fn completions() -> Command {
    Command::new("completions")
        .about("Print the completions of a shell")
        .after_help(
            "Examples:\n\n  \
             shadow completions bash > ~/.local/share/bash-completion/completions/shadow\n  \
             shadow completions zsh > ~/.zfunc/_shadow\n  \
             shadow completions fish > ~/.config/fish/completions/shadow.fish",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("Which shell"),
        )
}

fn man() -> Command {
    Command::new("man")
        .about("Print a page of the manual, or write them all")
        .after_help(
            "Without arguments it is the page of the whole, shadow(1). Examples:\n\n  \
             shadow man wait | man -l -\n  \
             shadow man --dir ~/.local/share/man/man1",
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .conflicts_with("dir")
                .help("The page of a command"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("FOLDER")
                .value_parser(value_parser!(std::path::PathBuf))
                .value_hint(ValueHint::DirPath)
                .help(
                    "Write every page into this folder, which is made: shadow.1, shadow-get.1, …",
                ),
        )
}

fn thing() -> Arg {
    Arg::new("thing")
        .value_name("THING")
        .required(true)
        .help("The thing")
}

/// Adds which shadow it is about.
fn shadow(command: Command) -> Command {
    // Before the positions a command has of its own.
    let own: Vec<Arg> = command.get_positionals().cloned().collect();
    let command = command.mut_args(
        |arg| match own.iter().any(|it| it.get_id() == arg.get_id()) {
            true => arg.index(2),
            false => arg,
        },
    );
    command.arg(thing().index(1)).arg(
        Arg::new("name")
            .long("name")
            .alias("named")
            .short('n')
            .value_name("NAME")
            .help("A named shadow of it [default: the classic shadow]"),
    )
}

/// Adds the choice of REST.
fn rest(command: Command) -> Command {
    rest_url(command).arg(
        Arg::new("rest")
            .long("rest")
            .action(ArgAction::SetTrue)
            .help("Over the REST data plane, in place of MQTT"),
    )
}

fn rest_url(command: Command) -> Command {
    command.arg(
        Arg::new("rest-url")
            .long("rest-url")
            .value_name("URL")
            .help("Where the REST data plane is [default: the endpoint's host, port 443] [variable: SHADOW_REST_URL]"),
    )
}

/// Adds the connection options, which `ConnectionFlags` reads.
fn connected(command: Command) -> Command {
    const HEADING: &str = "Connection";
    let flags = flags::ALL.iter().map(|info| {
        let name = plain(info.name);
        let help: Vec<&str> = info.help.lines().collect();
        let arg = Arg::new(name)
            .long(name)
            .aliases(info.aliases.iter().map(|alias| plain(alias)))
            .alias(name.replace('-', "_"))
            .help_heading(HEADING)
            .help(sentence(&help.join(" ")));
        match info.value {
            Some(value) => arg.value_name(value).allow_hyphen_values(false),
            None => arg.action(ArgAction::SetTrue),
        }
    });
    command
        .args(flags)
        .arg(
            Arg::new("site")
                .long("site")
                .value_name("SECTION")
                .help_heading(HEADING)
                .help("The section of the profile file [default: default] [variable: SHADOW_SITE]"),
        )
        .arg(
            Arg::new("profiles")
                .long("profiles")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(std::path::PathBuf))
                .help_heading(HEADING)
                .help("The profile file [default: ~/.config/shadow/profiles] [variable: SHADOW_PROFILES]"),
        )
}

/// As the other options begin.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// A flag's name as clap has it.
pub(crate) fn plain(flag: &str) -> &str {
    flag.trim_start_matches('-')
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
