//! Which right is missing, probably, when something was refused or had no answer.

use mqtt_session::{ConnectCode, DisconnectReason, Version};
use shadow_proto::{Failure, Operation, ShadowId, Stage};

use super::{ACTIONS, LIST, over_rest, spell};
use crate::error::ConnectError;

/// Which right is missing, probably, when a subscription to `filter` is refused: the end of an
/// error's text. The right is called as in a policy of AWS.
///
/// ```
/// use transport_core::policy::missing_for_filter;
///
/// let text = missing_for_filter("$aws/things/lamp/shadow/update/delta");
/// assert!(text.ends_with("iot:Subscribe on topicfilter/$aws/things/lamp/shadow/update/delta"));
/// ```
#[must_use]
pub fn missing_for_filter(filter: &str) -> String {
    format!("the policy or access list lacks, probably, iot:Subscribe on topicfilter/{filter}")
}

/// Which right is missing, probably, when a publish to `topic` is refused or ends the connection:
/// the end of an error's text.
///
/// ```
/// use transport_core::policy::missing_for_topic;
///
/// let text = missing_for_topic("$aws/things/lamp/shadow/get");
/// assert!(text.ends_with("iot:Publish on topic/$aws/things/lamp/shadow/get"));
/// ```
#[must_use]
pub fn missing_for_topic(topic: &str) -> String {
    format!("the policy or access list lacks, probably, iot:Publish on topic/{topic}")
}

/// Which right is missing, probably, when an operation over the REST data plane is answered with
/// 403: the end of an error's text.
///
/// ```
/// use transport_core::{Operation, ShadowId, policy::missing_for_rest};
///
/// let config = ShadowId::named("lamp", "config")?;
/// let text = missing_for_rest(&config, Operation::Get);
/// assert!(text.ends_with("iot:GetThingShadow on thing/lamp/config"));
/// # Ok::<(), transport_core::NameError>(())
/// ```
#[must_use]
pub fn missing_for_rest(shadow: &ShadowId, operation: Operation) -> String {
    let (action, resource) = over_rest(shadow, operation);
    let action = ACTIONS.get(action).copied().unwrap_or_default();
    format!("the policy lacks, probably, {action} on {resource}")
}

/// Which right is missing, probably, when listing named shadows is answered with 403: the end of
/// an error's text. AWS knows this right for all things or none.
///
/// ```
/// use transport_core::policy::missing_for_rest_list;
///
/// assert!(missing_for_rest_list().ends_with("iot:ListNamedShadowsForThing on *"));
/// ```
#[must_use]
pub fn missing_for_rest_list() -> String {
    let action = ACTIONS.get(LIST).copied().unwrap_or_default();
    format!("the policy lacks, probably, {action} on *")
}

/// Which right is missing, probably, when messages on `topic` do not arrive although it is
/// subscribed: the end of an error's text.
///
/// ```
/// use transport_core::policy::missing_for_message;
///
/// let text = missing_for_message("$aws/things/lamp/shadow/get/accepted");
/// assert!(text.ends_with("iot:Receive on topic/$aws/things/lamp/shadow/get/accepted"));
/// ```
#[must_use]
pub fn missing_for_message(topic: &str) -> String {
    format!("the policy or access list lacks, probably, iot:Receive on topic/{topic}")
}

/// Which right is missing, probably, if a client is not let in: the end of an error's text.
/// `None` if the error has other reasons.
///
/// ```
/// use transport_core::{ConnectError, policy::missing_for_client};
///
/// // What has other reasons is not about rights.
/// assert_eq!(missing_for_client("lamp", &ConnectError::TimedOut), None);
/// ```
#[must_use]
pub fn missing_for_client(client_id: &str, error: &ConnectError) -> Option<String> {
    let lacks =
        format!("the policy or access list lacks, probably, iot:Connect on client/{client_id}");
    match error {
        ConnectError::Refused(refusal) => match refusal.code {
            ConnectCode::NOT_AUTHORIZED | ConnectCode::V3_NOT_AUTHORIZED => Some(format!(
                "if it is not the user name, the password or the certificate, {lacks}"
            )),
            ConnectCode::CLIENT_IDENTIFIER_NOT_VALID | ConnectCode::V3_IDENTIFIER_REJECTED => {
                Some(lacks)
            }
            _ => None,
        },
        // AWS IoT Core says nothing to those it does not let in. Others close for other reasons.
        ConnectError::Closed {
            reason: DisconnectReason::TransportClosed,
            hint: None,
        } => Some(format!("if this is AWS IoT Core, {lacks}")),
        ConnectError::Closed { .. }
        | ConnectError::Options(_)
        | ConnectError::Open(_)
        | ConnectError::TimedOut
        | ConnectError::Stopped => None,
    }
}

/// Which right may be missing if a request failed so: the end of an error's text. `None` if rights
/// play no role.
///
/// MQTT 5 says when a publish is refused, so if it was not, the answer is what does not arrive.
/// Over MQTT 3.1.1 a broker can only ignore what is not allowed, or close the connection, as AWS
/// IoT Core does.
///
/// ```
/// use transport_core::{Failure, MqttVersion, Operation, ShadowId, Stage, policy::missing_for_request};
///
/// let lamp = ShadowId::classic("lamp")?;
/// let (operation, stage) = (Operation::Get, Stage::Sent);
/// let failure = Failure::Disconnected { operation, stage };
/// let text = missing_for_request(&lamp, operation, &failure, MqttVersion::V3_1_1);
/// assert!(text.is_some_and(|text| text.ends_with("topic/$aws/things/lamp/shadow/get")));
/// # Ok::<(), transport_core::NameError>(())
/// ```
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not known to be about rights is not"
)]
pub fn missing_for_request(
    shadow: &ShadowId,
    operation: Operation,
    failure: &Failure,
    version: Version,
) -> Option<String> {
    let topic = |kind| spell(shadow, kind);
    let request = topic(operation.request());
    match failure {
        Failure::PublishRefused { code, .. } => {
            // Not authorized, or not said.
            let refused = matches!(code.number(), 0x80 | 0x87);
            refused.then(|| missing_for_topic(&request))
        }
        Failure::SubscribeRefused { filter, code, .. } => {
            matches!(code.number(), 0x80 | 0x87).then(|| missing_for_filter(filter))
        }
        Failure::Disconnected {
            stage: Stage::Sent, ..
        } => Some(missing_for_topic(&request)),
        Failure::TimedOut { stage, .. } if stage.may_have_been_applied() => {
            let (accepted, rejected) = (topic(operation.accepted()), topic(operation.rejected()));
            let told = version == Version::V5 && *stage == Stage::Acknowledged;
            let publish = match told {
                true => String::new(),
                false => format!("iot:Publish on topic/{request}, or "),
            };
            Some(format!(
                "the policy or access list may lack {publish}iot:Receive on topic/{accepted} and \
                 topic/{rejected}"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_that_is_missing_is_named() {
        let lamp = ShadowId::named("lamp", "night").unwrap();
        let missing = |failure: &Failure, version| {
            missing_for_request(&lamp, Operation::Get, failure, version)
        };
        let get = "$aws/things/lamp/shadow/name/night/get";
        let publish = format!("lacks, probably, iot:Publish on topic/{get}");
        let receive = format!("iot:Receive on topic/{get}/accepted and topic/{get}/rejected");
        let either = format!("may lack iot:Publish on topic/{get}, or {receive}");
        let receive = format!("may lack {receive}");
        let operation = Operation::Get;
        let timed_out = |stage| Failure::TimedOut {
            operation,
            stage,
            hint: None,
        };
        let code = shadow_proto::PubackCode::new(0x87);
        let (stage, full) = (Stage::Sent, shadow_proto::PubackCode::new(0x97));
        for (failure, version, said) in [
            (
                Failure::PublishRefused { stage, code },
                Version::V5,
                Some(&publish),
            ),
            (
                Failure::PublishRefused { stage, code: full },
                Version::V5,
                None,
            ),
            (timed_out(Stage::Acknowledged), Version::V5, Some(&receive)),
            (
                timed_out(Stage::Acknowledged),
                Version::V3_1_1,
                Some(&either),
            ),
            (timed_out(Stage::Sent), Version::V5, Some(&either)),
            (timed_out(Stage::Subscribing), Version::V5, None),
            (
                Failure::Disconnected { operation, stage },
                Version::V3_1_1,
                Some(&publish),
            ),
            (Failure::Cancelled { operation, stage }, Version::V5, None),
        ] {
            let text = missing(&failure, version);
            match (said, &text) {
                (None, None) => {}
                (Some(said), Some(text)) => assert!(text.ends_with(said.as_str()), "{text}"),
                _ => panic!("{failure:?}: {text:?}"),
            }
        }
        let filter = Failure::SubscribeRefused {
            stage,
            filter: "a/+".into(),
            code: shadow_proto::SubackCode::new(0x80),
        };
        let text = missing(&filter, Version::V3_1_1).unwrap();
        assert!(text.ends_with("iot:Subscribe on topicfilter/a/+"), "{text}");

        let refused = |code| {
            let refusal = mqtt_session::Refusal::new(ConnectCode::new(code));
            missing_for_client("x", &ConnectError::Refused(Box::new(refusal)))
        };
        for code in [2, 5, 0x85, 0x87] {
            let text = refused(code).unwrap();
            assert!(text.ends_with("iot:Connect on client/x"), "{code}: {text}");
        }
        assert_eq!(refused(0x89), None);
        let closed = ConnectError::closed(DisconnectReason::TransportClosed);
        assert!(missing_for_client("x", &closed).is_some());
        assert_eq!(missing_for_client("x", &ConnectError::TimedOut), None);
    }
}
