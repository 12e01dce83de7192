//! Who asked for which filter: several may, and the broker hears of the first and the last.

use transport_core::{
    ActionId, MqttQos, SubackCode,
    mqtt_session::{self, Ask, Hold, Release, Restore, Subscriptions, TopicFilter},
};

/// The account of one client's subscriptions, by the session's own rules.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    table: Subscriptions,
    requests: Vec<Request>,
}

/// A SUBSCRIBE of the hub's that is not answered as a whole.
#[derive(Debug)]
struct Request {
    id: ActionId,
    filters: Vec<(Option<TopicFilter>, Option<SubackCode>)>,
    failed: bool,
}

/// What to tell the hub.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Subscribed {
    Answered(ActionId, Vec<SubackCode>),
    Failed(ActionId),
}

impl Filters {
    /// Takes a request; what has to be asked of the broker. Then [`finished`](Self::finished).
    pub(crate) fn subscribe(
        &mut self,
        id: ActionId,
        filters: &[Box<str>],
        qos: MqttQos,
    ) -> Vec<(TopicFilter, Ask)> {
        let mut asks = Vec::new();
        let mut request = Request {
            id,
            filters: Vec::new(),
            failed: false,
        };
        for text in filters {
            let Ok(filter) = TopicFilter::new(&**text) else {
                request.filters.push((None, Some(FILTER_INVALID)));
                continue;
            };
            let held = self.table.hold(id.owner(), &filter, qos, Restore::ByOwner);
            let code = match held {
                Hold::Granted(code) => Some(SubackCode::new(code.value())),
                Hold::Unanswered => {
                    let ask = self.table.next_ask(&filter);
                    asks.extend(ask.map(|ask| (filter.clone(), ask)));
                    None
                }
            };
            request.filters.push((Some(filter), code));
        }
        self.requests.push(request);
        asks
    }

    /// The broker answered for one filter.
    pub(crate) fn answered(&mut self, filter: &TopicFilter, ask: Ask, code: u8) {
        let code = mqtt_session::SubackCode::new(code);
        for answer in self.table.answered(filter, ask.ticket, code) {
            let code = SubackCode::new(answer.code.value());
            let requests = self.requests.iter_mut();
            let of_owner = requests.filter(|request| request.id.owner() == answer.owner);
            for (asked, answered) in of_owner.flat_map(|request| &mut request.filters) {
                if asked.as_ref() == Some(filter) {
                    answered.get_or_insert(code);
                }
            }
        }
    }

    /// The broker will not answer for it.
    pub(crate) fn failed(&mut self, filter: &TopicFilter, ask: Ask) {
        for request in &mut self.requests {
            let waits = |(asked, code): &(Option<TopicFilter>, Option<SubackCode>)| {
                code.is_none() && asked.as_ref() == Some(filter)
            };
            request.failed |= request.filters.iter().any(waits);
        }
        self.answered(filter, ask, 0x80);
    }

    /// The next request that has all its answers.
    pub(crate) fn finished(&mut self) -> Option<Subscribed> {
        let done = |request: &Request| request.filters.iter().all(|(_, code)| code.is_some());
        let at = self.requests.iter().position(done)?;
        let request = self.requests.remove(at);
        if request.failed {
            return Some(Subscribed::Failed(request.id));
        }
        let codes = request.filters.into_iter().filter_map(|(_, code)| code);
        Some(Subscribed::Answered(request.id, codes.collect()))
    }

    /// Those of the filters that the broker is to be told of.
    pub(crate) fn unsubscribe(&mut self, id: ActionId, filters: &[Box<str>]) -> Vec<Box<str>> {
        let mut leaving = Vec::new();
        for text in filters {
            let Ok(filter) = TopicFilter::new(&**text) else {
                continue;
            };
            let released = self.table.release(id.owner(), &filter);
            // What was not held may be left from a session before.
            let tell = match released {
                Release::Last { tell_server } => tell_server,
                Release::NotHeld => !self.table.is_held(&filter),
                Release::HeldByOthers => false,
            };
            if tell {
                leaving.push(text.clone());
            }
        }
        leaving
    }

    /// The connection is up; a lost session knows no filter.
    pub(crate) fn handle_connected(&mut self, session_present: bool) {
        if !session_present {
            self.table.handle_session_lost();
        }
    }

    /// The connection is down; the hub asks anew for what was not answered.
    pub(crate) fn handle_disconnected(&mut self) {
        self.requests.clear();
        self.table.handle_disconnected();
    }
}

/// MQTT 5, section 3.9.3.
const FILTER_INVALID: SubackCode = SubackCode::new(0x8f);
