//! Sessions against hand-written bytes, both versions.

extern crate alloc;

#[cfg(test)]
mod chunking;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod guards_outbound;
#[cfg(test)]
mod model;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod receive;
#[cfg(test)]
mod server;
#[cfg(test)]
mod subscribe;
#[cfg(test)]
mod unanswered;
