//! `shadow wait`: until something is true of a shadow.

use std::time::Duration;

use clap::ArgMatches;
use transport_tokio::{Document, Event, Failure, Interest, RequestFailure, Shadow};

use super::follow::Followed;
use crate::{
    condition::Condition,
    context::{Context, shadow_id},
    problem::Problem,
    tree::Tree,
};

pub(super) async fn wait(matches: &ArgMatches, context: &Context) -> Result<u8, Problem> {
    let text = |name: &str| {
        let text = matches.get_one::<String>(name);
        text.map(String::as_str).unwrap_or_default()
    };
    let condition = Condition::read(text("until"));
    let condition = condition.map_err(|error| Problem::Usage(format!("--until: {error}")))?;
    let patience = duration(text("timeout")).ok_or_else(|| {
        Problem::Usage(format!(
            "--timeout {}: not a time like 30s",
            text("timeout")
        ))
    })?;
    let id = shadow_id(matches)?;
    let mut seen = Seen {
        followed: Followed::new(context, matches)?,
        answered: false,
    };
    let waited = tokio::time::timeout(patience, async {
        let shadow = context.shadow(matches).await?;
        tokio::select! {
            found = seen.until(&shadow, &condition) => found,
            () = context.tell_of_connection(shadow.client()) => Err(Problem::Interrupted),
        }
    });
    match waited.await {
        Ok(found) => {
            match found? {
                Some(document) => context.printer.document(&id, &document),
                None => context.printer.absent(&id),
            }
            Ok(0)
        }
        Err(_) => {
            let late = format!("not true after {patience:?}: {}", text("until"));
            let answered = seen.answered;
            let silence = || Some("the shadow service answered nothing".to_owned());
            let hint = match answered {
                true => None,
                false => seen.followed.into_trouble().or_else(silence),
            };
            Err(Problem::TimedOut(late).with_hint(hint))
        }
    }
}

/// What was seen of the shadow.
struct Seen<'a> {
    followed: Followed<'a>,
    /// That there is one, or that there is none.
    answered: bool,
}

impl Seen<'_> {
    /// The first document that it is true of; `None` if it is true of there being none.
    async fn until(
        &mut self,
        shadow: &Shadow,
        condition: &Condition,
    ) -> Result<Option<Document>, Problem> {
        let interest = Interest::DOCUMENTS | Interest::DELETE_ACCEPTED;
        let mut events = shadow.events(interest)?;
        // From then on each change is told.
        self.followed.ready(&mut events).await?;
        loop {
            // The whole document, delta included, which the documents of an update lack.
            match shadow.get().await {
                Ok(document) if condition.is_true(&tree(&document)) => return Ok(Some(document)),
                Ok(_) => self.answered = true,
                Err(failure) if failure.is_not_found() => {
                    if condition.is_true(&Tree::empty()) {
                        return Ok(None);
                    }
                    self.answered = true;
                }
                Err(RequestFailure::Failure(failure))
                    if !matches!(failure, Failure::Rejected(_)) =>
                {
                    // The connection was lost meanwhile; it comes back, or the time ends.
                    self.followed.fetch_failed(failure)?;
                }
                Err(failure) => return Err(failure.into()),
            }
            // Then at each change, of which several may have come: the newest document tells all.
            loop {
                match self.followed.next(&mut events).await? {
                    Some(Event::Documents { .. } | Event::Deleted { .. } | Event::Ready { .. })
                    | None => break,
                    Some(_) => {}
                }
            }
        }
    }
}

fn tree(document: &Document) -> Tree {
    let mut tree = Tree::empty();
    for (name, section) in [
        ("desired", &document.desired),
        ("reported", &document.reported),
        ("delta", &document.delta),
    ] {
        if let Some(json) = section.value() {
            tree.set(&[name.to_owned()], Tree::read(json.as_str()));
        }
    }
    let version = Tree::Leaf(document.version.to_string());
    tree.set(&["version".to_owned()], version);
    tree
}

/// `500ms`, `30s`, `5m`, `1h`, or seconds alone.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)? {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = digits.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for wrong in ["", "s", "5x", "-1s", "1e99h", "NaN"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
