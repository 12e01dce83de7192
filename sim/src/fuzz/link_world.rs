//! A byte-level simulation of which bytes decide the beginning.

use crate::link::LinkWorld;

/// Each draw of the simulation begins with the next of these bytes, as long as they last.
pub fn link_world(bytes: &[u8]) {
    let _ = LinkWorld::from_bytes(bytes).run();
}
