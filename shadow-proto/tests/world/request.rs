//! Settings, and requests with their options.

use super::{World, read::read_time};
use shadow_proto::{
    Backoff, Json, Qos, Rate, Rates, RequestOptions, Section, TopicPrefix, Update, Version,
    WhenOffline, Window,
};

impl World {
    pub(super) fn configure(&mut self, words: &[&str]) {
        assert!(self.client.is_none(), "settings come first");
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        match words[0] {
            "window" => self.config.window = Window::new(number(1), number(2)),
            "rates" => self.config.rates = Rates::default(),
            "publish-rate" => {
                self.config.rates.publishes = Some(Rate::new(number(1), number(2)));
            }
            "no-wildcards" => self.config.budget.wildcards = false,
            "keep-payloads" => self.config.keep_payloads = true,
            "no-expiry" => self.config.message_expiry = false,
            "remembered" => self.config.limits.remembered = number(1) as usize,
            "state" => self.config.limits.state = number(1) as usize,
            "shadows" => self.config.limits.shadows = number(1) as usize,
            "gate" => self.config.gate_reports = true,
            "backoff" => {
                self.config.backoff = Backoff::new(read_time(words[1]), read_time(words[2]));
            }
            "budget" => {
                self.config.budget.per_subscribe = number(1) as u16;
                self.config.budget.per_connection = number(2);
            }
            "queue" => self.config.limits.requests = number(1) as usize,
            "events" => self.config.limits.events = number(1) as usize,
            "payload" => self.config.limits.payload = number(1) as usize,
            "resync-interval" => self.config.resync.min_interval = read_time(words[1]),
            "max-age" => self.config.resync.max_age = Some(read_time(words[1])),
            "session-lost-only" => {
                self.config.resync.policy = shadow_proto::ResyncPolicy::SessionLost
            }
            "prefix" => self.config.topic_prefix = TopicPrefix::new(words[1]).unwrap(),
            other => panic!("unknown setting {other}"),
        }
    }

    pub(super) fn request(&mut self, operation: &str, words: &[&str]) {
        let now = self.now();
        let shadow = self.shadows[words[1]];
        let mut options = RequestOptions::default();
        let (mut desired, mut reported, mut clear, mut version) = (None, None, false, None);
        let mut words_left = words[2..].iter();
        while let Some(word) = words_left.next() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("timeout", time) => options.timeout = Some(read_time(time)),
                ("token", token) => options.token = Some(token),
                ("fail", _) => options.when_offline = WhenOffline::Fail,
                ("latest", _) => options.latest = true,
                ("qos0", _) => options.qos = Some(Qos::AtMostOnce),
                ("retry", _) => options.retry = shadow_proto::Retry::Always,
                ("desired", _) => {
                    desired = Some(Json::from_text(words_left.next().unwrap()).unwrap())
                }
                ("reported", _) => {
                    reported = Some(Json::from_text(words_left.next().unwrap()).unwrap())
                }
                ("clear", _) => clear = true,
                ("if", _) => {
                    version = Some(Version::new(words_left.next().unwrap().parse().unwrap()))
                }
                other => panic!("{other:?}"),
            }
        }
        let client = self.client();
        let result = match operation {
            "get" => client.get(shadow, options, now),
            "delete" => client.delete(shadow, options, now),
            _ => {
                let mut update = match (&desired, &reported) {
                    _ if clear => Update::clear(),
                    (Some(desired), Some(reported)) => Update::both(desired, reported),
                    (Some(desired), None) => Update::desired(desired),
                    (None, Some(reported)) => Update::reported(reported),
                    (None, None) => Update::default(),
                };
                for section in [&mut update.desired, &mut update.reported] {
                    if matches!(section, Section::Set(state) if state.get() == "null") {
                        *section = Section::Clear;
                    }
                }
                update.version = version;
                client.update(shadow, update.with_options(options), now)
            }
        };
        match result {
            Ok(id) => {
                self.requests.insert(words[0].to_owned(), id);
            }
            Err(error) => self.seen.push_back(format!("error {error}")),
        }
    }
}
