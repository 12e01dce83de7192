//! Plays the scenarios, some at a time.

use std::{
    any::Any,
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use testkit::{MissingTool, skip_or_fail};
use tokio::{runtime::Builder, sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    Adapter, Cell, Ground, Outcome, Report, Setting,
    brokers::Brokers,
    scenarios::{self, Scenario},
};

/// Plays every scenario on these adapters in every setting.
///
/// # Errors
/// Mosquitto is not installed.
///
/// # Panics
/// It takes longer than five minutes. The panic says what is still being played and what has failed by then: an adapter
/// that blocks the threads of the runtime stops everything else, the time limits of the scenarios included.
pub fn run(adapters: Vec<Arc<dyn Adapter>>) -> Result<Report, MissingTool> {
    let progress = Arc::new(Progress::default());
    let (ended, end) = mpsc::channel();
    let playing = Arc::clone(&progress);
    thread::spawn(move || {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let result = runtime.block_on(play(adapters, playing));
        let _ = ended.send(result);
        // Without waiting for what a client may have left behind on a thread.
        runtime.shutdown_background();
    });
    match end.recv_timeout(WHOLE) {
        Ok(result) => result,
        Err(error) => panic!("{error} after {WHOLE:?} at most\n{}", progress.text()),
    }
}

/// What is being played, and what has failed.
#[derive(Debug, Default)]
struct Progress(Mutex<(BTreeSet<String>, Vec<String>)>);

impl Progress {
    fn begins(&self, name: &str) {
        self.lock().0.insert(name.to_owned());
    }

    fn ended(&self, name: &str, outcome: &Outcome) {
        let mut state = self.lock();
        state.0.remove(name);
        if let Outcome::Failed(why) = outcome {
            state.1.push(format!("{name}: {why}"));
        }
    }

    fn text(&self) -> String {
        let (playing, failed) = &*self.lock();
        let playing: Vec<&str> = playing.iter().map(String::as_str).collect();
        let (playing, failed) = (playing.join("\n  "), failed.join("\n  "));
        format!("being played:\n  {playing}\nfailed:\n  {failed}")
    }

    fn lock(&self) -> MutexGuard<'_, (BTreeSet<String>, Vec<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays every scenario on one adapter, and fails with a list of what went wrong.
///
/// # Panics
/// A scenario failed.
pub fn assert_conforms(adapter: impl Adapter) {
    let Ok(report) = run(vec![Arc::new(adapter)]) else {
        return skip_or_fail("mosquitto");
    };
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

async fn play(
    mut adapters: Vec<Arc<dyn Adapter>>,
    progress: Arc<Progress>,
) -> Result<Report, MissingTool> {
    let only = std::env::var("SHADOW_SCENARIO").unwrap_or_default();
    if let Ok(adapter) = std::env::var("SHADOW_ADAPTER") {
        adapters.retain(|it| it.name() == adapter);
    }
    let mut settings = Setting::ALL.to_vec();
    if let Ok(letters) = std::env::var("SHADOW_SETTING") {
        settings.retain(|it| it.letters() == letters);
    }
    let brokers = Brokers::start().await?;
    let names = adapters.iter().map(|adapter| adapter.name()).collect();
    // Each with the right to the one client there can be, where there can be one.
    let alone = |adapter| (adapter, Arc::new(Semaphore::new(1)));
    let adapters: Vec<_> = adapters.into_iter().map(alone).collect();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    let scenarios = scenarios::all().iter().enumerate();
    for (number, scenario) in scenarios.filter(|(_, it)| it.name.contains(&only)) {
        for (adapter, alone) in &adapters {
            for setting in settings.iter().copied() {
                if !setting.plays(scenario.name) {
                    continue;
                }
                let options = brokers.options(setting);
                let ground = Ground::new(Arc::clone(adapter), setting, options, number);
                let (turns, progress) = (Arc::clone(&turns), Arc::clone(&progress));
                let alone = adapter.is_alone(setting).then(|| Arc::clone(alone));
                playing.spawn(async move {
                    let adapter = ground.adapter().name();
                    let name = format!("{adapter}, {setting}: {}", scenario.name);
                    // Before a turn that others could have meanwhile.
                    let _alone = match &alone {
                        Some(alone) => Some(alone.acquire().await),
                        None => None,
                    };
                    let _turn = turns.acquire_many(scenario.weight).await;
                    progress.begins(&name);
                    let outcome = outcome(scenario, ground).await;
                    progress.ended(&name, &outcome);
                    Cell {
                        scenario: scenario.name,
                        adapter,
                        setting,
                        outcome,
                    }
                });
            }
        }
    }
    let cells = playing.join_all().await;
    Ok(Report {
        adapters: names,
        cells,
    })
}

async fn outcome(scenario: &'static Scenario, ground: Ground) -> Outcome {
    if let Some(reason) = ground.adapter().hole(scenario.name, ground.setting()) {
        return Outcome::Hole(reason);
    }
    let begin = Instant::now();
    // A task of its own, so that a panic ends it alone.
    let mut task = tokio::spawn(async move { (scenario.play)(ground).await });
    let limit = LIMIT * scenario.weight;
    let result = timeout(limit, &mut task).await;
    match result {
        Ok(Ok(())) => Outcome::Passed(begin.elapsed()),
        Ok(Err(error)) => Outcome::Failed(match error.try_into_panic() {
            Ok(panic) => message(panic.as_ref()).to_owned(),
            Err(error) => error.to_string(),
        }),
        Err(_) => {
            task.abort();
            Outcome::Failed(format!("not over after {limit:?}"))
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked")
}

/// How many scenarios are played at the same time: most of them wait most of the time.
const AT_ONCE: usize = 8;
/// Longest that one may take, for each turn that it takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest that all of them may take.
const WHOLE: Duration = Duration::from_secs(5 * 60);
