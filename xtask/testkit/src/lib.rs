//! What end-to-end tests need beside the code under test. Unpublished, std only, used by tests alone.
//!
//! * [`Mosquitto`]: a broker of the test's own, on a free port, with its own configuration and folder;
//! * [`Process`]: a child whose lines are captured and waited for with an upper bound, killed on drop;
//! * [`FaultProxy`]: a way to the broker on which every connection goes wrong;
//! * [`HttpProxy`]: a proxy that opens tunnels;
//! * [`Pki`]: certificates and keys for it;
//! * [`skip_or_fail`]: what a test does when a tool is missing;
//! * [`wait_until`], [`free_port`], [`TempDir`], [`example`], [`binary`].
//!
//! Nothing here waits without an upper bound. Where a test cannot go on (a broker that does not start, a line that
//! never comes) these functions panic and print what the child has said so far.
//!
//! ```no_run
//! use std::time::Duration;
//! use testkit::{Config, Mosquitto, skip_or_fail};
//!
//! # fn test() {
//! let Ok(broker) = Mosquitto::start(Config::new()) else {
//!     return skip_or_fail("mosquitto");
//! };
//! let mut answers = broker.subscribe("$aws/things/lamp/shadow/#");
//! broker.publish("$aws/things/lamp/shadow/get", "");
//! let message = answers.next(Duration::from_secs(5)).expect("nothing arrived");
//! # drop(message);
//! # }
//! ```

mod fault_proxy;
mod http_proxy;
mod mosquitto;
mod pki;
mod port;
mod process;
mod temp;
mod tool;
mod wait;

pub use fault_proxy::{Fault, FaultProxy};
pub use http_proxy::HttpProxy;
pub use mosquitto::{Config, Message, Mosquitto, Subscription};
pub use pki::Pki;
pub use port::free_port;
pub use process::{Process, Signal};
pub use temp::TempDir;
pub use tool::{MissingTool, binary, dynamic_security, example, find_program, skip_or_fail};
pub use wait::wait_until;
