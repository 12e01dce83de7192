//! Events and outcomes in a line each.

use super::{World, read::shorten};
use shadow_proto::{Accepted, Event, Failure, Field};
use std::fmt::Write;

impl World {
    pub(super) fn describe(&self, event: Event) -> String {
        let shadow = self.shadow_name(event.shadow());
        match event {
            Event::Ready {
                document, fetched, ..
            } => {
                let document = document.map_or("none".to_owned(), |document| {
                    format!("v{}", document.version)
                });
                format!(
                    "ready {shadow} {document}{}",
                    if fetched { "" } else { " not fetched" }
                )
            }
            Event::ResyncFailed {
                failure, retry_in, ..
            } => {
                let again = if retry_in.is_some() {
                    "will retry"
                } else {
                    "will not retry"
                };
                format!("resync failed {shadow} {}, {again}", failure_text(&failure))
            }
            Event::Refused { filter, code, .. } => format!("refused {} {code}", shorten(&[filter])),
            Event::Response {
                request, outcome, ..
            } => {
                let name = self.name_of(request).unwrap_or("?".to_owned());
                match outcome {
                    Ok(accepted) => format!("{name}: {}", accepted_text(&accepted)),
                    Err(failure) => format!("{name}: {}", failure_text(&failure)),
                }
            }
            Event::LateAnswer {
                request, answer, ..
            } => {
                let name = request
                    .and_then(|request| self.name_of(request))
                    .unwrap_or("?".to_owned());
                match answer {
                    Ok(accepted) => format!("late {name}: {}", accepted_text(&accepted)),
                    Err(rejection) => format!("late {name}: rejected {}", rejection.code),
                }
            }
            Event::ForeignAnswer {
                operation,
                answer,
                token,
                ..
            } => {
                let token = token.map_or(String::new(), |token| format!(" token {token}"));
                match answer {
                    Ok(accepted) => format!(
                        "foreign {shadow} {operation} {}{token}",
                        accepted_text(&accepted)
                    ),
                    Err(rejection) => format!(
                        "foreign {shadow} {operation} rejected {}{token}",
                        rejection.code
                    ),
                }
            }
            Event::UnattributedRejection {
                operation,
                rejection,
                candidate,
                ..
            } => {
                let candidate = candidate
                    .and_then(|id| self.name_of(id))
                    .unwrap_or("nobody".to_owned());
                format!(
                    "unattributed {shadow} {operation} {} maybe {candidate}",
                    rejection.code
                )
            }
            Event::Undecodable {
                topic,
                reason,
                payload,
                ..
            } => {
                format!(
                    "undecodable {shadow} {} {} bytes: {reason}",
                    topic.suffix(),
                    payload.len()
                )
            }
            Event::Lagged { dropped, .. } => format!("lagged {shadow} {dropped}"),
            Event::Delta { delta, origin, .. } => {
                format!(
                    "delta {shadow} v{} {} {}",
                    delta.version,
                    delta.state,
                    self.origin_text(origin)
                )
            }
            Event::Documents {
                documents, origin, ..
            } => {
                format!(
                    "documents {shadow} v{} {}",
                    documents.current.version,
                    self.origin_text(origin)
                )
            }
            Event::Deleted { origin, .. } => {
                format!("deleted {shadow} {}", self.origin_text(origin))
            }
            other => format!("{other:?}"),
        }
    }

    fn origin_text(&self, origin: shadow_proto::Origin) -> String {
        match origin {
            shadow_proto::Origin::Ours(request) => {
                format!("by {}", self.name_of(request).unwrap_or("?".to_owned()))
            }
            shadow_proto::Origin::Foreign => "foreign".to_owned(),
            _ => "unknown".to_owned(),
        }
    }
}

fn accepted_text(accepted: &Accepted) -> String {
    match accepted {
        Accepted::Get(document) => {
            let mut text = format!("got v{}", document.version);
            for (name, section) in [
                ("desired", &document.desired),
                ("reported", &document.reported),
                ("delta", &document.delta),
            ] {
                if let Field::Value(section) = section {
                    write!(text, " {name} {section}").unwrap();
                }
            }
            text
        }
        Accepted::Update(update) if update.cleared => {
            format!("updated v{} cleared", update.version)
        }
        Accepted::Update(update) => format!("updated v{}", update.version),
        Accepted::Delete { version, .. } => {
            format!(
                "deleted{}",
                version.map_or(String::new(), |version| format!(" v{version}"))
            )
        }
        Accepted::Published => "published".to_owned(),
        other => format!("{other:?}"),
    }
}

fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Rejected(rejection) => format!("rejected {}", rejection.code),
        Failure::TimedOut { stage, hint, .. } => {
            let hint = hint
                .as_ref()
                .map_or(String::new(), |hint| format!(" hint {}", hint.code));
            format!("timed out {stage:?}{hint}")
        }
        Failure::PublishRefused { stage, code } => format!("publish refused {stage:?} {code}"),
        Failure::Disconnected { stage, .. } => format!("disconnected {stage:?}"),
        Failure::SubscribeRefused { stage, .. } => format!("subscribe refused {stage:?}"),
        Failure::NotSent { stage, reason } => format!("not sent {stage:?} {reason}"),
        Failure::Cancelled { stage, .. } => format!("cancelled {stage:?}"),
        Failure::Removed { stage, .. } => format!("removed {stage:?}"),
        other => format!("{other:?}"),
    }
}
