//! Child processes: what they inherit, what is read from them, how long they may take.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};

/// No command takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Where commands run, and with which Cargo.
#[derive(Debug)]
pub(crate) struct Cx {
    pub(crate) root: PathBuf,
    cargo: OsString,
    target_dir: Option<PathBuf>,
    /// What the table at the end repeats.
    notes: RefCell<Vec<String>>,
    /// The command that runs or ran last, to be repeated by hand.
    last: RefCell<String>,
}

impl Cx {
    pub(crate) fn new() -> Result<Self, String> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .ok_or("the workspace has no folder")?
            .to_owned();
        // Commands run at the root, xtask perhaps elsewhere: a relative folder must stay the same one.
        let target_dir = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
        let target_dir = target_dir.map(|dir| env::current_dir().unwrap_or_default().join(dir));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self {
            root,
            cargo,
            target_dir,
            notes: RefCell::default(),
            last: RefCell::default(),
        })
    }

    /// The Cargo that started this program.
    pub(crate) fn cargo<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Cmd<'_> {
        let mut cmd = self.program(&self.cargo);
        cmd.shown = "cargo".to_owned();
        cmd.args(args)
    }

    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Cmd<'_> {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // Set by Cargo for this program. Build scripts that watch them would run again after each change between
        // `cargo test` and `cargo xtask test`.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        if let Some(dir) = &self.target_dir {
            command.env("CARGO_TARGET_DIR", dir);
        }
        Cmd {
            cx: self,
            command,
            shown: quoted(&program.to_string_lossy()),
            limit: LIMIT,
        }
    }

    /// Prints a line now, and again under the table at the end.
    pub(crate) fn note(&self, note: impl Into<String>) {
        let note = note.into();
        say(&format!("note: {note}"));
        self.notes.borrow_mut().push(note);
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    pub(crate) fn last_command(&self) -> String {
        self.last.borrow().clone()
    }

    pub(crate) fn forget_last_command(&self) {
        self.last.borrow_mut().clear();
    }
}

/// One command. Each way of running it fails with one line when the command does.
#[derive(Debug)]
pub(crate) struct Cmd<'a> {
    cx: &'a Cx,
    command: Command,
    shown: String,
    limit: Duration,
}

impl Cmd<'_> {
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self.shown = format!("{} {}", self.shown, quoted(&arg.as_ref().to_string_lossy()));
            self.command.arg(arg);
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.shown = format!("{name}={} {}", quoted(&value.to_string_lossy()), self.shown);
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Nothing to read, so that no program waits for a person.
    pub(crate) fn no_input(mut self) -> Self {
        self.command.stdin(Stdio::null());
        self.shown += " < /dev/null";
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it on our own standard streams.
    pub(crate) fn run(mut self) -> Result<(), String> {
        self.announce();
        let child = self.command.spawn();
        let status = self.ended(child)?;
        self.judged(status)
    }

    /// Runs it on our own standard streams. Whether it succeeded.
    pub(crate) fn succeeds(mut self) -> Result<bool, String> {
        self.announce();
        let child = self.command.spawn();
        Ok(self.ended(child)?.success())
    }

    /// Runs it with nothing shown, for its standard output.
    pub(crate) fn capture(mut self) -> Result<String, String> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        if !output.status.success() {
            self.remember();
            complain(&String::from_utf8_lossy(&output.stderr));
        }
        self.judged(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it with nothing shown. Whether it could be started and succeeded.
    pub(crate) fn quietly(mut self) -> bool {
        let command = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Shows what it prints while it runs, both streams in one, and returns it with whether it succeeded.
    pub(crate) fn tee(mut self) -> Result<Teed, String> {
        let (reader, writer) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
        let second = writer
            .try_clone()
            .map_err(|error| format!("no pipe: {error}"))?;
        self.command
            .stdout(writer)
            .stderr(second)
            .env("CARGO_TERM_COLOR", "never");
        self.announce();
        let child = self.command.spawn();
        // The command holds our ends of the pipe, which must close for its end to be seen.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.teed(child, Some(reader))
    }

    /// Like [`tee`](Self::tee) for standard output alone.
    pub(crate) fn tee_stdout(mut self) -> Result<Teed, String> {
        self.announce();
        let mut child = self.command.stdout(Stdio::piped()).spawn();
        let pipe = child.as_mut().ok().and_then(|child| child.stdout.take());
        self.teed(child, pipe)
    }

    /// Without a pipe the command has not started, and waiting for it says why.
    fn teed(
        self,
        child: io::Result<Child>,
        pipe: Option<impl Read + Send + 'static>,
    ) -> Result<Teed, String> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let Some(pipe) = pipe else { return };
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let _ = io::stdout().write_all(&line);
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let status = self.ended(child)?;
        // A grandchild left behind may hold the pipe open, so this waits for the next line only for a while.
        let mut lines = Vec::new();
        while let Ok(line) = receiver.recv_timeout(Duration::from_secs(5)) {
            lines.push(line);
        }
        Ok(Teed {
            lines,
            failure: self.judged(status).err(),
        })
    }

    fn ended(&self, child: io::Result<Child>) -> Result<ExitStatus, String> {
        let mut child = child.map_err(|error| self.cannot_start(&error))?;
        let end = Instant::now() + self.limit;
        let mut pause = Duration::from_millis(1);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => thread::sleep(pause),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!(
                        "did not end within {} s: {}",
                        self.limit.as_secs(),
                        self.shown
                    ));
                }
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn announce(&self) {
        say(&format!("$ {}", self.shown));
        self.remember();
    }

    fn remember(&self) {
        self.cx.last.borrow_mut().clone_from(&self.shown);
    }

    fn judged(&self, status: ExitStatus) -> Result<(), String> {
        if status.success() {
            Ok(())
        } else {
            Err(format!("failed ({status}): {}", self.shown))
        }
    }

    fn cannot_start(&self, error: &io::Error) -> String {
        format!("cannot start ({error}): {}", self.shown)
    }
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Teed {
    pub(crate) lines: Vec<String>,
    pub(crate) failure: Option<String>,
}

/// Prints to standard output. A reader that went away is no error (`cargo xtask test --list | head -1`).
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// As a shell would want it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        assert_eq!(quoted("--features=a/b,c"), "--features=a/b,c");
        assert_eq!(quoted("-D warnings"), "'-D warnings'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    #[cfg(unix)]
    fn both_streams_are_read_in_order() {
        let cx = Cx::new().expect("a workspace");
        let teed = cx
            .program("sh")
            .args(["-c", "echo one; echo two >&2; echo three; exit 3"])
            .tee()
            .expect("sh");
        assert_eq!(teed.lines, ["one", "two", "three"]);
        assert!(
            teed.failure
                .expect("exit status 3")
                .contains("exit status: 3")
        );
        let teed = cx
            .program("sh")
            .args(["-c", "echo one; echo two >&2"])
            .tee_stdout()
            .expect("sh");
        assert_eq!(teed.lines, ["one"]);
        assert!(teed.failure.is_none());
    }

    #[test]
    #[cfg(unix)]
    fn a_command_that_hangs_is_ended() {
        let cx = Cx::new().expect("a workspace");
        let error = cx
            .program("sleep")
            .args(["60"])
            .limit(Duration::from_millis(10))
            .run()
            .expect_err("it hangs");
        assert!(error.contains("did not end"), "{error}");
        assert_eq!(cx.last_command(), "sleep 60");
        assert!(
            cx.program("no-such-program")
                .run()
                .expect_err("absent")
                .contains("cannot start")
        );
    }
}
