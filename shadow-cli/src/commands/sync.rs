//! `shadow sync`: a JSON file and a shadow, kept in step.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ArgMatches;
use transport_tokio::{Document, Event, Field, Interest, Json, Operation, RequestFailure, Shadow};

use super::follow::Followed;
use crate::{
    context::Context,
    output::Printer,
    problem::{self, Problem},
    tree::Tree,
};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(300);

pub(super) async fn sync(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let path = matches.get_one::<PathBuf>("file");
    let path = path.ok_or_else(|| Problem::Usage("which file?".to_owned()))?;
    // What cannot be read is said before anything is sent.
    let found = read(path)?;
    let shadow = context.shadow(matches).await?;
    let mut events = shadow.events(Interest::DELTA)?;
    let told = context.tell_of_connection(shadow.client());
    let mut followed = Followed::new(context, matches)?;
    let mut replica = Replica {
        context,
        printer: context.printer,
        path,
        shadow: shadow.clone(),
        state: found.clone().unwrap_or_else(Tree::empty),
        refused: None,
        waiting: false,
    };
    let kept = async {
        let document = followed.ready(&mut events).await?;
        replica.begin(document.as_deref(), found.is_some()).await?;
        if matches.get_flag("once") {
            return Ok(0);
        }
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = followed.next(&mut events) => match event? {
                    // The next document makes up for what was lost.
                    None => drop(shadow.resync()),
                    Some(Event::Delta { delta, .. }) => {
                        replica.desired(&Tree::read(delta.state.as_str())).await?;
                    }
                    // After a loss of the connection.
                    Some(Event::Ready { document, .. }) => {
                        replica.again(document.as_deref()).await?;
                    }
                    Some(_) => {}
                },
                _ = looks.tick() => replica.look().await?,
            }
        }
    };
    tokio::select! {
        ended = kept => ended,
        () = told => Ok(0),
    }
}

struct Replica<'a> {
    context: &'a Context,
    printer: Printer,
    path: &'a Path,
    shadow: Shadow,
    /// What the file holds, as far as is known.
    state: Tree,
    /// What was said of a file that is of no use, so that it is said once.
    refused: Option<String>,
    /// Something was desired meanwhile.
    waiting: bool,
}

impl Replica<'_> {
    /// The first meeting: the file says how the device is, the shadow what is desired of it.
    async fn begin(&mut self, document: Option<&Document>, found: bool) -> Result<(), Problem> {
        if found {
            self.report_difference(document).await?;
        } else if let Some(reported) = document.and_then(|it| it.reported.value()) {
            self.state = Tree::read(reported.as_str());
        }
        match document.and_then(|it| it.delta.value()) {
            Some(delta) => self.desired(&Tree::read(delta.as_str())).await,
            None if !found => self.write(),
            None => Ok(()),
        }
    }

    /// After a reconnect: what was not reported meanwhile is. Deltas come by themselves, but for
    /// those that a file was in no state for.
    async fn again(&mut self, document: Option<&Document>) -> Result<(), Problem> {
        self.report_difference(document).await?;
        let delta = document.and_then(|it| it.delta.value());
        match delta.filter(|_| std::mem::take(&mut self.waiting)) {
            Some(delta) => self.desired(&Tree::read(delta.as_str())).await,
            None => Ok(()),
        }
    }

    async fn report_difference(&mut self, document: Option<&Document>) -> Result<(), Problem> {
        let reported = document.map(|document| &document.reported);
        let reported = match reported {
            Some(Field::Value(json)) => Tree::read(json.as_str()),
            _ => Tree::empty(),
        };
        match reported.patch_to(&self.state) {
            Some(patch) => self.report(&patch).await,
            None => Ok(()),
        }
    }

    /// Does what is desired: to the file first, then to reported.
    async fn desired(&mut self, delta: &Tree) -> Result<(), Problem> {
        // What was written into the file meanwhile is not to be lost.
        self.look().await?;
        if self.refused.is_some() {
            let name = self.path.display();
            let text = format!("{name}: what is desired waits until it can be read");
            self.printer.note(&text);
            self.waiting = true;
            return Ok(());
        }
        let before = self.state.clone();
        self.state.merge(delta);
        self.say("desired", &before);
        self.write()?;
        self.report(delta).await
    }

    /// Reports what changed in the file.
    async fn look(&mut self) -> Result<(), Problem> {
        let now = match read(self.path) {
            Ok(Some(now)) => now,
            // Gone, or half written: whoever does that is not done yet.
            Ok(None) => return Ok(()),
            Err(problem) => {
                let said = problem.to_string();
                if self.refused.as_ref() != Some(&said) {
                    self.printer.note(&said);
                    self.refused = Some(said);
                }
                return Ok(());
            }
        };
        if self.refused.take().is_some() && self.waiting {
            // Deltas are followed, so there is nothing to refuse.
            let _ = self.shadow.resync();
        }
        let Some(patch) = self.state.patch_to(&now) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut self.state, now);
        self.say("file", &before);
        self.report(&patch).await
    }

    async fn report(&self, patch: &Tree) -> Result<(), Problem> {
        let json = Json::from_text(&patch.to_json());
        let json = json.map_err(|error| Problem::Other(error.to_string()))?;
        match self.shadow.report(&json).await {
            Ok(_) => Ok(()),
            // The same would be refused again, and the file may change.
            Err(failure) if failure.rejection().is_some() => {
                self.printer.note(&format!("not reported: {failure}"));
                Ok(())
            }
            Err(RequestFailure::Failure(failure)) => {
                let (id, operation) = (self.shadow.id(), Operation::Update);
                if let Some(problem) = self.context.refused(id, operation, &failure) {
                    return Err(problem);
                }
                let missing = self.context.missing(id, operation, &failure);
                let missing = missing.map(|it| format!("; {it}")).unwrap_or_default();
                let text = format!("not reported yet: {failure}{missing}");
                self.printer.note(&text);
                // The next document tells what is left to report.
                // Deltas are followed, so there is nothing to refuse.
                let _ = self.shadow.resync();
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    fn say(&self, origin: &str, before: &Tree) {
        if self.printer.json {
            let mut line = crate::output::Line::of("synced", self.shadow.id());
            line.text("origin", origin);
            line.raw("state", &self.state.to_json());
            self.printer.line(&line.end());
        } else {
            self.printer
                .changes(origin, Some(before), Some(&self.state));
        }
    }

    /// Whole or not at all.
    fn write(&self) -> Result<(), Problem> {
        let paint = |_, text: &str| text.to_owned();
        let text = self.state.pretty(0, &paint) + "\n";
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, self.path))
            .map_err(|error| problem::file(self.path, &error))
    }
}

/// The object in the file; `None` if there is no file, or an empty one.
fn read(path: &Path) -> Result<Option<Tree>, Problem> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem::file(path, &error)),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| Problem::Usage(format!("{}: {what}", path.display()));
    let json = Json::from_text(&text).map_err(|error| wrong(&error.to_string()))?;
    match Tree::read(json.as_str()) {
        object @ Tree::Object(_) => Ok(Some(object)),
        Tree::Leaf(_) => Err(wrong("not a JSON object")),
    }
}
