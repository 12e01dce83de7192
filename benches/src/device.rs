//! A connected client with all its filters granted.

use shadow_proto::{
    Client, Config, Instant, Interest, Output, Resync, ShadowHandle, ShadowId, SubackCode,
    TokenPrefix,
};

/// The clock stands still: nothing that is measured depends on it.
pub const NOW: Instant = Instant::ORIGIN;

/// A client that follows the classic shadow of each of `shadows` things, [`thing`] by number. Everything is subscribed;
/// the limits of AWS are lifted.
#[must_use]
pub fn connected(shadows: usize) -> (Client, Vec<ShadowHandle>) {
    let prefix = TokenPrefix::new("bench-0123456789abcdef").expect("a legal prefix");
    let mut config = Config::new(prefix);
    config.unlimited();
    config.resync = Resync::never();
    config.limits.shadows = shadows;
    config.limits.requests = 20_000;
    let mut client = Client::new(config);
    let interest = Interest::DELTA;
    let handles = (0..shadows)
        .map(|n| {
            let id = ShadowId::classic(&thing(n)).expect("a legal name");
            client.add_shadow(id, interest, NOW).expect("room for it")
        })
        .collect();
    client.handle_connected(false, NOW);
    drain(&mut client);
    (client, handles)
}

/// The name of a thing: as long for each.
#[must_use]
pub fn thing(n: usize) -> String {
    format!("lamp-{n:05}")
}

/// Grants what is asked for and drops the rest.
pub fn drain(client: &mut Client) {
    while let Some(output) = client.poll_output() {
        if let Output::Subscribe { id, filters, qos } = output {
            let granted = SubackCode::new(qos as u8);
            client.handle_suback(id, &vec![granted; filters.len()], NOW);
        }
    }
}
