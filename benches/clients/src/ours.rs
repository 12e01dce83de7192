//! This project's client over tokio, as an application uses it.

use std::time::Duration;

use bench_kit::{Args, CONNECTED, thing, things, workers};
use serde::Serialize;
use transport_tokio::{ConnectOptions, Roots, Shadow, ShadowId, connect};

#[derive(Serialize)]
struct Reading {
    temperature: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::read();
    let scheme = if args.ca.is_some() { "mqtts" } else { "mqtt" };
    let url = format!("{scheme}://{}:{}", args.host(), args.port);
    let mut options = ConnectOptions::from_url(&url)?;
    options.set_version("3.1.1")?;
    options.unlimited();
    options.mqtt.limits.in_flight = 1_000;
    if let Some(ca) = &args.ca {
        options.tls.roots = Roots::Pem(ca.clone().into());
    }
    if let Some(keep_alive) = args.keep_alive {
        options.keep_alive = keep_alive;
    }
    let client = connect(options).await?;
    println!("{CONNECTED}");
    if args.idle {
        tokio::time::sleep(args.time).await;
        println!("resident {}", bench_kit::tally::resident_kib());
        return Ok(());
    }
    let shadows: Vec<Shadow> = (0..things(args.outstanding))
        .map(|n| {
            client
                .shadow(ShadowId::classic(&thing(n))?)
                .map_err(Into::into)
        })
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    let device = |worker: usize| Device(shadows[worker % shadows.len()].clone());
    workers::measure(&args, device).await;
    let _ = client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

struct Device(Shadow);

impl workers::Device for Device {
    async fn report(&self) -> Result<u64, String> {
        let reading = Reading { temperature: 21.5 };
        let accepted = self.0.report(&reading).await;
        let version = accepted.map_err(|error| error.to_string())?.version();
        version
            .map(|it| it.number())
            .ok_or_else(|| "no version".to_owned())
    }
}
