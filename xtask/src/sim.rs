//! `cargo xtask sim`: the simulation, compiled for speed.

use crate::Stop;
use crate::exec::{Cmd, Cx};
use crate::workspace::Workspace;

pub(crate) const PACKAGE: &str = "sim";

pub(crate) fn main(args: &[String]) -> Result<(), Stop> {
    check(args)?;
    let cx = Cx::new()?;
    if !Workspace::load(&cx)?.has(PACKAGE) {
        return Err(Stop::Because(format!(
            "there is no package {PACKAGE} yet, so nothing to simulate"
        )));
    }
    command(&cx, args).run()?;
    Ok(())
}

/// The simulation with these arguments. Failures to replay and their traces are its own business.
pub(crate) fn command<'a, A: AsRef<str>>(cx: &'a Cx, args: &[A]) -> Cmd<'a> {
    let cargo = cx.cargo([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        PACKAGE,
        "--",
    ]);
    cargo.args(args.iter().map(AsRef::as_ref))
}

/// Wrong arguments are found before a minute of compiling.
fn check(args: &[String]) -> Result<(), Stop> {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--bytes" {
            continue;
        }
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (arg.as_str(), rest.next().map(String::as_str)),
        };
        if !matches!(flag, "--seeds" | "--seed") {
            return Err(Stop::Usage(format!(
                "sim takes --seeds N, --seed S and --bytes, not {arg}"
            )));
        }
        let number = value.ok_or_else(|| Stop::Usage(format!("{flag} needs a number")))?;
        if number.parse::<u64>().is_err() {
            return Err(Stop::Usage(format!(
                "{flag} needs a number from 0 to {}, not {number:?}",
                u64::MAX
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(args: &[&str]) -> Result<(), Stop> {
        check(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments() {
        for good in [
            &[][..],
            &["--seeds", "10000"],
            &["--seed=18446744073709551615"],
            &["--seed", "1", "--seeds", "2"],
            &["--bytes", "--seed", "1"],
        ] {
            assert!(checked(good).is_ok(), "{good:?}");
        }
        for bad in [
            &["--seed"][..],
            &["--seed", "x"],
            &["--seed", "-1"],
            &["7"],
            &["--sead", "1"],
        ] {
            assert!(matches!(checked(bad), Err(Stop::Usage(_))), "{bad:?}");
        }
    }
}
