//! The page to look at: what shadows there are, and what happens to them. It asks once a second,
//! while it is looked at, and only for what is new.

use super::route;
use crate::{document::Section, error::ShadowError, local::Engine, store::After, write::Members};
use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString as _},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use shadow_proto::ShadowId;

/// The answer, if the target is the page's; what else there is, is AWS's.
pub(super) fn respond(
    engine: &Engine,
    method: &str,
    target: &str,
) -> Option<Response<Full<Bytes>>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != "/" && !path.starts_with("/-/") {
        return None;
    }
    if method != "GET" {
        return Some(json(Err(ShadowError::MethodNotAllowed)));
    }
    Some(match path {
        "/" => file("text/html; charset=utf-8", include_str!("page/index.html")),
        "/-/page.css" => file("text/css; charset=utf-8", include_str!("page/page.css")),
        "/-/page.js" => file(
            "text/javascript; charset=utf-8",
            include_str!("page/page.js"),
        ),
        "/-/shadows" => json(shadows(engine, query)),
        "/-/shadow" => json(shadow(engine, query)),
        "/-/messages" => json(messages(engine, query)),
        _ => json(Err(ShadowError::UnknownResource)),
    })
}

fn shadows(engine: &Engine, query: &str) -> Result<String, ShadowError> {
    let size = route::parameter(query, "size")?;
    let size = size.and_then(|size| size.parse().ok()).unwrap_or(MOST);
    let size = Ord::clamp(size, 1, MOST);
    let after = match route::parameter(query, "thing")? {
        Some(_) => Some(named(query)?),
        None => None,
    };
    let after = after.as_ref().map_or(After::Start, After::Shadow);
    let found = engine.service().store().list(after, size + 1);
    let found = found.map_err(|error| ShadowError::Internal {
        cause: error.to_string().into(),
    })?;
    let mut out = String::new();
    let mut members = Members::open(&mut out);
    let list = members.name("shadows");
    list.push('[');
    for (at, shadow) in found.iter().take(size).enumerate() {
        if at > 0 {
            list.push(',');
        }
        write_id(list, shadow);
    }
    list.push(']');
    let next = members.name("next");
    match found.get(size).and_then(|_| found.get(size - 1)) {
        Some(last) => write_id(next, last),
        None => next.push_str("null"),
    }
    members.close();
    Ok(out)
}

/// The sections as text in JSON, so that no number loses digits in a browser.
fn shadow(engine: &Engine, query: &str) -> Result<String, ShadowError> {
    let shadow = named(query)?;
    let now = engine.clock().now();
    let service = engine.service();
    let document = service.document(&shadow, now);
    let document = document.map_err(|error| ShadowError::Internal {
        cause: error.to_string().into(),
    })?;
    let mut out = String::new();
    let mut members = Members::open(&mut out);
    if let Some(document) = document {
        members.number("version", document.version());
        for section in Section::ALL {
            if let Some(text) = document.section(section) {
                members.text(section.as_str(), text);
            }
        }
        if let Some(delta) = document.delta(&service.settings().behaviour) {
            let mut text = String::new();
            delta.write_state(&mut text);
            members.text("delta", &text);
        }
    }
    members.close();
    Ok(out)
}

fn messages(engine: &Engine, query: &str) -> Result<String, ShadowError> {
    let after = route::parameter(query, "after")?;
    let after = after.and_then(|after| after.parse().ok());
    Ok(engine.recent().after(after))
}

fn named(query: &str) -> Result<ShadowId, ShadowError> {
    let thing = route::parameter(query, "thing")?.unwrap_or_default();
    let name = route::parameter(query, "name")?;
    let name: Option<Cow<'_, str>> = name.filter(|name| !name.is_empty());
    route::shadow(&thing, name.as_deref())
}

fn write_id(out: &mut String, shadow: &ShadowId) {
    let mut members = Members::open(out);
    members.text("thing", shadow.thing());
    match shadow.shadow() {
        Some(name) => {
            members.text("name", name);
        }
        None => members.name("name").push_str("null"),
    }
    members.close();
}

fn json(body: Result<String, ShadowError>) -> Response<Full<Bytes>> {
    match body {
        Ok(body) => answer(200, "application/json", Bytes::from(body)),
        Err(error) => {
            let body = format!("{error}\n");
            answer(error.code(), "text/plain; charset=utf-8", Bytes::from(body))
        }
    }
}

fn file(kind: &'static str, text: &'static str) -> Response<Full<Bytes>> {
    answer(200, kind, Bytes::from_static(text.as_bytes()))
}

fn answer(status: u16, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nothing but what this server gives, no markup that runs, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Shadows in one answer.
const MOST: usize = 2000;
