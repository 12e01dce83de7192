//! What can be set.

/// MQTT quality of service of a shadow message; AWS IoT Core knows these two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the service has two, and drivers must handle each"
)]
pub enum Qos {
    /// QoS 0: may be lost on the way.
    AtMostOnce,
    /// QoS 1: acknowledged, may arrive twice. The default.
    #[default]
    AtLeastOnce,
}
