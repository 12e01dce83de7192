//! `shadow watch`: what happens to a shadow, as it happens.

use clap::ArgMatches;
use transport_tokio::{
    Documents, Event, Field, Interest, Json, Origin, ShadowId, Timestamp, Version,
};

use super::follow::Followed;
use crate::{
    context::{Context, shadow_id},
    output::{Line, Printer},
    problem::Problem,
    tree::Tree,
};

pub(super) async fn watch(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let id = shadow_id(matches)?;
    let shadow = context.shadow(matches).await?;
    let interest = Interest::DELTA | Interest::DOCUMENTS | Interest::DELETE_ACCEPTED;
    let mut events = shadow.events(interest)?;
    let mut left = matches.get_one::<u64>("count").copied();
    let told = context.tell_of_connection(shadow.client());
    let mut followed = Followed::new(context, matches)?;
    let watched = async {
        // The version of a document that was shown whole, and with it its delta.
        let mut whole = None;
        // A pipe to `head` has an end.
        while left != Some(0) && !context.printer.is_unread() {
            let event = followed.next(&mut events).await?;
            match &event {
                Some(Event::Ready { document, .. }) => {
                    whole = document.as_ref().map(|document| document.version);
                }
                Some(Event::Delta { delta, .. })
                    if whole == Some(delta.version) && !context.printer.json =>
                {
                    continue;
                }
                _ => {}
            }
            if event.is_some_and(|event| show(context.printer, &id, event)) {
                left = left.map(|left| left - 1);
            }
        }
        Ok(0)
    };
    tokio::select! {
        ended = watched => ended,
        () = told => Ok(0),
    }
}

/// Whether it was a change.
fn show(printer: Printer, id: &ShadowId, event: Event) -> bool {
    match event {
        Event::Ready {
            document: Some(document),
            ..
        } => printer.document(id, &document),
        Event::Ready { document: None, .. } => printer.absent(id),
        Event::Documents {
            documents, origin, ..
        } => {
            changed(printer, id, &documents, origin);
            return true;
        }
        Event::Delta { delta, .. } => match printer.json {
            true => {
                let mut line = Line::of("delta", id);
                line.version(delta.version, delta.timestamp);
                line.raw("state", delta.state.as_str());
                printer.line(&line.end());
            }
            false => {
                let state = Tree::read(delta.state.as_str());
                printer.line(&format!(
                    "  {}: {}",
                    printer.bold("delta"),
                    printer.pretty(&state, 2)
                ));
            }
        },
        Event::Deleted { version, .. } => {
            if printer.json {
                let mut line = Line::of("deleted", id);
                if let Some(version) = version {
                    line.raw("version", &version.to_string());
                }
                printer.line(&line.end());
            } else {
                printer.line(&format!("{} deleted", printer.bold(&id.to_string())));
            }
            return true;
        }
        Event::Undecodable { topic, reason, .. } => {
            printer.note(&format!("{}: cannot be read: {reason}", topic.suffix()));
        }
        _ => {}
    }
    false
}

fn changed(printer: Printer, id: &ShadowId, documents: &Documents, origin: Origin) {
    let (current, at) = (&documents.current, documents.timestamp);
    if printer.json {
        let mut line = Line::of("changed", id);
        line.version(current.version, at);
        if let Some(token) = &documents.token {
            line.text("clientToken", &token.to_string());
        }
        line.section("desired", &current.desired);
        line.section("reported", &current.reported);
        return printer.line(&line.end());
    }
    debug_assert!(!matches!(origin, Origin::Ours(_)), "this asks for nothing");
    headline(printer, id, current.version, at);
    let tree = |section: &Field<Json>| {
        let json = section.value();
        json.map(|json| Tree::read(json.as_str()))
    };
    let previous = documents.previous.as_ref();
    for (name, before, after) in [
        ("desired", previous.map(|it| &it.desired), &current.desired),
        (
            "reported",
            previous.map(|it| &it.reported),
            &current.reported,
        ),
    ] {
        let (before, after) = (before.and_then(tree), tree(after));
        printer.changes(name, before.as_ref(), after.as_ref());
    }
}

fn headline(printer: Printer, id: &ShadowId, version: Version, at: Option<Timestamp>) {
    printer.line(&printer.headline(id, version, at));
}
