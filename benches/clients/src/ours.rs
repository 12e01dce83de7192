//! This project's client over tokio, as an application uses it.

use std::time::{Duration, Instant};

use bench_kit::{Args, CONNECTED, Measured, Tally, thing, things};
use serde::Serialize;
use tokio::task::JoinSet;
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
    work(&shadows, args.outstanding, Until::Count(20)).await;
    let measured = Measured::begin();
    let until = match args.count {
        Some(count) => Until::Count(count),
        None => Until::Time(Instant::now() + args.time),
    };
    let tally = work(&shadows, args.outstanding, until).await;
    measured.end(tally);
    let _ = client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

#[derive(Clone, Copy)]
enum Until {
    /// That many requests of each worker.
    Count(usize),
    Time(Instant),
}

/// As many workers as there may be outstanding requests, each with one at a time.
async fn work(shadows: &[Shadow], workers: usize, until: Until) -> Tally {
    let mut running = JoinSet::new();
    for worker in 0..workers {
        let shadow = shadows[worker % shadows.len()].clone();
        running.spawn(async move {
            let mut tally = Tally::default();
            let more = |tally: &Tally| match until {
                Until::Count(count) => tally.count() < count,
                Until::Time(end) => Instant::now() < end,
            };
            while more(&tally) {
                let sent = Instant::now();
                let reading = Reading { temperature: 21.5 };
                match shadow.report(&reading).await {
                    Ok(accepted) => match accepted.version() {
                        Some(version) => tally.done(sent, version.number()),
                        None => tally.failed("no version"),
                    },
                    Err(error) => tally.failed(error),
                }
            }
            tally
        });
    }
    let mut sum = Tally::default();
    while let Some(tally) = running.join_next().await {
        sum.add(tally.expect("it does not panic"));
    }
    sum
}
