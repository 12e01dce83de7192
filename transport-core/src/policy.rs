//! AWS IoT policies: what a client needs to be allowed, and no more.
//!
//! Actions and resources as the AWS IoT developer guide has them ("AWS IoT Core action
//! resources"): over MQTT `iot:Connect` on `client/…`, `iot:Publish` and `iot:Receive` on
//! `topic/…`, `iot:Subscribe` on `topicfilter/…`; over REST `iot:GetThingShadow` and its like on
//! `thing/…`.

use core::fmt::{self, Write as _};

use mqtt_session::{ConnectCode, DisconnectReason, Version};
use shadow_proto::{Failure, Operation, ShadowId, Stage, Topic, TopicKind, TopicPrefix};

use crate::error::ConnectError;

/// The least policy for what is asked of it.
///
/// ```
/// use transport_core::{Operation, ShadowId, TopicKind, policy::Policy};
///
/// let mut policy = Policy::new("eu-west-1", "123456789012")?;
/// policy.connect("lamp-*")?;
/// policy.request(&ShadowId::classic("lamp")?, Operation::Get);
/// policy.follow(&ShadowId::classic("lamp")?, TopicKind::UpdateDelta);
/// assert!(policy.to_string().contains(
///     r#""arn:aws:iot:eu-west-1:123456789012:topicfilter/$aws/things/lamp/shadow/update/delta""#
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `arn:aws:iot:REGION:ACCOUNT:`.
    arn: String,
    /// Actions in the order of [`ACTIONS`], each with its resources.
    resources: [Vec<String>; ACTIONS.len()],
}

/// The actions, in the order in which a policy lists them.
const ACTIONS: [&str; 8] = [
    "iot:Connect",
    "iot:Publish",
    "iot:Receive",
    "iot:Subscribe",
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "iot:ListNamedShadowsForThing",
];
const CONNECT: usize = 0;
const PUBLISH: usize = 1;
const RECEIVE: usize = 2;
const SUBSCRIBE: usize = 3;
const GET: usize = 4;
const UPDATE: usize = 5;
const DELETE: usize = 6;
const LIST: usize = 7;

impl Policy {
    /// A policy that allows nothing yet, for resources of this region and account.
    ///
    /// # Errors
    /// The region is not a word of lower-case letters, digits and dashes, or the account is not
    /// twelve digits.
    pub fn new(region: &str, account: &str) -> Result<Self, PolicyError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(plain) {
            return Err(PolicyError::Region);
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PolicyError::Account);
        }
        let partition = match region {
            _ if region.starts_with("cn-") => "aws-cn",
            _ if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Ok(Self {
            arn: format!("arn:{partition}:iot:{region}:{account}:"),
            resources: Default::default(),
        })
    }

    /// Allows to connect with this client id, in which `*` stands for any characters.
    ///
    /// # Errors
    /// It is empty, or holds what would end or change the JSON around it.
    pub fn connect(&mut self, client_id: &str) -> Result<(), PolicyError> {
        let odd = |it: char| it.is_control() || it == '"' || it == '\\';
        if client_id.is_empty() || client_id.contains(odd) {
            return Err(PolicyError::ClientId);
        }
        self.add(CONNECT, &format!("client/{client_id}"));
        Ok(())
    }

    /// Allows an operation over MQTT: to publish the request, to subscribe to and receive both of
    /// its answers.
    pub fn request(&mut self, shadow: &ShadowId, operation: Operation) {
        let topic = spell(shadow, operation.request());
        self.add(PUBLISH, &format!("topic/{topic}"));
        self.follow(shadow, operation.accepted());
        self.follow(shadow, operation.rejected());
    }

    /// Allows to subscribe to and receive one response topic.
    pub fn follow(&mut self, shadow: &ShadowId, kind: TopicKind) {
        let topic = spell(shadow, kind);
        self.add(RECEIVE, &format!("topic/{topic}"));
        self.add(SUBSCRIBE, &format!("topicfilter/{topic}"));
    }

    /// Allows an operation over the REST data plane.
    pub fn rest(&mut self, shadow: &ShadowId, operation: Operation) {
        let (action, resource) = over_rest(shadow, operation);
        self.add(action, &resource);
    }

    /// Allows to list the named shadows of things over REST. AWS knows this for all things or
    /// none.
    pub fn rest_list(&mut self) {
        self.put(LIST, "*".to_owned());
    }

    fn add(&mut self, action: usize, resource: &str) {
        let resource = format!("{}{resource}", self.arn);
        self.put(action, resource);
    }

    fn put(&mut self, action: usize, resource: String) {
        if let Some(resources) = self.resources.get_mut(action) {
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
    }
}

/// The action an operation over REST needs, and on what.
fn over_rest(shadow: &ShadowId, operation: Operation) -> (usize, String) {
    let action = match operation {
        Operation::Get => GET,
        Operation::Update => UPDATE,
        Operation::Delete => DELETE,
    };
    let thing = shadow.thing();
    let resource = match shadow.shadow() {
        None => format!("thing/{thing}"),
        Some(name) => format!("thing/{thing}/{name}"),
    };
    (action, resource)
}

/// The policy document, as AWS takes it: JSON, indented by two.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statements = String::new();
        for (action, resources) in ACTIONS.iter().zip(&self.resources) {
            if resources.is_empty() {
                continue;
            }
            let comma = if statements.is_empty() { "" } else { "," };
            let resources: Vec<String> = resources.iter().map(|it| format!("\"{it}\"")).collect();
            let resources = resources.join(",\n        ");
            write!(
                statements,
                "{comma}\n    {{\n      \"Effect\": \"Allow\",\n      \"Action\": \"{action}\",\n      \
                 \"Resource\": [\n        {resources}\n      ]\n    }}"
            )?;
        }
        write!(
            f,
            "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{statements}\n  ]\n}}"
        )
    }
}

/// Why there is no such policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not the name of a region.
    Region,
    /// It is not the number of an account.
    Account,
    /// It cannot be a client id.
    ClientId,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Region => "not a region such as eu-west-1",
            Self::Account => "not an account: twelve digits",
            Self::ClientId => "not a client id",
        })
    }
}

impl core::error::Error for PolicyError {}

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

fn spell(shadow: &ShadowId, kind: TopicKind) -> Box<str> {
    Topic::new(shadow, kind).spell(&TopicPrefix::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_once_and_in_order() {
        let lamp = ShadowId::named("lamp", "config").unwrap();
        let mut policy = Policy::new("cn-north-1", "123456789012").unwrap();
        policy.rest_list();
        policy.rest(&lamp, Operation::Get);
        policy.request(&lamp, Operation::Delete);
        policy.request(&lamp, Operation::Delete);
        assert_eq!(
            policy.to_string(),
            r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "iot:Publish",
      "Resource": [
        "arn:aws-cn:iot:cn-north-1:123456789012:topic/$aws/things/lamp/shadow/name/config/delete"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "iot:Receive",
      "Resource": [
        "arn:aws-cn:iot:cn-north-1:123456789012:topic/$aws/things/lamp/shadow/name/config/delete/accepted",
        "arn:aws-cn:iot:cn-north-1:123456789012:topic/$aws/things/lamp/shadow/name/config/delete/rejected"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "iot:Subscribe",
      "Resource": [
        "arn:aws-cn:iot:cn-north-1:123456789012:topicfilter/$aws/things/lamp/shadow/name/config/delete/accepted",
        "arn:aws-cn:iot:cn-north-1:123456789012:topicfilter/$aws/things/lamp/shadow/name/config/delete/rejected"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "iot:GetThingShadow",
      "Resource": [
        "arn:aws-cn:iot:cn-north-1:123456789012:thing/lamp/config"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "iot:ListNamedShadowsForThing",
      "Resource": [
        "*"
      ]
    }
  ]
}"#
        );
    }

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

    #[test]
    fn nothing_that_breaks_the_json() {
        for (region, account) in [("", "123456789012"), ("eu west", "123456789012")] {
            assert_eq!(Policy::new(region, account), Err(PolicyError::Region));
        }
        for account in ["", "12345678901", "12345678901a"] {
            assert_eq!(Policy::new("eu-west-1", account), Err(PolicyError::Account));
        }
        let mut policy = Policy::new("us-gov-west-1", "123456789012").unwrap();
        for id in ["", "a\"b", "a\\b", "a\nb"] {
            assert_eq!(policy.connect(id), Err(PolicyError::ClientId));
        }
        assert!(policy.to_string().ends_with("\"Statement\": [\n  ]\n}"));
    }
}
