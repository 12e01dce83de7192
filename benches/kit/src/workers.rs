//! The loop of a client that is asynchronous: as many workers as there may be outstanding requests, each with one at a
//! time.

use std::future::Future;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::{Args, Measured, Tally};

/// What a worker has of its client.
pub trait Device: Send + 'static {
    /// Reports a state, and gives the version that was answered.
    ///
    /// # Errors
    /// Why there is no answer, or not the right one.
    fn report(&self) -> impl Future<Output = Result<u64, String>> + Send;
}

/// Makes as many requests as the arguments say, after some that do not count, and prints what came of them. `device`
/// gives the device of each worker.
///
/// # Panics
/// When a device does.
pub async fn measure<D: Device>(args: &Args, device: impl Fn(usize) -> D) {
    work(args.outstanding, &device, Until::Count(20)).await;
    let measured = Measured::begin();
    let until = match args.count {
        Some(count) => Until::Count(count),
        None => Until::Time(Instant::now() + args.time),
    };
    let tally = work(args.outstanding, &device, until).await;
    measured.end(tally);
}

#[derive(Clone, Copy)]
enum Until {
    /// That many requests of each worker.
    Count(usize),
    Time(Instant),
}

async fn work<D: Device>(workers: usize, device: impl Fn(usize) -> D, until: Until) -> Tally {
    let mut running = JoinSet::new();
    for worker in 0..workers {
        let device = device(worker);
        running.spawn(async move {
            let mut tally = Tally::default();
            let more = |tally: &Tally| match until {
                Until::Count(count) => tally.count() < count,
                Until::Time(end) => Instant::now() < end,
            };
            while more(&tally) {
                let sent = Instant::now();
                match device.report().await {
                    Ok(version) => tally.done(sent, version),
                    Err(why) => tally.failed(why),
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
