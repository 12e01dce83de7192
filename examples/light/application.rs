//! The application: wants colors, and watches the light report them.

use std::time::{Duration, Instant};

use device_shadow::{
    proto::{Documents, Json},
    tokio::{DocumentsStream, Shadow, ShadowClient},
};
use serde_json::{Value, json};

use crate::{Result, args::Args, console::say};

const COLORS: [&str; 3] = ["teal", "amber", "violet"];
/// How long a light may take to report a color.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Application {
    shadow: Shadow,
    property: String,
}

impl Application {
    pub(crate) fn new(client: &ShadowClient, args: &Args) -> Result<Self> {
        let shadow = client.shadow(args.shadow_id()?)?;
        Ok(Self {
            shadow,
            property: args.property.clone(),
        })
    }

    /// Wants one value, without waiting for it.
    pub(crate) fn desire(&self, value: &str) {
        let (shadow, state) = (
            self.shadow.clone(),
            json!({ (self.property.as_str()): value }),
        );
        let said = format!("application: desired {} = {value}", self.property);
        tokio::spawn(async move {
            match shadow.desire(&state).await {
                Ok(_) => say(&said),
                Err(failure) => say(&format!("application: {failure}")),
            }
        });
    }

    /// Wants one color after the other, each as soon as the last one is reported. Returns the last.
    pub(crate) async fn play(&self) -> Result<String> {
        let mut last = String::new();
        let mut documents = self.shadow.documents()?;
        self.shadow.ready().await?;
        for color in COLORS {
            say(&format!("application: desired {} = {color}", self.property));
            let start = Instant::now();
            self.shadow
                .desire(&json!({ (self.property.as_str()): color }))
                .await?;
            let reported = self.until_reported(&mut documents, color);
            if tokio::time::timeout(PATIENCE, reported).await.is_err() {
                let document = self.shadow.get().await?;
                let seen = text(document.reported.value());
                let missing = format!(
                    "{} = {color} is desired, and after {PATIENCE:?}",
                    self.property
                );
                return Err(format!("not in sync: {missing} reported is {seen}").into());
            }
            last = color.to_owned();
            say(&format!(
                "application: the light reported {color} after {:.1?}",
                start.elapsed()
            ));
        }
        let document = self.shadow.get().await?;
        say(&format!("final document, version {}:", document.version));
        for (name, section) in [
            ("desired", &document.desired),
            ("reported", &document.reported),
        ] {
            say(&format!("  {name}: {}", text(section.value())));
        }
        match document.delta.value() {
            Some(delta) => Err(format!("not in sync: {delta} remains to be done").into()),
            None => Ok(last),
        }
    }

    async fn until_reported(&self, documents: &mut DocumentsStream, color: &str) {
        while let Some(documents) = documents.next().await {
            // A gap is no harm: the next documents are whole again.
            if documents.is_ok_and(|documents| self.reports(&documents, color)) {
                return;
            }
        }
    }

    fn reports(&self, documents: &Documents, color: &str) -> bool {
        let reported = documents.current.reported.value();
        let reported: Option<Value> = reported.and_then(|reported| reported.parse().ok());
        reported.is_some_and(|reported| reported.get(&self.property) == Some(&json!(color)))
    }
}

fn text(section: Option<&Json>) -> &str {
    section.map_or("nothing", Json::as_str)
}
