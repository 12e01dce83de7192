//! The options, as paho wants them.

use core::{
    hash::{BuildHasher as _, Hasher as _},
    time::Duration,
};
use std::{
    collections::hash_map::RandomState,
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
};

use paho_mqtt::{
    self as paho, Message, MessageBuilder, Properties, PropertyCode, SslOptionsBuilder,
};
use transport_core::{
    MessageProperties, MqttQos, MqttVersion, OpenError, Plan, Publish, RootsFile, TlsFiles, Will,
    mqtt_session::Options,
};

/// What a client of the C library is made with.
pub(crate) fn create(plan: &Plan, options: &Options) -> paho::CreateOptions {
    paho::CreateOptionsBuilder::new()
        .server_uri(plan.url.expose())
        .client_id(options.client_id.as_str())
        .mqtt_version(version(options))
        .persistence(paho::PersistenceType::None)
        // The hub bounds what is handed over; nothing is while there is no connection.
        .max_buffered_messages(BUFFERED)
        .finalize()
}

/// What it connects with, and what has to live until it has.
pub(crate) fn connect(
    plan: &Plan,
    options: &Options,
) -> Result<(paho::ConnectOptions, Option<TempFile>), OpenError> {
    let mut builder = paho::ConnectOptionsBuilder::with_mqtt_version(version(options));
    if options.version == MqttVersion::V5 {
        builder.clean_start(options.clean_start);
        let properties = connect_properties(options);
        builder.properties(properties.map_err(|error| impossible(plan, &error))?);
    } else {
        builder.clean_session(options.clean_start);
    }
    if keeps_session(options) {
        // The same client connects again, and its first URL may be signed and stale.
        builder.server_uris(&[plan.url.expose()]);
    }
    // Zero, for none, cannot be said.
    let keep_alive = match options.keep_alive {
        Duration::ZERO => Duration::from_secs(u64::from(u16::MAX)),
        keep_alive => whole(keep_alive),
    };
    builder
        .keep_alive_interval(keep_alive)
        .connect_timeout(whole(options.connack_timeout))
        .max_inflight(IN_FLIGHT);
    if let Some(name) = &options.user_name {
        builder.user_name(name.as_str());
    }
    if let Some(password) = &options.password {
        builder.password(password.as_str());
    }
    if let Some(message) = &options.will {
        builder.will_message(will(message, options.version).map_err(|e| impossible(plan, &e))?);
    }
    if !plan.headers.is_empty() {
        let headers = plan.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (&**name, value.expose()))
            .collect();
        builder.http_headers(&headers);
    }
    let mut file = None;
    if plan.tls.is_some() && !cfg!(feature = "ssl") {
        let message = "this build of the C library has no TLS: enable the feature `ssl`";
        return Err(plan.impossible(message));
    }
    if let Some(tls) = &plan.tls {
        let (ssl, roots) = ssl(plan, tls)?;
        builder.ssl_options(ssl);
        file = roots;
    }
    if let Some(proxy) = &plan.proxy {
        match plan.tls {
            Some(_) => builder.https_proxy(proxy.expose()),
            None => builder.http_proxy(proxy.expose()),
        };
    }
    Ok((builder.finalize(), file))
}

/// Whether the broker keeps the session when the connection ends, and the C library with it.
pub(crate) fn keeps_session(options: &Options) -> bool {
    let ends = options.version == MqttVersion::V5
        && options.session_expiry.is_none_or(|expiry| expiry.is_zero());
    !(options.clean_start || ends)
}

/// A message as paho sends it. Its topic has been checked.
fn message(
    topic: &str,
    payload: &[u8],
    qos: MqttQos,
    retain: bool,
    properties: Properties,
) -> Message {
    MessageBuilder::new()
        .topic(topic)
        .payload(payload)
        .qos(i32::from(qos.level()))
        .retained(retain)
        .properties(properties)
        .finalize()
}

/// A message to the broker.
pub(crate) fn publish(version: MqttVersion, from: &Publish) -> paho::Result<Message> {
    let properties = properties(version, from.properties.as_deref())?;
    let (topic, payload) = (&from.topic, &from.payload);
    Ok(message(topic, payload, from.qos, from.retain, properties))
}

/// The properties of a message to the broker. None over 3.1.1, which has no place for them.
fn properties(version: MqttVersion, from: Option<&MessageProperties>) -> paho::Result<Properties> {
    let mut to = Properties::new();
    let Some(from) = from.filter(|_| version == MqttVersion::V5) else {
        return Ok(to);
    };
    if let Some(expiry) = from.message_expiry {
        to.push_u32(PropertyCode::MessageExpiryInterval, seconds(expiry))?;
    }
    if let Some(utf8) = from.payload_is_utf8 {
        to.push_byte(PropertyCode::PayloadFormatIndicator, u8::from(utf8))?;
    }
    if let Some(text) = &from.content_type {
        to.push_string(PropertyCode::ContentType, text)?;
    }
    if let Some(topic) = &from.response_topic {
        to.push_string(PropertyCode::ResponseTopic, topic)?;
    }
    if let Some(data) = &from.correlation_data {
        to.push_binary(PropertyCode::CorrelationData, data.to_vec())?;
    }
    for (name, value) in &from.user_properties {
        to.push_string_pair(PropertyCode::UserProperty, name, value)?;
    }
    Ok(to)
}

/// The properties of a message from the broker.
pub(crate) fn received(from: &Properties) -> Option<Box<MessageProperties>> {
    if from.is_empty() {
        return None;
    }
    let mut to = MessageProperties::default();
    let byte = from.get_val::<u8>(PropertyCode::PayloadFormatIndicator);
    to.payload_is_utf8 = byte.map(|byte| byte == 1);
    let expiry = from.get_val::<u32>(PropertyCode::MessageExpiryInterval);
    to.message_expiry = expiry.map(|left| Duration::from_secs(u64::from(left)));
    to.content_type = from.get_string(PropertyCode::ContentType);
    to.response_topic = from.get_string(PropertyCode::ResponseTopic);
    let data = from.get_binary(PropertyCode::CorrelationData);
    to.correlation_data = data.map(Into::into);
    to.user_properties = from.user_iter().collect();
    let ids = from.iter(PropertyCode::SubscriptionIdentifier);
    to.subscription_ids = ids.filter_map(|id| id.get_u32()).collect();
    Some(Box::new(to))
}

fn connect_properties(options: &Options) -> paho::Result<Properties> {
    let mut to = Properties::new();
    if let Some(expiry) = options.session_expiry.filter(|expiry| !expiry.is_zero()) {
        to.push_u32(PropertyCode::SessionExpiryInterval, seconds(expiry))?;
    }
    to.push_u16(PropertyCode::ReceiveMaximum, options.receive_maximum)?;
    to.push_u32(PropertyCode::MaximumPacketSize, options.max_packet_size)?;
    for (name, value) in &options.user_properties {
        to.push_string_pair(PropertyCode::UserProperty, name, value)?;
    }
    Ok(to)
}

fn will(will: &Will, version: MqttVersion) -> paho::Result<Message> {
    let mut to = properties(version, Some(&will.properties))?;
    if let Some(delay) = will.delay.filter(|_| version == MqttVersion::V5) {
        to.push_u32(PropertyCode::WillDelayInterval, seconds(delay))?;
    }
    Ok(message(
        &will.topic,
        &will.payload,
        will.qos,
        will.retain,
        to,
    ))
}

fn ssl(plan: &Plan, tls: &TlsFiles) -> Result<(paho::SslOptions, Option<TempFile>), OpenError> {
    let mut ssl = SslOptionsBuilder::new();
    ssl.enable_server_cert_auth(true).verify(true);
    let file = match &tls.roots {
        RootsFile::System => None,
        RootsFile::File(path) => {
            trust(plan, &mut ssl, path.clone())?;
            None
        }
        RootsFile::Text(text) => {
            let file = TempFile::new(text).map_err(|error| plan.error(&error))?;
            trust(plan, &mut ssl, file.path.clone())?;
            Some(file)
        }
    };
    if let Some((certificate, key)) = &tls.identity {
        let set = ssl
            .key_store(certificate)
            .and_then(|ssl| ssl.private_key(key));
        set.map_err(|error| impossible(plan, &error))?;
    }
    let protocols: Vec<&str> = tls.alpn.iter().map(String::as_str).collect();
    ssl.alpn_protos(&protocols);
    Ok((ssl.finalize(), file))
}

/// Trusts those in this file, and nobody else.
fn trust(plan: &Plan, ssl: &mut SslOptionsBuilder, path: PathBuf) -> Result<(), OpenError> {
    ssl.disable_default_trust_store(true);
    match ssl.trust_store(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(impossible(plan, &error)),
    }
}

fn impossible(plan: &Plan, error: &paho::Error) -> OpenError {
    plan.impossible(error.to_string())
}

fn version(options: &Options) -> paho::MqttVersion {
    match options.version {
        MqttVersion::V3_1_1 => paho::MqttVersion::V3_1_1,
        _ => paho::MqttVersion::V5,
    }
}

/// Whole seconds, rounded up, as MQTT has them.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(whole(duration).as_secs()).unwrap_or(u32::MAX)
}

fn whole(duration: Duration) -> Duration {
    let more = u64::from(duration.subsec_nanos() > 0);
    Duration::from_secs(duration.as_secs().saturating_add(more))
}

/// A file that others cannot write, for certificates of authorities, which the C library takes
/// from files alone. Gone when dropped.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
}

impl TempFile {
    fn new(text: &[u8]) -> io::Result<Self> {
        let number = RandomState::new().build_hasher().finish();
        let path = env::temp_dir().join(format!("device-shadow-{number:016x}.pem"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&path)?;
        let this = Self { path };
        file.write_all(text)?;
        Ok(this)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Certificates of authorities are public; what stays behind does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// More than the hub ever hands over.
const BUFFERED: i32 = 60_000;
/// An MQTT 5 broker may lower it.
const IN_FLIGHT: i32 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(7)), 7);
        assert_eq!(seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn properties_come_back_as_they_went() {
        let mut sent = MessageProperties::default();
        sent.payload_is_utf8 = Some(true);
        sent.message_expiry = Some(Duration::from_millis(1_500));
        sent.content_type = Some("text/plain".into());
        sent.response_topic = Some("answers".into());
        sent.correlation_data = Some([0, 1, 2].to_vec().into());
        sent.user_properties = vec![("a".into(), "1".into()), ("a".into(), "2".into())];
        let wire = properties(MqttVersion::V5, Some(&sent)).unwrap();
        sent.message_expiry = Some(Duration::from_secs(2));
        assert_eq!(received(&wire).as_deref(), Some(&sent));
        let none = properties(MqttVersion::V3_1_1, Some(&sent)).unwrap();
        assert_eq!(received(&none), None);
    }

    #[test]
    fn a_session_outlives_the_connection_only_if_the_broker_keeps_it() {
        let keeps = |version, clean_start, expiry| {
            let mut options = Options::new("");
            options.version = version;
            options.clean_start = clean_start;
            options.session_expiry = expiry;
            keeps_session(&options)
        };
        let minute = Some(Duration::from_secs(60));
        assert!(keeps(MqttVersion::V3_1_1, false, None));
        assert!(keeps(MqttVersion::V5, false, minute));
        assert!(!keeps(MqttVersion::V5, false, None));
        assert!(!keeps(MqttVersion::V5, true, minute));
        assert!(!keeps(MqttVersion::V3_1_1, true, None));
    }

    #[test]
    fn the_file_for_authorities_is_private_and_goes_away() {
        let file = TempFile::new(b"text").unwrap();
        let path = file.path.clone();
        assert_eq!(fs::read(&path).unwrap(), b"text");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(file);
        assert!(!path.exists());
    }
}
