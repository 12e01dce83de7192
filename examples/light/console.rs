//! What a person says: lines, and signals to stop. And what they are told.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde_json::Value;
use tokio::sync::mpsc;

pub(crate) enum Input {
    Line(String),
    End,
    Stop,
}

pub(crate) struct Console {
    lines: mpsc::Receiver<String>,
    ended: bool,
    signals: Signals,
    /// Whether a person is there to type.
    pub(crate) terminal: bool,
}

impl Console {
    /// Reads standard input on a thread of its own: a read cannot be called off, and must not keep
    /// the program from ending.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, lines) = mpsc::channel(16);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            lines,
            ended: false,
            signals: Signals::listen()?,
            terminal: std::io::stdin().is_terminal(),
        })
    }

    /// The next line, if there is an ear for it; once there are no more, `End` once. Ctrl-C and
    /// SIGTERM come at any time.
    pub(crate) async fn next(&mut self, listens: bool) -> Input {
        tokio::select! {
            () = self.signals.stop() => {
                if self.terminal {
                    // Off the line where it says ^C.
                    say("");
                }
                Input::Stop
            }
            line = self.lines.recv(), if listens && !self.ended => match line {
                Some(line) => Input::Line(line),
                None => {
                    self.ended = true;
                    Input::End
                }
            },
        }
    }

    /// Waits for Ctrl-C or SIGTERM.
    pub(crate) async fn stopped(&mut self) {
        self.signals.stop().await;
    }
}

/// Prints a line. Nobody reading it is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A value as it is shown: text as it is typed unless that would mislead, no more than fits a line.
pub(crate) fn shown(value: &Value) -> String {
    let json = value.to_string();
    let text = match value {
        Value::String(text)
            if text.trim() == text
                && !text.chars().any(char::is_control)
                && serde_json::from_str::<Value>(text).is_err()
                && !text.is_empty() =>
        {
            text
        }
        _ => &json,
    };
    match text.char_indices().nth(MOST_SHOWN) {
        None => text.clone(),
        Some((end, _)) => format!(
            "{}… ({} bytes)",
            text.get(..end).unwrap_or_default(),
            text.len()
        ),
    }
}

const MOST_SHOWN: usize = 100;

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn stop(&mut self) {
        // Without a handler Ctrl-C ends the program anyway.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
