//! Listing the named shadows of a thing, page by page: REST only, there is no topic for it.

use crate::{
    error::ShadowError,
    reply::Page,
    service::Service,
    store::{After, Store},
    time::UnixTime,
    write::{self, Members},
};
use alloc::{string::String, string::ToString, vec::Vec};
use shadow_proto::ShadowId;

/// Names on a page when the request does not say. AWS does not document its own default;
/// Greengrass has this one.
pub const DEFAULT_PAGE_SIZE: usize = 25;
/// Most names on a page.
pub const MAX_PAGE_SIZE: usize = 100;

impl<S: Store> Service<S> {
    /// A page of the names of the named shadows of `thing`, in order. The classic shadow is
    /// never listed, and a thing the service has never heard of has an empty list.
    ///
    /// `page_size` is 1 to [`MAX_PAGE_SIZE`], default [`DEFAULT_PAGE_SIZE`]; `next_token` is that
    /// of the page before.
    ///
    /// ```
    /// use shadow_service::{
    ///     DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Service, Settings, UnixTime, shadow_proto::ShadowId,
    /// };
    ///
    /// let mut service = Service::new(Settings::default());
    /// let now = UnixTime::from_seconds(1_767_225_600);
    /// for number in 1..=30 {
    ///     let shadow = ShadowId::named("lamp", &format!("part-{number:02}"))?;
    ///     service.update(&shadow, br#"{"state": {"reported": {"on": true}}}"#, now)?;
    /// }
    ///
    /// let first = service.list_named("lamp", None, None, now)?;
    /// assert_eq!(first.names.len(), DEFAULT_PAGE_SIZE);
    /// let second = service.list_named("lamp", None, first.next_token.as_deref(), now)?;
    /// assert_eq!(second.names[0], "part-26");
    /// assert_eq!(second.next_token, None);
    ///
    /// let all = service.list_named("lamp", Some(MAX_PAGE_SIZE), None, now)?;
    /// assert_eq!(all.names.len(), 30);
    /// let refused = service.list_named("lamp", Some(MAX_PAGE_SIZE + 1), None, now);
    /// assert_eq!(refused.unwrap_err().code(), 400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShadowError`]: 400 for a bad name, size or token; 500.
    pub fn list_named(
        &self,
        thing: &str,
        page_size: Option<usize>,
        next_token: Option<&str>,
        now: UnixTime,
    ) -> Result<Page, ShadowError> {
        let invalid = |reason| ShadowError::InvalidRequest { reason };
        let size = page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        if !(1..=MAX_PAGE_SIZE).contains(&size) {
            return Err(invalid("pageSize must be between 1 and 100"));
        }
        let after = match next_token {
            None => ShadowId::classic(thing).ok(),
            Some(token) => {
                let name = from_hex(token).ok_or_else(|| invalid("Invalid nextToken"))?;
                let name = ShadowId::named("t", &name).map(|_| name);
                let name = name.map_err(|_| invalid("Invalid nextToken"))?;
                ShadowId::named(thing, &name).ok()
            }
        };
        let after = after.ok_or_else(|| invalid("Invalid thing name"))?;
        // One more than asked for tells whether there is another page.
        let listed = self.store().list(After::Shadow(&after), size + 1);
        let listed = listed.map_err(|error| ShadowError::Internal {
            cause: error.to_string().into(),
        })?;
        let ours = listed.iter().take_while(|shadow| shadow.thing() == thing);
        let mut names: Vec<String> = ours.filter_map(|s| s.shadow().map(Into::into)).collect();
        let more = names.len() > size;
        names.truncate(size);
        let next_token = names.last().filter(|_| more).map(|name| to_hex(name));
        Ok(Page {
            body: body(&names, next_token.as_deref(), now),
            names,
            next_token,
        })
    }
}

fn body(names: &[String], next_token: Option<&str>, now: UnixTime) -> String {
    let mut out = String::new();
    let mut members = Members::open(&mut out);
    let results = members.name("results");
    results.push('[');
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            results.push(',');
        }
        write::string(results, name);
    }
    results.push(']');
    members.number("timestamp", now.timestamp().seconds());
    if let Some(token) = next_token {
        members.text("nextToken", token);
    }
    members.close();
    out
}

/// A page token is the last name of the page before, so that it survives restarts and stays
/// right when shadows come and go; in hexadecimal, so that nobody takes it for a name.
fn to_hex(name: &str) -> String {
    let mut out = String::with_capacity(2 * name.len());
    for byte in name.bytes() {
        for nibble in [byte >> 4, byte & 0xf] {
            out.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    out
}

fn from_hex(token: &str) -> Option<String> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut name = Vec::with_capacity(token.len() / 2);
    for pair in token.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        name.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use alloc::format;

    fn service() -> (Service, UnixTime) {
        let now = UnixTime::from_seconds(1);
        let mut service = Service::new(Settings::default());
        let update = br#"{"state":{"reported":{"a":1}}}"#;
        for number in 0..7 {
            let named = ShadowId::named("t", &format!("s{number}")).unwrap();
            service.update(&named, update, now).unwrap();
        }
        for other in ["s", "t", "t1"] {
            let classic = ShadowId::classic(other).unwrap();
            service.update(&classic, update, now).unwrap();
            let named = ShadowId::named(other, "x").unwrap();
            service.update(&named, update, now).unwrap();
        }
        let gone = ShadowId::named("t", "s3").unwrap();
        service.delete(&gone, b"", now).unwrap();
        (service, now)
    }

    #[test]
    fn pages_hold_every_name_once() {
        let (service, now) = service();
        let (mut names, mut token, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = service
                .list_named("t", Some(3), token.as_deref(), now)
                .unwrap();
            names.extend(page.names);
            pages += 1;
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(names, ["s0", "s1", "s2", "s4", "s5", "s6", "x"]);
        assert_eq!(pages, 3);
        assert_eq!(
            service.list_named("t", Some(1), None, now).unwrap().body,
            r#"{"results":["s0"],"timestamp":1,"nextToken":"7330"}"#
        );
        assert_eq!(
            service.list_named("nobody", None, None, now).unwrap().body,
            r#"{"results":[],"timestamp":1}"#
        );
    }

    #[test]
    fn bad_pages_are_refused() {
        let (service, now) = service();
        for (thing, size, token) in [
            ("t", Some(0), None),
            ("t", Some(101), None),
            ("t", None, Some("7")),
            ("t", None, Some("zz")),
            ("t", None, Some("ff")),
            ("t", None, Some("2f")),
            ("t", None, Some("")),
            ("a/b", None, None),
        ] {
            let error = service.list_named(thing, size, token, now).unwrap_err();
            assert_eq!(error.code(), 400, "{thing} {size:?} {token:?}");
        }
    }
}
