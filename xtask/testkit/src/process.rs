use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait_until;

/// A child process whose output is captured line by line, killed on drop.
///
/// Waiting for a line goes forward: each wait begins after the line that the one before it returned, so a test reads
/// like the dialogue it expects. Standard output and error form one sequence in order of arrival.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
    stdin: Option<ChildStdin>,
    captured: Arc<Captured>,
    /// Lines before this one have been waited for.
    next: usize,
}

/// What a test may send to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// What Ctrl-C in a terminal sends.
    Interrupt,
    /// What `kill` and service managers send.
    Terminate,
    /// Stops the process where it is: it stays, but does nothing.
    Stop,
    /// Ends `Stop`.
    Continue,
}

impl Process {
    /// Starts `command` with all three standard streams as pipes.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let captured = Arc::new(Captured::new(2));
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        Captured::read(&captured, Stream::Output, stdout);
        Captured::read(&captured, Stream::Error, stderr);
        let stdin = child.stdin.take();
        Self {
            program,
            child,
            stdin,
            captured,
            next: 0,
        }
    }

    /// Waits for a line that contains `text` and returns it.
    ///
    /// # Panics
    ///
    /// When none comes within `limit`, or the process ends its output before: with everything it has said.
    pub fn wait_for(&mut self, limit: Duration, text: &str) -> String {
        let found = self.find(limit, |line| line.contains(text));
        found.unwrap_or_else(|| {
            let (program, output) = (&self.program, self.output().join("\n  "));
            panic!("{program} did not say {text:?} within {limit:?}; it said:\n  {output}")
        })
    }

    /// The next line that `wanted` accepts, or `None` when there is none within `limit` or the output ends.
    pub fn find(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + limit;
        let mut state = self.captured.lock();
        loop {
            while let Some(line) = state.lines.get(self.next) {
                self.next += 1;
                if wanted(&line.text) {
                    return Some(line.text.clone());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.open == 0 {
                return None;
            }
            state = self.captured.wait(state, left);
        }
    }

    /// Leaves out what has been said up to now: the next wait looks at what comes after.
    pub fn forget(&mut self) {
        self.next = self.captured.lock().lines.len();
    }

    /// Writes one line to standard input.
    ///
    /// # Panics
    ///
    /// When the process has closed it or has ended.
    pub fn write_line(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Writes bytes to standard input.
    ///
    /// # Panics
    ///
    /// When the process has closed it or has ended.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input is closed");
        let written = stdin.write_all(bytes).and_then(|()| stdin.flush());
        written.unwrap_or_else(|error| panic!("{} does not read its input: {error}", self.program));
    }

    /// Ends standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal, by way of the `kill` command. Unix only.
    ///
    /// # Panics
    ///
    /// When it cannot be sent, for instance since the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        // After that its number may belong to another process.
        assert!(
            ended.is_none(),
            "{} has ended, no signal can reach it",
            self.program
        );
        let name = match signal {
            Signal::Interrupt => "-INT",
            Signal::Terminate => "-TERM",
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
        };
        let status = Command::new("kill")
            .arg(name)
            .arg(self.child.id().to_string())
            .status();
        assert!(
            status.expect("cannot run `kill`").success(),
            "`kill {name}` failed"
        );
    }

    /// Waits until the process has ended and all it said has been read. `None`: it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        let mut status = None;
        let ended = wait_until(limit, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        if ended {
            // A grandchild may keep the pipe open for longer, hence the bound.
            let mut state = self.captured.lock();
            while state.open > 0 && Instant::now() < end {
                state = self
                    .captured
                    .wait(state, end.saturating_duration_since(Instant::now()));
            }
        }
        status
    }

    /// Ends the process at once (SIGKILL on Unix) and waits until it has ended. Nothing happens to one that has.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines up to now, standard output and error, in order of arrival.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.captured
            .lock()
            .lines
            .iter()
            .map(|line| line.text.clone())
            .collect()
    }

    /// The lines of standard output up to now.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.of(Stream::Output)
    }

    /// The lines of standard error up to now.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.of(Stream::Error)
    }

    fn of(&self, stream: Stream) -> Vec<String> {
        let state = self.captured.lock();
        state
            .lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

#[derive(Debug)]
struct Line {
    stream: Stream,
    text: String,
}

#[derive(Debug)]
struct Captured {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    /// Streams that have not ended.
    open: usize,
}

impl Captured {
    fn new(open: usize) -> Self {
        Self {
            state: Mutex::new(State {
                lines: Vec::new(),
                open,
            }),
            changed: Condvar::new(),
        }
    }

    fn read(captured: &Arc<Self>, stream: Stream, pipe: impl Read + Send + 'static) {
        let captured = Arc::clone(captured);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = Vec::new();
            // A failing pipe is one that has ended.
            while pipe
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|length| length > 0)
            {
                let text = String::from_utf8_lossy(&bytes)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned();
                captured.lock().lines.push(Line { stream, text });
                captured.changed.notify_all();
                bytes.clear();
            }
            captured.lock().open -= 1;
            captured.changed.notify_all();
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, limit)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        Process::spawn(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_are_waited_for_in_order() {
        let mut process = shell("echo one; echo two; echo three >&2; echo two again");
        assert_eq!(process.wait_for(LIMIT, "two"), "two");
        assert!(process.wait(LIMIT).expect("ended").success());
        assert_eq!(process.wait_for(LIMIT, "two"), "two again");
        assert_eq!(process.stdout(), ["one", "two", "two again"]);
        assert_eq!(process.stderr(), ["three"]);
        assert_eq!(process.output().len(), 4);
    }

    #[test]
    #[should_panic(expected = "it said:\n  hello")]
    fn a_line_that_never_comes_shows_what_came() {
        shell("echo hello").wait_for(LIMIT, "goodbye");
    }

    #[test]
    fn a_silent_process_is_waited_for_no_longer_than_asked() {
        let mut process = shell("exec sleep 60");
        assert_eq!(process.find(Duration::from_millis(20), |_| true), None);
        assert_eq!(process.wait(Duration::from_millis(20)), None);
    }

    #[test]
    fn reads_its_input() {
        let mut process = Process::spawn(&mut Command::new("cat"));
        process.write_line("red");
        process.wait_for(LIMIT, "red");
        process.write_line("green");
        process.wait_for(LIMIT, "green");
        process.close_stdin();
        assert!(
            process
                .wait(LIMIT)
                .expect("ended at the end of its input")
                .success()
        );
    }

    #[test]
    fn forgets_what_was_said() {
        let mut process = Process::spawn(&mut Command::new("cat"));
        process.write(b"first\nsecond\n");
        process.wait_for(LIMIT, "first");
        assert!(wait_until(LIMIT, || process.output().len() == 2));
        process.forget();
        process.write_line("third");
        assert_eq!(process.find(LIMIT, |_| true).as_deref(), Some("third"));
    }

    #[test]
    fn signals_reach_it() {
        for (signal, name) in [(Signal::Interrupt, "INT"), (Signal::Terminate, "TERM")] {
            let script = format!(
                "trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.02; done"
            );
            // A shell cannot trap a signal that was ignored when it started, as SIGINT is in what a
            // script runs in the background; coreutils' `env` sets it right.
            let mut process = match cfg!(target_os = "linux") {
                true => Process::spawn(Command::new("env").args([
                    "--default-signal=INT,TERM",
                    "sh",
                    "-c",
                    &script,
                ])),
                false => shell(&script),
            };
            process.wait_for(LIMIT, "ready");
            process.signal(signal);
            process.wait_for(LIMIT, &format!("got {name}"));
            assert_eq!(process.wait(LIMIT).expect("ended").code(), Some(7));
        }
    }

    #[test]
    fn is_killed_on_drop() {
        let process = shell("exec sleep 60");
        let id = process.id().to_string();
        let alive = || {
            Command::new("kill")
                .args(["-0", &id])
                .stderr(Stdio::null())
                .status()
                .expect("kill")
                .success()
        };
        assert!(alive());
        drop(process);
        assert!(!alive());
    }
}
