//! What keeps a shadow from being followed, and the right that is probably missing.

use clap::ArgMatches;
use transport_tokio::{Document, Event, Events, Failure, Operation, ShadowId};

use crate::{
    context::{Context, shadow_id},
    problem::Problem,
};

/// A shadow that is followed, and what was wrong with it last.
pub(super) struct Followed<'a> {
    context: &'a Context,
    id: ShadowId,
    trouble: Option<String>,
}

impl<'a> Followed<'a> {
    pub(super) fn new(context: &'a Context, matches: &ArgMatches) -> Result<Self, Problem> {
        Ok(Self {
            context,
            id: shadow_id(matches)?,
            trouble: None,
        })
    }

    /// What was wrong last, if nothing was right since.
    pub(super) fn into_trouble(self) -> Option<String> {
        self.trouble
    }

    /// The next event, without those that are notes. `None` where events were lost.
    ///
    /// What will stay so as long as the connection does is an error; what may pass is said once.
    pub(super) async fn next(&mut self, events: &mut Events) -> Result<Option<Event>, Problem> {
        loop {
            match events.next().await {
                None => return Err(Problem::Connection("the client has stopped".to_owned())),
                Some(Err(gap)) => {
                    self.context.printer.note(&gap.to_string());
                    return Ok(None);
                }
                Some(Ok(Event::Refused { filter, code, .. })) => {
                    let missing = transport_tokio::policy::missing_for_filter(&filter);
                    return Err(Problem::Connection(format!(
                        "the broker refused the subscription to {filter}: {code}; {missing}"
                    )));
                }
                Some(Ok(Event::ResyncFailed { failure, .. })) => self.fetch_failed(failure)?,
                Some(Ok(event)) => {
                    if let Event::Ready { .. } = event {
                        self.trouble = None;
                    }
                    return Ok(Some(event));
                }
            }
        }
    }

    /// Waits until the shadow is in step; its document, if there is one.
    pub(super) async fn ready(
        &mut self,
        events: &mut Events,
    ) -> Result<Option<Box<Document>>, Problem> {
        loop {
            if let Some(Event::Ready { document, .. }) = self.next(events).await? {
                return Ok(document);
            }
        }
    }

    /// The document could not be fetched.
    pub(super) fn fetch_failed(&mut self, failure: Failure) -> Result<(), Problem> {
        if let Some(problem) = self.context.refused(&self.id, Operation::Get, &failure) {
            return Err(problem);
        }
        let missing = self.context.missing(&self.id, Operation::Get, &failure);
        let mut text = format!("the document could not be fetched: {failure}");
        if let Some(missing) = missing {
            text = format!("{text}; {missing}");
        }
        if self.trouble.as_ref() != Some(&text) {
            self.context.printer.note(&text);
            self.trouble = Some(text);
        }
        Ok(())
    }
}
