//! `cargo xtask bench`: the benchmarks, as `cargo bench` runs them.

use crate::Stop;
use crate::exec::Cx;
use crate::workspace::Workspace;

pub(crate) const PACKAGE: &str = "benches";

pub(crate) fn main(args: &[String]) -> Result<(), Stop> {
    let cx = Cx::new()?;
    if !Workspace::load(&cx)?.has(PACKAGE) {
        return Err(Stop::Because(format!(
            "there is no package {PACKAGE} yet, so nothing to measure"
        )));
    }
    cx.cargo(["bench", "--locked", "--package", PACKAGE])
        .args(args)
        .run()?;
    Ok(())
}
