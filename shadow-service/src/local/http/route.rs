//! Method and target to an operation: no IO.

use crate::error::ShadowError;
use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use shadow_proto::{Operation, ShadowId};

/// What a request line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// GetThingShadow, UpdateThingShadow, DeleteThingShadow.
    Shadow {
        shadow: ShadowId,
        operation: Operation,
    },
    /// ListNamedShadowsForThing.
    List {
        thing: String,
        page_size: Option<usize>,
        next_token: Option<String>,
    },
}

impl Route {
    /// Reads a request line: `target` is path and query as sent.
    pub(crate) fn read(method: &str, target: &str) -> Result<Self, ShadowError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let levels: Vec<Cow<'_, str>> = path
            .strip_prefix('/')
            .ok_or(ShadowError::UnknownResource)?
            .split('/')
            .map(|level| decode(level, false))
            .collect::<Result<_, _>>()?;
        let levels: Vec<&str> = levels.iter().map(|level| &**level).collect();
        match levels.as_slice() {
            ["things", thing, "shadow"] => {
                let operation = match method {
                    "GET" => Operation::Get,
                    "POST" => Operation::Update,
                    "DELETE" => Operation::Delete,
                    _ => return Err(ShadowError::MethodNotAllowed),
                };
                // An empty name means the classic shadow, as it does in AWS's C SDK.
                let name = parameter(query, "name")?.filter(|name| !name.is_empty());
                Ok(Self::Shadow {
                    shadow: shadow(thing, name.as_deref())?,
                    operation,
                })
            }
            ["api", "things", "shadow", "ListNamedShadowsForThing", thing] => {
                if method != "GET" {
                    return Err(ShadowError::MethodNotAllowed);
                }
                let page_size = parameter(query, "pageSize")?;
                let page_size = page_size.map(|size| size.parse::<usize>());
                let invalid = |_| ShadowError::InvalidRequest {
                    reason: "pageSize must be between 1 and 100",
                };
                Ok(Self::List {
                    thing: (*thing).to_string(),
                    page_size: page_size.transpose().map_err(invalid)?,
                    next_token: parameter(query, "nextToken")?.map(Cow::into_owned),
                })
            }
            _ => Err(ShadowError::UnknownResource),
        }
    }
}

pub(super) fn shadow(thing: &str, name: Option<&str>) -> Result<ShadowId, ShadowError> {
    let classic = ShadowId::classic(thing).map_err(|_| ShadowError::InvalidRequest {
        reason: "Invalid thing name",
    })?;
    let Some(name) = name else {
        return Ok(classic);
    };
    ShadowId::named(thing, name).map_err(|_| ShadowError::InvalidRequest {
        reason: "Invalid shadow name",
    })
}

/// The first parameter called `name`.
pub(super) fn parameter<'a>(
    query: &'a str,
    name: &str,
) -> Result<Option<Cow<'a, str>>, ShadowError> {
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key, true)? == name {
            return decode(value, true).map(Some);
        }
    }
    Ok(None)
}

/// Undoes percent-encoding; in a query a plus is a space.
fn decode(text: &str, query: bool) -> Result<Cow<'_, str>, ShadowError> {
    let encoded = |c| c == '%' || (query && c == '+');
    if !text.contains(encoded) {
        return Ok(Cow::Borrowed(text));
    }
    let malformed = || ShadowError::InvalidRequest {
        reason: "Malformed percent-encoding",
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut nibble = || char::from(bytes.next()?).to_digit(16);
                let high = nibble().ok_or_else(malformed)?;
                let low = nibble().ok_or_else(malformed)?;
                (high << 4 | low) as u8
            }
            b'+' if query => b' ',
            plain => plain,
        });
    }
    let text = String::from_utf8(decoded).map_err(|_| malformed())?;
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let shadow = |name: Option<&str>, operation| {
            Ok(Route::Shadow {
                shadow: ShadowId::new("la:mp", name).unwrap(),
                operation,
            })
        };
        let get = Operation::Get;
        for (method, target, route) in [
            ("GET", "/things/la:mp/shadow", shadow(None, get)),
            ("GET", "/things/la%3Amp/shadow", shadow(None, get)),
            ("GET", "/things/la%3amp/shadow?name=", shadow(None, get)),
            (
                "GET",
                "/things/la:mp/shadow?name=%24x",
                shadow(Some("$x"), get),
            ),
            (
                "GET",
                "/things/la:mp/shadow?a=b&name=x&name=y",
                shadow(Some("x"), get),
            ),
            (
                "POST",
                "/things/la:mp/shadow",
                shadow(None, Operation::Update),
            ),
            (
                "DELETE",
                "/things/la:mp/shadow",
                shadow(None, Operation::Delete),
            ),
        ] {
            assert_eq!(Route::read(method, target), route, "{method} {target}");
        }
        let target = "/api/things/shadow/ListNamedShadowsForThing/t?pageSize=5&nextToken=a%2Bb";
        assert_eq!(
            Route::read("GET", target),
            Ok(Route::List {
                thing: "t".into(),
                page_size: Some(5),
                next_token: Some("a+b".into()),
            })
        );
    }

    #[test]
    fn what_is_wrong_with_a_target() {
        for (method, target, code) in [
            ("GET", "", 404),
            ("GET", "*", 404),
            ("GET", "/", 404),
            ("GET", "/things", 404),
            ("GET", "/things/lamp/shadow/", 404),
            ("GET", "/things/lamp/shadow/name/x", 404),
            ("GET", "/Things/lamp/shadow", 404),
            ("PUT", "/things/lamp/shadow", 405),
            ("HEAD", "/things/lamp/shadow", 405),
            (
                "POST",
                "/api/things/shadow/ListNamedShadowsForThing/lamp",
                405,
            ),
            ("GET", "/things//shadow", 400),
            ("GET", "/things/la$mp/shadow", 400),
            ("GET", "/things/la%2Fmp/shadow", 400),
            ("GET", "/things/la%00mp/shadow", 400),
            ("GET", "/things/la%zz/shadow", 400),
            ("GET", "/things/la%4/shadow", 400),
            ("GET", "/things/la%ff/shadow", 400),
            ("GET", "/things/lamp/shadow?name=a+b", 400),
            ("GET", "/things/lamp/shadow?name=%", 400),
            (
                "GET",
                "/api/things/shadow/ListNamedShadowsForThing/t?pageSize=x",
                400,
            ),
            (
                "GET",
                "/api/things/shadow/ListNamedShadowsForThing/t?pageSize=-1",
                400,
            ),
        ] {
            let error = Route::read(method, target).unwrap_err();
            assert_eq!(error.code(), code, "{method} {target}: {error}");
        }
    }
}
