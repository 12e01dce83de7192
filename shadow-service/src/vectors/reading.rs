//! `examples.json` to [`Scenario`]s.

use super::{Alternative, Scenario, Step, VectorError};
use crate::value::{Object, Scalar, Value};
use alloc::{boxed::Box, format, string::String, string::ToString, vec::Vec};
use shadow_proto::{ShadowId, TopicKind};

pub(super) fn scenarios(text: &str) -> Result<Vec<Scenario>, VectorError> {
    let file = Value::parse(text).map_err(|error| VectorError::new(error.to_string()))?;
    let all = file
        .as_array()
        .ok_or_else(|| missing("array of scenarios"))?;
    all.iter().map(scenario).collect()
}

fn scenario(value: &Value) -> Result<Scenario, VectorError> {
    let fields = object(value)?;
    let name = text(fields, "name")?;
    let thing = text(fields, "thing")?;
    let shadow = fields.get("shadow").and_then(Value::as_str);
    let limit = |name| {
        let limits = fields.get("limits").and_then(Value::as_object);
        let limit = limits.and_then(|limits| limits.get(name)?.as_u64());
        limit.and_then(|limit| usize::try_from(limit).ok())
    };
    let steps = fields.get("steps").and_then(Value::as_array);
    let steps = steps.ok_or_else(|| missing("steps"))?.iter();
    let steps = steps.map(|value| step(value, &thing, shadow));
    let steps: Result<Vec<Step>, VectorError> = steps.collect();
    Ok(Scenario {
        max_document_bytes: limit("max_document_bytes"),
        max_depth: limit("max_depth"),
        confidence: text(fields, "confidence")?,
        source: text(fields, "source")?,
        steps: steps.map_err(|error| error.within(&name))?,
        name,
    })
}

fn step(value: &Value, thing: &str, shadow: Option<&str>) -> Result<Step, VectorError> {
    let fields = object(value)?;
    let shadow = fields.get("shadow").map_or(shadow, Value::as_str);
    let shadow = ShadowId::new(thing, shadow).map_err(|e| VectorError::new(e.to_string()))?;
    let request = object(fields.get("request").ok_or_else(|| missing("request"))?)?;
    let operation = kind(request)?.operation();
    let payload = match (request.get("payload"), request.get("payload_raw")) {
        (Some(payload), None) => expand_value(payload)?.to_string(),
        (None, Some(raw)) => expand(raw.as_str().ok_or_else(|| missing("payload_raw"))?)?,
        (Some(_), Some(_)) | (None, None) => return Err(missing("one payload")),
    };
    let alternatives: Vec<Alternative> = match fields.get("any_of").and_then(Value::as_array) {
        Some(any_of) => any_of.iter().map(alternative).collect::<Result<_, _>>()?,
        None => Vec::from([alternative(value)?]),
    };
    if alternatives.is_empty() {
        return Err(missing("alternatives"));
    }
    Ok(Step {
        shadow,
        operation,
        payload,
        alternatives,
    })
}

fn alternative(value: &Value) -> Result<Alternative, VectorError> {
    let fields = object(value)?;
    let expect = fields.get("expect").and_then(Value::as_array);
    let messages = expect.ok_or_else(|| missing("expect"))?.iter();
    let messages = messages.map(|message| {
        let message = object(message)?;
        let payload = message.get("payload").ok_or_else(|| missing("payload"))?;
        Ok((kind(message)?, expand_value(payload)?))
    });
    let document = fields.get("document").filter(|value| !value.is_null());
    Ok(Alternative {
        label: text(fields, "label").unwrap_or_default(),
        messages: messages.collect::<Result<_, VectorError>>()?,
        document: document.map(expand_value).transpose()?,
    })
}

fn kind(fields: &Object) -> Result<TopicKind, VectorError> {
    let topic = text(fields, "topic")?;
    TopicKind::from_suffix(&topic).ok_or_else(|| missing("topic of a shadow"))
}

fn object(value: &Value) -> Result<&Object, VectorError> {
    value.as_object().ok_or_else(|| missing("object"))
}

fn text(fields: &Object, name: &str) -> Result<String, VectorError> {
    let value = fields.get(name).and_then(Value::as_str);
    value.map(Into::into).ok_or_else(|| missing(name))
}

fn missing(what: &str) -> VectorError {
    VectorError::new(format!("expected {what}"))
}

/// Expands `@repeat(c,n)` in every string and name.
fn expand_value(value: &Value) -> Result<Value, VectorError> {
    Ok(match value {
        Value::Leaf(Scalar::String(text)) => Value::Leaf(Scalar::String(expand(text)?.into())),
        leaf @ Value::Leaf(..) => leaf.clone(),
        Value::Array(elements) => Value::Array(
            elements
                .iter()
                .map(expand_value)
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(object) => {
            let members = object.iter().map(|(name, value)| {
                let name: Box<str> = expand(name)?.into();
                Ok((name, expand_value(value)?))
            });
            let members: Result<Vec<_>, VectorError> = members.collect();
            Value::Object(Object::from_members(members?))
        }
    })
}

fn expand(text: &str) -> Result<String, VectorError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, call)) = rest.split_once("@repeat(") {
        let parts = call.split_once(',').and_then(|(unit, call)| {
            let (count, after) = call.split_once(')')?;
            Some((unit, count.parse::<usize>().ok()?, after))
        });
        let (unit, count, after) = parts.ok_or_else(|| missing("@repeat(c,n)"))?;
        out.push_str(before);
        out.push_str(&unit.repeat(count));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
