//! The commands that talk to nobody.

use std::path::PathBuf;

use clap::ArgMatches;
use clap_complete::Shell;
use transport_tokio::{Operation, ShadowId, TopicKind, policy::Policy};

use crate::{
    cli,
    output::{Line, Printer},
    problem::{self, Problem},
};

pub(crate) fn policy(matches: &ArgMatches, printer: Printer) -> Result<u8, Problem> {
    let usage = |error: &dyn std::fmt::Display| Problem::Usage(error.to_string());
    let text = |name: &str| {
        let text = matches.get_one::<String>(name);
        text.map(String::as_str).unwrap_or_default()
    };
    let several = |name: &str| {
        let all = matches.get_many::<String>(name);
        all.into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    let thing = text("thing");
    let named = several("named");
    let shadows = match named.is_empty() {
        true => vec![ShadowId::classic(thing).map_err(|error| usage(&error))?],
        false => {
            let ids = named.iter().map(|name| ShadowId::named(thing, name));
            ids.collect::<Result<_, _>>()
                .map_err(|error| usage(&error))?
        }
    };
    let rest = matches.get_flag("rest");
    let (mut operations, mut topics) = (several("allow"), several("follow"));
    if operations.is_empty() && topics.is_empty() {
        operations = vec!["get", "update"];
        topics = vec!["delta"];
    }

    let policy = Policy::new(text("region"), text("account"));
    let mut policy = policy.map_err(|error| usage(&error))?;
    if !rest {
        let mut clients = several("client-id");
        if clients.is_empty() {
            clients.push(thing);
        }
        for client in clients {
            policy.connect(client).map_err(|error| usage(&error))?;
        }
    }
    for shadow in &shadows {
        for operation in &operations {
            let operation = match *operation {
                "get" => Operation::Get,
                "update" => Operation::Update,
                _ => Operation::Delete,
            };
            match rest {
                true => policy.rest(shadow, operation),
                false => policy.request(shadow, operation),
            }
        }
        for topic in topics.iter().filter(|_| !rest) {
            policy.follow(
                shadow,
                match *topic {
                    "delta" => TopicKind::UpdateDelta,
                    _ => TopicKind::UpdateDocuments,
                },
            );
        }
    }
    if printer.json {
        let mut line = Line::new("policy");
        line.raw("document", &policy.to_string());
        printer.line(&line.end());
    } else {
        printer.line(&policy.to_string());
    }
    Ok(0)
}

pub(crate) fn completions(matches: &ArgMatches) -> Result<u8, Problem> {
    let Some(shell) = matches.get_one::<Shell>("shell") else {
        return Err(Problem::Usage("which shell?".to_owned()));
    };
    let mut text = Vec::new();
    clap_complete::generate(*shell, &mut cli::command(), "shadow", &mut text);
    print(&text)
}

pub(crate) fn man(matches: &ArgMatches) -> Result<u8, Problem> {
    let mut whole = cli::command().disable_help_subcommand(true);
    // Gives the commands their names: shadow-get.
    whole.build();
    let page = |of: &clap::Command| {
        let source = concat!("shadow ", env!("CARGO_PKG_VERSION"));
        clap_mangen::Man::new(of.clone()).source(source)
    };
    if let Some(dir) = matches.get_one::<PathBuf>("dir") {
        std::fs::create_dir_all(dir).map_err(|error| problem::file(dir, &error))?;
        for command in whole.get_subcommands().chain([&whole]) {
            let written = page(command).generate_to(dir);
            written.map_err(|error| problem::file(dir, &error))?;
        }
        return Ok(0);
    }
    let command = match matches.get_one::<String>("command") {
        None => &whole,
        Some(name) => whole
            .find_subcommand(name)
            .ok_or_else(|| Problem::Usage(format!("{name} is no command; --help lists them")))?,
    };
    let mut text = Vec::new();
    let rendered = page(command).render(&mut text);
    rendered.map_err(|error| Problem::Other(error.to_string()))?;
    print(&text)
}

fn print(text: &[u8]) -> Result<u8, Problem> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // Nobody reading is no fault of ours.
    let _ = out.write_all(text).and_then(|()| out.flush());
    Ok(0)
}
