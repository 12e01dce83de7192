//! AWS Signature Version 4: the query of a WebSocket and the headers of a REST request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>; what differs for AWS
//! IoT Core's WebSocket is said at [`SigV4::presign`].

use std::time::SystemTime;

use ring::{digest, hmac};

#[cfg(feature = "rest")]
use crate::secret::Secret;
use crate::{
    calendar::Utc,
    credentials::{Credentials, CredentialsSource},
    error::OpenError,
    text::{Encoded, hex, percent},
};

/// Signing in with AWS credentials, anew at each connect.
///
/// ```
/// use transport_core::{ConnectOptions, CredentialsSource, SigV4};
///
/// let mut options = ConnectOptions::from_url("wss://abc-ats.iot.eu-west-1.amazonaws.com")?;
/// options.sigv4 = Some(SigV4::new(CredentialsSource::Environment));
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SigV4 {
    /// Where the credentials come from.
    pub credentials: CredentialsSource,
    /// The region; default the one in the host name, which a domain of one's own lacks.
    pub region: Option<String>,
}

impl SigV4 {
    /// Signs with these credentials for the region in the host's name.
    pub fn new(credentials: impl Into<CredentialsSource>) -> Self {
        Self {
            credentials: credentials.into(),
            region: None,
        }
    }

    /// The region to sign for, if it is set or in the host's name:
    /// `abc-ats.iot.eu-west-1.amazonaws.com`.
    #[must_use]
    pub fn region_for<'a>(&'a self, host: &'a str) -> Option<&'a str> {
        self.region.as_deref().or_else(|| region_in(host))
    }
}

impl SigV4 {
    /// Credentials and region for a host; `doing` is for errors.
    pub(crate) async fn for_host<'a>(
        &'a self,
        host: &'a str,
        doing: &str,
    ) -> Result<(Credentials, &'a str), OpenError> {
        let credentials = self.credentials.get().await;
        let credentials = credentials.map_err(|error| OpenError::caused(doing, error))?;
        match self.region_for(host) {
            Some(region) => Ok((credentials, region)),
            None => Err(OpenError::permanent(
                doing,
                "the host's name tells no AWS region to sign for: set the region",
            )),
        }
    }
}

/// What is signed with, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) region: &'a str,
    /// `iotdevicegateway` or `iotdata`.
    pub(crate) service: &'a str,
    pub(crate) time: SystemTime,
}

impl Signer<'_> {
    /// The target of a WebSocket request: `path` (with a query, if any) and the signature.
    /// `host` is the value of the Host header.
    ///
    /// AWS IoT Core wants the session token behind the signature and not signed, unlike most
    /// AWS services.
    pub(crate) fn presign(&self, host: &str, path: &str) -> String {
        let (path, own) = path.split_once('?').unwrap_or((path, ""));
        let id = format!("{}/{}", self.credentials.access_key_id, self.scope());
        let mut pairs: Vec<String> = own
            .split('&')
            .filter(|it| !it.is_empty())
            .map(Into::into)
            .collect();
        pairs.extend([
            format!("X-Amz-Algorithm={ALGORITHM}"),
            format!("X-Amz-Credential={}", percent(&id)),
            format!("X-Amz-Date={}", Utc::new(self.time).basic()),
            format!("X-Amz-Expires={EXPIRES}"),
            "X-Amz-SignedHeaders=host".to_owned(),
        ]);
        pairs.sort();
        let query = pairs.join("&");
        let canonical = self.canonical("GET", path, &query, &[("host", host)], b"");
        let signature = self.signature(&canonical);
        let token = match &self.credentials.session_token {
            Some(token) => format!("&X-Amz-Security-Token={}", percent(token.expose())),
            None => String::new(),
        };
        format!("{path}?{query}&X-Amz-Signature={signature}{token}")
    }

    /// The headers that sign a REST request: `X-Amz-Date`, `X-Amz-Security-Token` for temporary
    /// credentials, `Authorization`. `target` is path and query, percent-encoded.
    #[cfg(feature = "rest")]
    pub(crate) fn headers(
        &self,
        method: &str,
        host: &str,
        target: &str,
        body: &[u8],
    ) -> Vec<(&'static str, Secret)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.sort_unstable();
        let date = Utc::new(self.time).basic();
        let token = self.credentials.session_token.as_ref();
        let mut signed = vec![("host", host), ("x-amz-date", date.as_str())];
        signed.extend(token.map(|token| ("x-amz-security-token", token.expose())));
        let canonical = self.canonical(method, path, &pairs.join("&"), &signed, body);
        let signature = self.signature(&canonical);
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let id = &self.credentials.access_key_id;
        let scope = self.scope();
        let authorization = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        let mut headers = vec![("x-amz-date", Secret::from(date.as_str()))];
        headers.extend(token.map(|token| ("x-amz-security-token", token.clone())));
        headers.push(("authorization", authorization.into()));
        headers
    }

    /// `path` as it is sent; it is encoded once more, which all services but S3 want. `query`
    /// sorted, `headers` in lower case and sorted.
    fn canonical(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let path = Encoded {
            text: path,
            kept: "/",
        };
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names = names.join(";");
        let body = hex(digest::digest(&digest::SHA256, body).as_ref());
        format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body}")
    }

    fn signature(&self, canonical: &str) -> String {
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let (time, scope) = (Utc::new(self.time), self.scope());
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", time.basic());
        let key = format!("AWS4{}", self.credentials.secret_access_key.expose());
        let mac = |key: &[u8], text: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, text.as_bytes())
        };
        let mut key = mac(key.as_bytes(), &time.basic_date());
        for part in [self.region, self.service, "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        hex(mac(key.as_ref(), &to_sign).as_ref())
    }

    fn scope(&self) -> String {
        let date = Utc::new(self.time).basic_date();
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }
}

fn region_in(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let (_, region) = host.strip_suffix(".amazonaws.com")?.rsplit_once('.')?;
    Some(region)
}

/// The service that MQTT over WebSocket is signed for.
pub(crate) const DEVICE_GATEWAY: &str = "iotdevicegateway";
/// The service that AWS's own SDKs sign REST requests for.
#[cfg(feature = "rest")]
pub(crate) const IOT_DATA: &str = "iotdata";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Seconds that a signed query is good for; the most there is.
const EXPIRES: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::from_seconds;

    const HOST: &str = "example-ats.iot.eu-west-1.amazonaws.com";
    const TOKEN: &str = "IQoEXAMPLE/token+with=chars";

    fn credentials() -> Credentials {
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    }

    fn signer<'a>(credentials: &'a Credentials, service: &'a str) -> Signer<'a> {
        Signer {
            credentials,
            region: "eu-west-1",
            service,
            time: from_seconds(1_767_323_045), // 2026-01-02 03:04:05
        }
    }

    const PRESIGNED: &str = "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fiotdevicegateway%2Faws4_request\
        &X-Amz-Date=20260102T030405Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=4328052c0ed6326c5f9d651961983fc772384e05aab286c9cd5cfcd31784b336";

    #[test]
    fn a_websocket_as_other_implementations_sign_it() {
        let credentials = credentials();
        let signed = signer(&credentials, DEVICE_GATEWAY).presign(HOST, "/mqtt");
        assert_eq!(signed, PRESIGNED);
    }

    #[test]
    fn the_session_token_comes_after_the_signature_and_is_not_signed() {
        let credentials = credentials().with_session_token(TOKEN);
        let signed = signer(&credentials, DEVICE_GATEWAY).presign(HOST, "/mqtt");
        let token = "&X-Amz-Security-Token=IQoEXAMPLE%2Ftoken%2Bwith%3Dchars";
        assert_eq!(signed, format!("{PRESIGNED}{token}"));
    }

    #[test]
    fn a_query_of_ones_own_is_signed_too() {
        let credentials = credentials();
        let signer = signer(&credentials, DEVICE_GATEWAY);
        let signed = signer.presign(HOST, "/mqtt?z=1&A=2");
        assert!(signed.starts_with("/mqtt?A=2&X-Amz-Algorithm="), "{signed}");
        assert!(
            signed.contains("&X-Amz-SignedHeaders=host&z=1&X-Amz-Signature="),
            "{signed}"
        );
        assert!(!signed.ends_with(PRESIGNED.rsplit('=').next().unwrap()));
    }

    /// Answers of botocore's `SigV4Auth`, version 1.44.5.
    #[cfg(feature = "rest")]
    #[test]
    fn rest_requests_as_botocore_signs_them() {
        let list = "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=5&nextToken=a%2Bb%3D";
        let update = br#"{"state":{"desired":{"on":true}}}"#;
        let port = format!("{HOST}:8443");
        for (method, host, target, body, plain, with_token) in [
            (
                "GET",
                HOST,
                "/things/la%3Amp/shadow?name=x%3Ay",
                &b""[..],
                "bfe6d3a70c5af4809f18fffcfbb3185690d2789970db51462fa30751cb79915c",
                "6c97a6b768396272965117cab4b694ac6cce811cf7969afc6124f5cf91690f5a",
            ),
            (
                "POST",
                port.as_str(),
                "/things/lamp/shadow",
                update,
                "3072a5084e17727c96a02febe7d480e8b68802117e7cca0c2f84b3b194d751c0",
                "cd4e650d2d0fff6a10eb6317b0650300b54e151a5922e5a6aaaac055db0b9d6e",
            ),
            (
                "GET",
                HOST,
                list,
                b"",
                "7f57cedda1738e22d4b2328ca7af74be1cbae9f1525e9410f671bc2f1df79575",
                "99a57ffd17d6473d1f7282d1e0b7f2cb4d96c30b1be75af3fdcacbd7c72f405f",
            ),
        ] {
            let credentials = credentials();
            let headers = signer(&credentials, IOT_DATA).headers(method, host, target, body);
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, it)| (*name, it.expose()))
                .collect();
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/iotdata/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={plain}"
            );
            let date = ("x-amz-date", "20260102T030405Z");
            assert_eq!(headers, [date, ("authorization", authorization.as_str())]);

            let credentials = credentials.with_session_token(TOKEN);
            let headers = signer(&credentials, IOT_DATA).headers(method, host, target, body);
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, it)| (*name, it.expose()))
                .collect();
            assert_eq!(headers[..2], [date, ("x-amz-security-token", TOKEN)]);
            assert!(headers[2].1.ends_with(with_token), "{headers:?}");
            assert!(
                headers[2]
                    .1
                    .contains("=host;x-amz-date;x-amz-security-token,")
            );
        }
    }

    #[test]
    fn regions() {
        for (host, region) in [
            (HOST, Some("eu-west-1")),
            (
                "data.iot.us-gov-west-1.amazonaws.com",
                Some("us-gov-west-1"),
            ),
            ("x.ats.iot.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("iot.example.com", None),
            ("amazonaws.com", None),
        ] {
            assert_eq!(region_in(host), region, "{host}");
        }
        let mut sigv4 = SigV4::new(credentials());
        assert_eq!(sigv4.region_for(HOST), Some("eu-west-1"));
        sigv4.region = Some("us-east-1".into());
        assert_eq!(sigv4.region_for("iot.example.com"), Some("us-east-1"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = credentials().with_session_token(TOKEN);
        let shown = format!(
            "{:?} {:?}",
            SigV4::new(credentials.clone()),
            signer(&credentials, DEVICE_GATEWAY)
        );
        assert!(
            !shown.contains("wJalr") && !shown.contains("IQoE"),
            "{shown}"
        );
    }
}
