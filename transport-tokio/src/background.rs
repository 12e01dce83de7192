//! Connecting from a program that has no tokio runtime.

use core::future::Future;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use transport_core::{ConnectError, ConnectOptions, OpenError, blocking};

use crate::{driver::Driver, stream::open};

/// Runs `future` to its end on this thread, within a runtime of its own: what every transport has
/// for the `main` of a program that may be over any of them.
///
/// ```
/// use transport_tokio::{OpenError, block_on};
///
/// let answer = block_on(async { Ok::<_, OpenError>(42) })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), OpenError>(())
/// ```
///
/// # Errors
/// That of the future; or the system gives no runtime.
pub fn block_on<T, E: From<OpenError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    runtime("start a runtime")?.block_on(future)
}

/// [`connect`](crate::connect) for programs without a tokio runtime: waits for the outcome. A
/// thread of its own serves the connection and ends with the client.
///
/// The end of the program does not wait for that thread:
/// [`shutdown`](blocking::Client::shutdown) sends what is under way.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub fn connect_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    blocking::Client::connect(Driver::connect(options, open, serve))
}

/// [`start`](crate::start) for programs without a tokio runtime. A thread of its own serves the
/// connection and ends with the client; see [`connect_blocking`].
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no thread to be had.
pub fn start_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    Driver::start(options, open, serve).map(blocking::Client::from)
}

fn serve(driver: impl Future<Output = ()> + Send + 'static) -> Result<(), OpenError> {
    const DOING: &str = "start a thread for the connection";
    let runtime = runtime(DOING)?;
    let thread = thread::Builder::new().name("device-shadow connection".into());
    match thread.spawn(move || runtime.block_on(driver)) {
        Ok(_) => Ok(()),
        Err(error) => Err(OpenError::new(DOING, &error)),
    }
}

fn runtime(doing: &'static str) -> Result<Runtime, OpenError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| OpenError::new(doing, &error))
}
