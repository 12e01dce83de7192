//! Binding an address, with errors that say what to do.

use alloc::boxed::Box;
use core::{error::Error, fmt, net::SocketAddr};
#[cfg(any(feature = "broker", feature = "http"))]
use std::io;

/// Why the server cannot listen on an address.
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::local::{ListenError, Options, Server, StartError};
///
/// let first = Server::start(Options::on_free_ports()).await?;
/// let mut options = Options::on_free_ports();
/// if let (Some(broker), Some(address)) = (&mut options.broker, first.mqtt_address()) {
///     broker.listen = address;
/// }
/// match Server::start(options).await {
///     Err(StartError::Listen(ListenError::AddressInUse { address })) => {
///         assert_eq!(Some(address), first.mqtt_address());
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// Another program listens there.
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address is not one of this machine.
    AddressNotAvailable {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The port needs a privilege that this process does not have.
    PermissionDenied {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Something else.
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: Box<dyn Error + Send + Sync>,
    },
}

#[cfg(any(feature = "broker", feature = "http"))]
impl ListenError {
    pub(crate) fn new(address: SocketAddr, source: io::Error) -> Self {
        let kind = source.kind();
        if kind == io::ErrorKind::AddrInUse {
            Self::AddressInUse { address }
        } else if kind == io::ErrorKind::AddrNotAvailable {
            Self::AddressNotAvailable { address }
        } else if kind == io::ErrorKind::PermissionDenied {
            Self::PermissionDenied { address }
        } else {
            Self::Other {
                address,
                source: source.into(),
            }
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse { address } => {
                write!(f, "{address} is in use: another program listens there")
            }
            Self::AddressNotAvailable { address } => {
                write!(f, "{address} is not an address of this machine")
            }
            Self::PermissionDenied { address } => {
                write!(f, "no permission to listen on {address}")
            }
            Self::Other { address, source } => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other { source, .. } => Some(&**source),
            Self::AddressInUse { .. }
            | Self::AddressNotAvailable { .. }
            | Self::PermissionDenied { .. } => None,
        }
    }
}
