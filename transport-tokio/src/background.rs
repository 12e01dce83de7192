//! Connecting from a program that has no tokio runtime.

use core::future::Future;
use std::{io, thread};

use tokio::runtime::Builder;
use transport_core::{ConnectError, ConnectOptions, OpenError, blocking};

use crate::{driver::Driver, stream::open};

/// [`connect`](crate::connect) for programs without a tokio runtime: waits for the outcome. A
/// thread of its own serves the connection and ends with the client.
///
/// The end of the program does not wait for that thread:
/// [`shutdown`](blocking::Client::shutdown) sends what is under way.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub fn connect_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    let (client, driver) = Driver::new(options, open)?;
    let connected = client.connected();
    serve(driver.once())?;
    blocking::wait(connected)?;
    Ok(client.into())
}

/// [`start`](crate::start) for programs without a tokio runtime. A thread of its own serves the
/// connection and ends with the client; see [`connect_blocking`].
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no thread to be had.
pub fn start_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    let (client, driver) = Driver::new(options, open)?;
    serve(driver)?;
    Ok(client.into())
}

fn serve(driver: impl Future<Output = ()> + Send + 'static) -> Result<(), OpenError> {
    let failed = |error: io::Error| OpenError::new("start a thread for the connection", &error);
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(failed)?;
    let thread = thread::Builder::new().name("device-shadow connection".into());
    thread
        .spawn(move || runtime.block_on(driver))
        .map_err(failed)?;
    Ok(())
}
