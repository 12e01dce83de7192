//! The scenarios.

mod blocking;
mod callbacks;
mod connection;
mod deltas;
mod life;
mod load;
mod operations;
mod plain;
mod timeouts;
mod watching;

use core::{future::Future, pin::Pin};

use crate::Ground;

/// One scenario: what has to happen on every adapter.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, a sentence.
    pub name: &'static str,
    /// How many turns it takes of those that are played at the same time.
    pub(crate) weight: u32,
    pub(crate) play: fn(Ground) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Every scenario, in the order of the table.
#[must_use]
pub fn all() -> &'static [Scenario] {
    SCENARIOS
}

/// The functions are the list.
macro_rules! scenarios {
    ($($module:ident: $($name:ident $(* $weight:literal)?),+;)+) => {
        const SCENARIOS: &[Scenario] = &[$($(Scenario {
            name: stringify!($name),
            weight: 1 $(* $weight)?,
            play: |ground| Box::pin($module::$name(ground)),
        }),+),+];
    };
}

scenarios! {
    operations:
        a_classic_shadow_lives_and_dies,
        a_named_shadow_lives_and_dies,
        both_sections_are_written_and_cleared,
        null_removes_a_key,
        an_update_at_a_version_conflicts,
        a_transaction_tries_again_after_a_conflict,
        what_the_service_cannot_use_is_refused,
        every_error_code_is_told,
        a_throttled_request_is_tried_again,
        a_token_of_the_callers_own_is_used,
        big_and_odd_documents_arrive_whole;
    timeouts:
        timed_out_before_the_subscription,
        timed_out_before_the_brokers_acknowledgement,
        timed_out_before_the_services_answer,
        timed_out_without_a_connection,
        offline_is_an_error_at_once_if_so_wished;
    deltas:
        a_delta_comes_once,
        a_delta_from_before_the_start_comes_first,
        duplicates_and_older_deltas_are_dropped,
        what_cannot_be_read_ends_nothing,
        documents_come_before_and_after,
        three_things_have_classic_shadows,
        three_named_shadows_of_one_thing,
        two_handles_on_one_shadow;
    watching:
        a_watcher_sees_all_answers_and_nothing_twice,
        several_clients_write_one_shadow,
        publish_only_subscribes_nothing,
        subscriptions_per_request_leave_nothing_behind,
        an_unused_shadow_gives_its_subscriptions_back,
        a_refused_subscription_is_told;
    connection:
        a_lost_session_is_made_anew,
        a_kept_session_is_resumed,
        a_request_in_flight_fails_with_its_session,
        a_request_made_offline_is_sent_later,
        a_broker_that_is_away_comes_back,
        nobody_there_is_an_error;
    plain:
        messages_of_the_applications_own,
        a_plain_subscription_survives_a_lost_session,
        a_refused_plain_subscription_is_told,
        a_big_message_arrives_whole;
    callbacks:
        callbacks_are_called_once_and_in_order,
        a_callback_calls_back,
        a_callback_ends_the_client,
        a_callback_is_replaced_and_removed,
        every_response_topic_calls_back;
    blocking:
        the_blocking_client_does_the_same;
    life:
        dropped_futures_harm_nothing,
        a_shutdown_flushes,
        a_shutdown_ends_what_is_pending,
        the_last_handle_ends_the_connection,
        many_shadows_on_one_connection;
    load:
        ten_thousand_requests_pass_the_window * 2;
}

/// Those that are played over TLS and WebSocket, too: what they add is beneath the rest. None needs the proxy, which
/// reads what it passes on.
pub(crate) const ANY_WAY: [&str; 10] = [
    "a_classic_shadow_lives_and_dies",
    "a_named_shadow_lives_and_dies",
    "both_sections_are_written_and_cleared",
    "an_update_at_a_version_conflicts",
    "big_and_odd_documents_arrive_whole",
    "a_delta_comes_once",
    "documents_come_before_and_after",
    "a_big_message_arrives_whole",
    "a_callback_calls_back",
    "a_shutdown_flushes",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played_any_way_exists() {
        for name in ANY_WAY {
            assert!(all().iter().any(|scenario| scenario.name == name), "{name}");
        }
    }
}
