//! The embedded broker, bare or with the real shadow service; or that service on another broker. Ends when its standard
//! input does.

use std::io::Read as _;
use std::net::SocketAddr;

use shadow_service::local::TlsFiles;
use shadow_service::local::broker::{Broker, BrokerOptions};
use shadow_service::local::{Options, Server};
use transport_tokio::ConnectOptions;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", certificate, key] => {
            let broker = Broker::bare(&options(certificate, key)).await?;
            let addresses = broker.addresses();
            say(addresses.plain, addresses.tls)?;
            wait().await?;
            broker.stop().await;
        }
        ["service", certificate, key] => {
            let mut service = service();
            service.broker = Some(options(certificate, key));
            let server = Server::start(service).await?;
            let addresses = server.mqtt_addresses();
            say(addresses.plain, addresses.tls)?;
            wait().await?;
            server.stop().await;
        }
        ["attached", port] => {
            let mut service = service();
            let mut options = ConnectOptions::from_url(&format!("mqtt://127.0.0.1:{port}"))?;
            options.unlimited();
            service.mqtt = Some(options);
            let server = Server::start(service).await?;
            println!("serving");
            wait().await?;
            server.stop().await;
        }
        _ => {
            return Err(
                "usage: bare CERTIFICATE KEY, service CERTIFICATE KEY, attached PORT".into(),
            );
        }
    }
    Ok(())
}

fn options(certificate: &str, key: &str) -> BrokerOptions {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut options = BrokerOptions::default();
    options.listen = any;
    options.tls = Some(any);
    options.certificates = Some(TlsFiles::new(certificate, key));
    options
}

/// Without AWS's twenty requests a second.
fn service() -> Options {
    let mut options = Options::default();
    options.settings.rate = None;
    options
}

fn say(plain: Option<SocketAddr>, tls: Option<SocketAddr>) -> Result<(), Failure> {
    let port = |address: Option<SocketAddr>| address.map(|it| it.port()).ok_or("no address");
    println!("listening {} {}", port(plain)?, port(tls)?);
    Ok(())
}

async fn wait() -> Result<(), Failure> {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}
