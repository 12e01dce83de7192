//! Record and replay: a field bug becomes a test.
//!
//! A recording is text, one JSON value a line: first the configuration, then every input in order.
//! It holds topics and payloads as they were, so treat it as you treat your data.

use crate::{
    client::{Client, ShadowOptions},
    config::{Config, Qos},
    event::{Output, PublishId, RequestId, ShadowHandle, SubscribeId},
    failure::{PubackCode, SubackCode},
    json::Json,
    name::ShadowId,
    request::{Interest, RequestOptions, Retry, Section, Update, WhenOffline},
    time::Instant,
    wire::Version,
};
use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, num::NonZeroU64, time::Duration};
use serde::{Deserialize, Serialize};

/// Plays a recording to a new client and hands every output that was polled to `output`. The same
/// inputs give the same outputs, so the client returned is in the state the recorded one was in.
///
/// # Errors
/// [`ReplayError`] names the line that cannot be read.
pub fn replay(recording: &str, mut output: impl FnMut(&Output)) -> Result<Client, ReplayError> {
    let fails = |line: usize, reason: String| ReplayError {
        line: line + 1,
        reason: reason.into(),
    };
    let mut lines = recording.lines().enumerate();
    let header = lines
        .next()
        .ok_or_else(|| fails(0, "the recording is empty".to_owned()))?
        .1;
    let config: Config =
        serde_json::from_str(header).map_err(|error| fails(0, error.to_string()))?;
    let mut client = Client::new(config);
    for (at, line) in lines {
        let Entry { nanos, input } =
            serde_json::from_str(line).map_err(|error| fails(at, error.to_string()))?;
        let now = Instant::from_origin(Duration::from_nanos(nanos));
        input
            .play(&mut client, now, &mut output)
            .map_err(|reason| fails(at, reason.to_owned()))?;
    }
    Ok(client)
}

/// Why a recording cannot be played.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReplayError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Box<str>,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the recording: {}", self.line, self.reason)
    }
}

impl core::error::Error for ReplayError {}

/// The recording was to begin after the client had been used: it could not be replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLateToRecord;

impl fmt::Display for TooLateToRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a recording begins with a new client, this one was used already")
    }
}

impl core::error::Error for TooLateToRecord {}

/// What is recorded and not taken yet.
#[derive(Debug)]
pub(crate) struct Recorder {
    text: String,
    max: usize,
    polls: u32,
    now: Instant,
    /// It ended for want of room: a gap would make the rest worthless.
    ended: bool,
}

impl Recorder {
    pub(crate) fn new(config: &Config) -> Self {
        let mut text = serde_json::to_string(config).unwrap_or_default();
        text.push('\n');
        Self {
            text,
            max: config.limits.recording,
            polls: 0,
            now: Instant::ORIGIN,
            ended: false,
        }
    }

    pub(crate) fn push(&mut self, input: Input, now: Instant) {
        self.flush_polls();
        self.now = self.now.max(now);
        self.write(input);
    }

    pub(crate) fn polled(&mut self) {
        self.polls = self.polls.saturating_add(1);
    }

    pub(crate) fn take(&mut self) -> String {
        self.flush_polls();
        core::mem::take(&mut self.text)
    }

    fn flush_polls(&mut self) {
        let polls = core::mem::take(&mut self.polls);
        if polls > 0 {
            self.write(Input::Poll { times: polls });
        }
    }

    fn write(&mut self, input: Input) {
        let nanos = u64::try_from(self.now.since_origin().as_nanos()).unwrap_or(u64::MAX);
        let line = serde_json::to_string(&Entry { nanos, input }).unwrap_or_default();
        self.ended |= line.is_empty() || self.text.len() + line.len() >= self.max;
        if !self.ended {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    nanos: u64,
    input: Input,
}

/// An input of a client, as it is recorded.
#[derive(Serialize, Deserialize)]
pub(crate) enum Input {
    Add {
        thing: String,
        shadow: Option<String>,
        interest: u8,
    },
    Remove {
        shadow: (u32, u32),
    },
    Register {
        shadow: (u32, u32),
        interest: u8,
    },
    Configure {
        shadow: (u32, u32),
        options: ShadowOptions,
    },
    KeepPayloads {
        keep: bool,
    },
    Get {
        shadow: (u32, u32),
        options: Options,
    },
    Delete {
        shadow: (u32, u32),
        options: Options,
    },
    Update(Box<UpdateInput>),
    Cancel {
        request: (NonZeroU64, u32),
    },
    Resync {
        shadow: (u32, u32),
    },
    NotePublish,
    Connected {
        session_present: bool,
    },
    SessionDoubted,
    Disconnected,
    Suback {
        id: u64,
        codes: Vec<u8>,
    },
    SubscribeFailed {
        id: u64,
    },
    Unsuback {
        id: u64,
    },
    Puback {
        id: (u64, u32),
        code: u8,
    },
    SendFailed {
        id: (u64, u32),
    },
    Publish {
        topic: String,
        payload: Payload,
    },
    Timeout,
    Poll {
        times: u32,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct UpdateInput {
    shadow: (u32, u32),
    desired: Part,
    reported: Part,
    clear: bool,
    version: Option<u64>,
    options: Options,
}

#[derive(Serialize, Deserialize)]
enum Part {
    Leave,
    Clear,
    Set(Json),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Options {
    timeout: Option<Duration>,
    token: Option<String>,
    #[serde(default)]
    reserve_token: bool,
    when_offline: WhenOffline,
    qos: Option<Qos>,
    latest: bool,
    retry: Retry,
}

/// Text where it is text, else hexadecimal.
#[derive(Serialize, Deserialize)]
pub(crate) enum Payload {
    Text(String),
    Hex(String),
}

impl Input {
    fn play(
        self,
        client: &mut Client,
        now: Instant,
        output: &mut impl FnMut(&Output),
    ) -> Result<(), &'static str> {
        match self {
            Self::Add {
                thing,
                shadow,
                interest,
            } => {
                let id = ShadowId::new(&thing, shadow.as_deref()).map_err(|_| "a bad name")?;
                let _ = client.add_shadow(id, Interest::from_bits(interest), now);
            }
            Self::Remove { shadow } => {
                let _ = client.remove_shadow(handle(shadow), now);
            }
            Self::Register { shadow, interest } => {
                let _ = client.register(handle(shadow), Interest::from_bits(interest), now);
            }
            Self::Configure { shadow, options } => {
                let _ = client.configure(handle(shadow), options, now);
            }
            Self::KeepPayloads { keep } => client.keep_payloads(keep, now),
            Self::Get { shadow, options } => {
                let _ = client.get(handle(shadow), options.borrow(), now);
            }
            Self::Delete { shadow, options } => {
                let _ = client.delete(handle(shadow), options.borrow(), now);
            }
            Self::Update(update) => {
                let asked = Update {
                    desired: update.desired.borrow(),
                    reported: update.reported.borrow(),
                    version: update.version.map(Version::new),
                    options: update.options.borrow(),
                    clear: update.clear,
                };
                let _ = client.update(handle(update.shadow), asked, now);
            }
            Self::Cancel {
                request: (serial, slot),
            } => {
                let _ = client.cancel(RequestId { serial, slot }, now);
            }
            Self::Resync { shadow } => {
                let _ = client.resync(handle(shadow), now);
            }
            Self::NotePublish => client.note_publish(now),
            Self::Connected { session_present } => client.handle_connected(session_present, now),
            Self::SessionDoubted => client.handle_session_doubted(now),
            Self::Disconnected => client.handle_disconnected(now),
            Self::Suback { id, codes } => {
                let codes: Vec<_> = codes.into_iter().map(SubackCode::new).collect();
                client.handle_suback(SubscribeId(id), &codes, now);
            }
            Self::SubscribeFailed { id } => client.handle_subscribe_failed(SubscribeId(id), now),
            Self::Unsuback { id } => client.handle_unsuback(SubscribeId(id), now),
            Self::Puback {
                id: (counter, slot),
                code,
            } => {
                client.handle_puback(PublishId { counter, slot }, PubackCode::new(code), now);
            }
            Self::SendFailed {
                id: (counter, slot),
            } => {
                client.handle_send_failed(PublishId { counter, slot }, now);
            }
            Self::Publish { topic, payload } => {
                let payload = payload.bytes().ok_or("a bad payload")?;
                let _ = client.handle_publish(&topic, &payload, now);
            }
            Self::Timeout => client.handle_timeout(now),
            Self::Poll { times } => {
                for _ in 0..times {
                    if let Some(polled) = client.poll_output() {
                        output(&polled);
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn add(id: &ShadowId, interest: Interest) -> Self {
        let shadow = id.shadow().map(str::to_owned);
        Self::Add {
            thing: id.thing().to_owned(),
            shadow,
            interest: interest.bits(),
        }
    }

    pub(crate) fn update(shadow: ShadowHandle, update: &Update<'_>) -> Self {
        Self::Update(Box::new(UpdateInput {
            shadow: pair(shadow),
            desired: Part::of(update.desired),
            reported: Part::of(update.reported),
            clear: update.clear,
            version: update.version.map(Version::number),
            options: Options::of(&update.options),
        }))
    }
}

impl Part {
    fn of(section: Section<'_>) -> Self {
        match section {
            Section::Leave => Self::Leave,
            Section::Clear => Self::Clear,
            Section::Set(state) => Self::Set(Json::from_raw(state)),
        }
    }

    fn borrow(&self) -> Section<'_> {
        match self {
            Self::Leave => Section::Leave,
            Self::Clear => Section::Clear,
            Self::Set(state) => Section::Set(state.as_raw()),
        }
    }
}

impl Options {
    pub(crate) fn of(options: &RequestOptions<'_>) -> Self {
        let RequestOptions {
            timeout,
            token,
            reserve_token,
            when_offline,
            qos,
            latest,
            retry,
        } = *options;
        Self {
            timeout,
            token: token.map(str::to_owned),
            reserve_token,
            when_offline,
            qos,
            latest,
            retry,
        }
    }

    fn borrow(&self) -> RequestOptions<'_> {
        let Self {
            timeout,
            ref token,
            reserve_token,
            when_offline,
            qos,
            latest,
            retry,
        } = *self;
        RequestOptions {
            timeout,
            token: token.as_deref(),
            reserve_token,
            when_offline,
            qos,
            latest,
            retry,
        }
    }
}

impl Payload {
    pub(crate) fn of(payload: &[u8]) -> Self {
        match core::str::from_utf8(payload) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(payload.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    fn bytes(self) -> Option<Vec<u8>> {
        let hex = match self {
            Self::Text(text) => return Some(text.into_bytes()),
            Self::Hex(hex) => hex,
        };
        let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
        let pairs = digits.as_deref()?.chunks_exact(2);
        pairs
            .map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok())
            .collect()
    }
}

pub(crate) const fn pair(shadow: ShadowHandle) -> (u32, u32) {
    (shadow.slot, shadow.generation)
}

const fn handle((slot, generation): (u32, u32)) -> ShadowHandle {
    ShadowHandle { slot, generation }
}
