//! A switch for each open question of the protocol.

use crate::value::NumberEquality;

/// A switch for each open question of the protocol. The defaults follow AWS's documentation,
/// then recorded behaviour of AWS, then Greengrass, then the simplest rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// Whether arrays count as levels of nesting; default yes.
    pub arrays_are_levels: bool,
    /// Whether deleting takes a version of its own: a document deleted at 2 comes back as 4
    /// (default), else as 3.
    pub delete_takes_version: bool,
    /// What `version` is compared with where there is no document.
    pub absent_version: AbsentVersion,
    /// Whether an object stays, empty, when nulls removed its last member; default yes.
    pub keep_emptied_objects: bool,
    /// Whether a new object whose members are all null is stored as `{}`; default yes, else it
    /// is not stored.
    pub keep_null_objects: bool,
    /// What happens to a null member of an object inside an array.
    pub null_in_array_object: NullInArrayObject,
    /// What is said about a null where it is refused.
    pub null_in_array_text: NullInArrayText,
    /// Which numbers are equal in a delta; default by value.
    pub numbers: NumberEquality,
    /// How large an integer in a document may be.
    pub integers: IntegerRange,
    /// Whether duplicate member names are refused (in `state`, or of the members that mean
    /// something); default no: the last wins.
    pub refuse_duplicate_members: bool,
    /// Whether an invalid client token that is a string is echoed; default no.
    pub echo_invalid_token: bool,
    /// Whether the token of a request refused with 429 is echoed; default yes.
    pub echo_throttled_token: bool,
    /// What an empty client token is.
    pub empty_token: EmptyToken,
    /// Whether a client token that is null is refused, as other things that are no string are;
    /// default no: it is none.
    pub refuse_null_token: bool,
    /// When a delta is published.
    pub delta: DeltaPolicy,
    /// How the local server counts requests in flight.
    pub in_flight: InFlightScope,
    /// What the embedded broker does about a shadow request with RETAIN.
    pub retained: Retained,
    /// What the REST data plane says when it refuses.
    pub rest_error: RestError,
    /// What the REST data plane answers to a delete.
    pub rest_delete: RestDelete,
    /// For which service's name requests of the REST data plane may be signed. Signatures
    /// themselves are not verified, and requests without one are served.
    pub rest_signing: SigningName,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            arrays_are_levels: true,
            delete_takes_version: true,
            absent_version: AbsentVersion::default(),
            keep_emptied_objects: true,
            keep_null_objects: true,
            null_in_array_object: NullInArrayObject::default(),
            null_in_array_text: NullInArrayText::default(),
            numbers: NumberEquality::default(),
            integers: IntegerRange::default(),
            refuse_duplicate_members: false,
            echo_invalid_token: false,
            echo_throttled_token: true,
            empty_token: EmptyToken::default(),
            refuse_null_token: false,
            delta: DeltaPolicy::default(),
            in_flight: InFlightScope::default(),
            retained: Retained::default(),
            rest_error: RestError::default(),
            rest_delete: RestDelete::default(),
            rest_signing: SigningName::default(),
        }
    }
}

/// What an update's `version` is compared with where there is no document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum AbsentVersion {
    /// The counter: 0 where there never was a document, one more than the last version within
    /// 48 hours of a deletion. The default.
    #[default]
    Counter,
    /// Nothing equals it: any version is a conflict.
    Conflict,
    /// It is not compared.
    Ignored,
}

/// What happens to a null member of an object inside an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NullInArrayObject {
    /// It is stored. The default.
    #[default]
    Keep,
    /// It is left out.
    Drop,
    /// The request is refused, as for a null element.
    Reject,
}

/// What an empty client token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum EmptyToken {
    /// A token: it is echoed. The default.
    #[default]
    Echo,
    /// As if there were none.
    Ignore,
    /// Invalid: 400.
    Reject,
}

/// When a delta is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DeltaPolicy {
    /// With every accepted update while there is a difference. The default.
    #[default]
    EveryUpdate,
    /// Only when the difference is another one than before the update.
    WhenChanged,
}

/// The text of the error for a null in an array, which nobody has recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NullInArrayText {
    /// `Arrays must not contain null`. The default.
    #[default]
    OfItsOwn,
    /// `Invalid JSON`.
    InvalidJson,
}

/// How large an integer in a document may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum IntegerRange {
    /// As large as it likes; it is kept as written. The default.
    #[default]
    Any,
    /// It has to fit 64 bits with a sign; a larger one is `Invalid JSON`. A number with a point
    /// or an exponent is no integer here.
    Bits64,
}

/// Of what the requests in flight are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum InFlightScope {
    /// Of each thing. The default.
    #[default]
    Thing,
    /// Of each connection. Only the embedded broker knows them; a connection of the REST data
    /// plane has one request at a time.
    Connection,
}

/// What the embedded broker does about a shadow request with RETAIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Retained {
    /// It is dropped, and its client disconnected. The default.
    #[default]
    Disconnect,
    /// It is acknowledged and dropped.
    Drop,
    /// It is served as if RETAIN were not set.
    Serve,
}

/// What the REST data plane says when it refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum RestError {
    /// The error document, as over MQTT: code, message, token. The default.
    #[default]
    Document,
    /// The message alone.
    Message,
}

/// What the REST data plane answers to a delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum RestDelete {
    /// Version and time, as over MQTT. The default.
    #[default]
    Document,
    /// Nothing.
    Empty,
}

/// For which service's name requests of the REST data plane may be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SigningName {
    /// Any. The default.
    #[default]
    Any,
    /// `iotdata`, as the API's model says; others are refused with 403.
    IotData,
    /// `iotdevicegateway`, as the developer guide says; others are refused with 403.
    IotDeviceGateway,
}
