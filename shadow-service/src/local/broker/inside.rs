//! The broker's plain listener when nobody asked for one: for this process alone.

use alloc::{boxed::Box, format, string::String};
use core::{future::Future, net::SocketAddr, pin::Pin};
use mqtt5::{
    broker::auth::{AuthProvider, AuthResult},
    packet::connect::ConnectPacket,
    protocol::v5::reason_codes::ReasonCode,
};

/// Lets in who knows the password, which is made up at each start.
pub(super) struct Inside(String);

impl Inside {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 16];
        let random = crate::local::tls::provider();
        // Without entropy there is no TLS either.
        let filled = random.secure_random.fill(&mut bytes);
        debug_assert!(filled.is_ok());
        Self(format!("{:032x}", u128::from_le_bytes(bytes)))
    }

    #[cfg(feature = "client")]
    pub(super) fn password(&self) -> String {
        self.0.clone()
    }
}

impl AuthProvider for Inside {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = mqtt5::Result<AuthResult>> + Send + 'a>> {
        let known = connect.password.as_deref() == Some(self.0.as_bytes());
        Box::pin(async move {
            Ok(if known {
                AuthResult::success()
            } else {
                AuthResult::fail(ReasonCode::NotAuthorized)
            })
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _: &str,
        _: Option<&'a str>,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async { true })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _: &str,
        _: Option<&'a str>,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async { true })
    }
}
