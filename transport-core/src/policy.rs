//! AWS IoT policies: what a client needs to be allowed, and no more.
//!
//! Actions and resources as the AWS IoT developer guide has them ("AWS IoT Core action
//! resources"): over MQTT `iot:Connect` on `client/…`, `iot:Publish` and `iot:Receive` on
//! `topic/…`, `iot:Subscribe` on `topicfilter/…`; over REST `iot:GetThingShadow` and its like on
//! `thing/…`.

mod missing;

use core::fmt::{self, Write as _};

use shadow_proto::{Operation, ShadowId, Topic, TopicKind, TopicPrefix};

pub use self::missing::{
    missing_for_client, missing_for_filter, missing_for_message, missing_for_request,
    missing_for_rest, missing_for_rest_list, missing_for_topic,
};

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
