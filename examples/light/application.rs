//! The application: wants colors, and watches the light report them.

use std::time::{Duration, Instant};

use device_shadow::{
    proto::{Documents, Json},
    tokio::{DocumentsStream, Shadow, ShadowClient},
};
use serde_json::{Value, json};

use crate::{Result, args::Args, console::say};

const COLORS: [&str; 3] = ["teal", "amber", "violet"];

#[derive(Clone)]
pub(crate) struct Application {
    shadow: Shadow,
    property: String,
    /// How long a light may take to report a color.
    patience: Duration,
}

impl Application {
    pub(crate) fn new(client: &ShadowClient, args: &Args) -> Result<Self> {
        let shadow = client.shadow(args.shadow_id()?)?;
        Ok(Self {
            shadow,
            property: args.property.clone(),
            patience: args.patience,
        })
    }

    /// Wants what was typed, without waiting for it; `none` for nothing.
    pub(crate) fn desire(&self, value: &str) {
        let property = &self.property;
        let wanted = match value {
            "none" => Value::Null,
            value => json!(value),
        };
        say(&format!("application: desired {property} = {value}"));
        let desired = self.shadow.desire(&json!({ (property.as_str()): wanted }));
        tokio::spawn(async move {
            if let Err(failure) = desired.await {
                say(&format!("application: {failure}"));
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
            if tokio::time::timeout(self.patience, reported).await.is_err() {
                let document = self.shadow.get().await?;
                let seen = text(document.reported.value());
                return Err(format!(
                    "not in sync: {} = {color} is desired, and after {:?} reported is {seen}",
                    self.property, self.patience
                )
                .into());
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
        // The client has stopped; who waits is told by the time.
        std::future::pending().await
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
