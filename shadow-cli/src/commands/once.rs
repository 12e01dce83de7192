//! The commands that make one request.

use clap::ArgMatches;
use transport_tokio::{
    Accepted, Document, Field, Json, Operation, Section, ShadowId, Update, Version,
};

use crate::{
    context::{Context, shadow_id},
    output::Line,
    problem::{DIFFERENT, Problem},
    state,
    tree::Tree,
};

pub(super) async fn get(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let document = fetch(matches, context).await?;
    context.printer.document(&shadow_id(matches)?, &document);
    Ok(0)
}

async fn fetch(matches: &ArgMatches, context: &Context) -> Result<Document, Problem> {
    let id = shadow_id(matches)?;
    Ok(match matches.get_flag("rest") {
        true => {
            let got = context.rest()?.get(&id).await;
            got.map_err(|error| context.explain_rest(error))?
        }
        false => {
            let got = context.shadow(matches).await?.get().await;
            got.map_err(|failure| context.explain(matches, Operation::Get, failure))?
        }
    })
}

pub(super) async fn update(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let id = shadow_id(matches)?;
    let asked = asked(matches)?;
    let json = |tree: &Option<Tree>| {
        let text = tree.as_ref().filter(|tree| !tree.is_null());
        let json = text.map(|tree| Json::from_text(&tree.to_json()));
        json.transpose()
            .map_err(|error| Problem::Usage(error.to_string()))
    };
    let (desired, reported) = (json(&asked.desired)?, json(&asked.reported)?);
    let mut update = match asked.clear {
        true => Update::clear(),
        false => Update::default(),
    };
    update.desired = section(&asked.desired, desired.as_ref());
    update.reported = section(&asked.reported, reported.as_ref());
    update.version = asked.version.map(Version::new);

    let updated = match matches.get_flag("rest") {
        true => {
            let updated = context.rest()?.update(&id, &update).await;
            updated.map_err(|error| context.explain_rest(error))?
        }
        false => {
            let updated = context.shadow(matches).await?.update(update).await;
            match updated.map_err(|failure| context.explain(matches, Operation::Update, failure))? {
                Accepted::Update(updated) => *updated,
                other => return Err(Problem::Other(format!("another answer: {other:?}"))),
            }
        }
    };
    let printer = context.printer;
    if printer.json {
        let mut line = Line::of("accepted", &id);
        line.text("operation", "update");
        line.version(updated.version, updated.timestamp);
        line.section("desired", &updated.desired);
        line.section("reported", &updated.reported);
        printer.line(&line.end());
    } else {
        printer.line(&printer.headline(&id, updated.version, updated.timestamp));
    }
    Ok(0)
}

/// What the command line says to change.
fn asked(matches: &ArgMatches) -> Result<state::Document, Problem> {
    let mut asked = match matches.get_one::<String>("document") {
        Some(word) => state::document(word)?,
        None => state::Document::default(),
    };
    for (name, section) in [
        ("desired", &mut asked.desired),
        ("reported", &mut asked.reported),
    ] {
        for word in matches.get_many::<String>(name).into_iter().flatten() {
            state::add(section, word)?;
        }
    }
    let mut all = asked.clear;
    for section in matches.get_many::<String>("clear").into_iter().flatten() {
        let cleared = match section.as_str() {
            "desired" => &mut asked.desired,
            "reported" => &mut asked.reported,
            _ => {
                all = true;
                continue;
            }
        };
        if cleared.is_some() {
            return Err(Problem::Usage(format!(
                "--clear {section}: something is set there too"
            )));
        }
        *cleared = Some(Tree::Leaf("null".to_owned()));
    }
    asked.clear = all;
    let sections = asked.desired.is_some() || asked.reported.is_some();
    if all && sections {
        return Err(Problem::Usage(
            "--clear all: something is set or cleared too".to_owned(),
        ));
    }
    if !all && !sections {
        return Err(Problem::Usage(
            "nothing to change: give --desired, --reported, --clear or a document".to_owned(),
        ));
    }
    if let Some(version) = matches.get_one::<u64>("if-version") {
        asked.version = Some(*version);
    }
    Ok(asked)
}

fn section<'a>(asked: &Option<Tree>, json: Option<&'a Json>) -> Section<'a> {
    match (asked, json) {
        (Some(_), Some(json)) => Section::Set(json.as_raw()),
        // Null.
        (Some(_), None) => Section::Clear,
        (None, _) => Section::Leave,
    }
}

pub(super) async fn delete(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let id = shadow_id(matches)?;
    let version = match matches.get_flag("rest") {
        true => {
            let deleted = context.rest()?.delete(&id).await;
            deleted
                .map_err(|error| context.explain_rest(error))?
                .version
        }
        false => {
            let deleted = context.shadow(matches).await?.delete().await;
            let explain = |failure| context.explain(matches, Operation::Delete, failure);
            deleted.map_err(explain)?.version()
        }
    };
    let printer = context.printer;
    if printer.json {
        let mut line = Line::of("accepted", &id);
        line.text("operation", "delete");
        if let Some(version) = version {
            line.raw("version", &version.to_string());
        }
        printer.line(&line.end());
    } else {
        printer.line(&format!("{} deleted", printer.bold(&id.to_string())));
    }
    Ok(0)
}

pub(super) async fn list(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let thing = matches.get_one::<String>("thing");
    let thing = thing.map(String::as_str).unwrap_or_default();
    // The same check as for the other commands, before anything is sent.
    ShadowId::classic(thing).map_err(|error| Problem::Usage(error.to_string()))?;
    let names = context.rest()?.list(thing).await;
    let names = names.map_err(|error| context.explain_rest(error))?;
    if names.is_empty() && !context.printer.json {
        // Not on standard output, where it could be taken for a name.
        context
            .printer
            .note(&format!("{thing} has no named shadows"));
    }
    for name in names {
        if context.printer.json {
            let mut line = Line::new("shadow");
            line.text("thing", thing);
            line.text("name", &name);
            context.printer.line(&line.end());
        } else {
            context.printer.line(&name);
        }
    }
    Ok(0)
}

pub(super) async fn diff(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let id = shadow_id(matches)?;
    let document = fetch(matches, context).await?;
    let printer = context.printer;
    if printer.json {
        let mut line = Line::of("diff", &id);
        line.version(document.version, document.timestamp);
        line.section("delta", &document.delta);
        printer.line(&line.end());
    } else if let Field::Value(delta) = &document.delta {
        // Of what is reported, only what is desired otherwise: a key that is reported and not
        // desired is no difference.
        let delta = Tree::read(delta.as_str());
        let reported = document.reported.value();
        let reported = reported.map(|json| Tree::read(json.as_str()));
        printer.line(&printer.headline(&id, document.version, document.timestamp));
        printer.line(&printer.dim("  reported -> desired"));
        let reported = reported.map(|reported| common(&reported, &delta));
        let mut after = reported.clone().unwrap_or_else(Tree::empty);
        after.merge(&delta);
        printer.changes("state", reported.as_ref(), Some(&after));
    } else {
        printer.line("in sync");
    }
    Ok(match document.delta.value() {
        Some(_) => DIFFERENT,
        None => 0,
    })
}

/// The part of a tree whose keys are in another one.
fn common(tree: &Tree, other: &Tree) -> Tree {
    match (tree, other) {
        (Tree::Object(tree), Tree::Object(other)) => Tree::Object(
            tree.iter()
                .filter_map(|(key, value)| Some((key.clone(), common(value, other.get(key)?))))
                .collect(),
        ),
        _ => tree.clone(),
    }
}
