//! `cargo xtask bench`: the benchmarks, as `cargo bench` runs them.

use crate::Stop;
use crate::exec::Cx;
use crate::workspace::Workspace;

pub(crate) const PACKAGE: &str = "benches";

/// A workspace of its own, as `fuzz`.
pub(crate) const BY_HAND: &str = "benches/by-hand/Cargo.toml";

/// Tells the benchmarks that the workspace's binaries are there.
pub(crate) const CLIENTS_ARE_BUILT: &str = "SHADOW_BENCH_CLIENTS_ARE_BUILT";

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
