//! What the server has to be told, as SUBSCRIBE and UNSUBSCRIBE.

use super::{Asked, Flight, Requests, ToDo, Wire};
use crate::{ServerLimits, SubackCode, TopicFilter, UnsubackCode, codec, subscriptions::Ask};

impl Requests {
    /// Sends what is to be said, in order, as many filters in a packet as are allowed.
    pub(in super::super) fn send(&mut self, wire: &mut Wire<'_>) {
        while self.flights.len() < MAX_FLIGHTS {
            let Some(next) = self.to_do.front() else {
                break;
            };
            let sent = match next {
                ToDo::Subscribe(_) => self.send_subscribe(wire),
                ToDo::Unsubscribe(_) => self.send_unsubscribe(wire),
            };
            if sent.is_none() {
                break;
            }
        }
        self.report(wire.events);
    }

    /// Sends one SUBSCRIBE at most; `None` if there was no packet identifier.
    fn send_subscribe(&mut self, wire: &mut Wire<'_>) -> Option<()> {
        let id = wire.ids.take()?;
        let mut batch: Vec<(TopicFilter, Ask)> = Vec::new();
        let size = |batch: &[(TopicFilter, Ask)], more: usize| {
            let lengths = batch.iter().map(|(filter, _)| filter.as_str().len());
            codec::subscribe_size(wire.version, lengths.chain([more]))
        };
        let limit = wire
            .server
            .maximum_packet_size
            .map_or(usize::MAX, |limit| limit as usize);
        while let Some(ToDo::Subscribe(filter)) = self.to_do.front() {
            let length = filter.as_str().len();
            let full = batch.len() >= wire.filters_per_packet || size(&batch, length) > limit;
            if full && !batch.is_empty() {
                break;
            }
            let Some(ToDo::Subscribe(filter)) = self.to_do.pop_front() else {
                break;
            };
            let Some(ask) = self.table.next_ask(&filter) else {
                continue;
            };
            self.assign(&filter, ask.ticket);
            match refused_here(&filter, wire.server, size(&[], length) > limit) {
                Some(code) => self.answer(&filter, ask.ticket, code, wire.events),
                None => batch.push((filter, ask)),
            }
        }
        if batch.is_empty() {
            wire.ids.free(id);
            return Some(());
        }
        let filters: Vec<_> = batch
            .iter()
            .map(|(filter, ask)| (filter, ask.qos))
            .collect();
        let _ = codec::subscribe(wire.version, id, &filters, wire.control);
        self.flights.push(Flight {
            id,
            filters: Asked::Subscribe(batch),
        });
        Some(())
    }

    /// Sends one UNSUBSCRIBE at most; `None` if there was no packet identifier.
    fn send_unsubscribe(&mut self, wire: &mut Wire<'_>) -> Option<()> {
        let id = wire.ids.take()?;
        let mut batch: Vec<TopicFilter> = Vec::new();
        let limit = wire
            .server
            .maximum_packet_size
            .map_or(usize::MAX, |limit| limit as usize);
        while let Some(ToDo::Unsubscribe(filter)) = self.to_do.front() {
            let lengths = batch.iter().chain([filter]).map(|f| f.as_str().len());
            let too_large = codec::subscribe_size(wire.version, lengths) > limit;
            let full = batch.len() >= wire.filters_per_packet || too_large;
            if full && !batch.is_empty() {
                break;
            }
            let Some(ToDo::Unsubscribe(filter)) = self.to_do.pop_front() else {
                break;
            };
            if self.table.is_held(&filter) {
                // Somebody wants it again; the SUBSCRIBE that follows replaces the subscription.
                self.settle(&filter, UnsubackCode::SUCCESS);
            } else if !batch.contains(&filter) {
                batch.push(filter);
            }
        }
        if batch.is_empty() {
            wire.ids.free(id);
            return Some(());
        }
        let _ = codec::unsubscribe(wire.version, id, &batch, wire.control);
        self.flights.push(Flight {
            id,
            filters: Asked::Unsubscribe(batch),
        });
        Some(())
    }
}

/// What the server said beforehand that it would refuse; asking would be a protocol error.
fn refused_here(
    filter: &TopicFilter,
    server: &ServerLimits,
    too_large: bool,
) -> Option<SubackCode> {
    if too_large {
        Some(SubackCode::PACKET_TOO_LARGE)
    } else if filter.has_wildcard() && !server.wildcard_subscriptions {
        Some(SubackCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
    } else if filter.share_group().is_some() && !server.shared_subscriptions {
        Some(SubackCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
    } else {
        None
    }
}

/// Packets without an answer at once; further ones wait, so that publishes keep identifiers.
const MAX_FLIGHTS: usize = 1024;
