//! What the benchmark targets share: their cases by criterion. Here and not in the library, so that those who only count
//! do not wait for criterion.

use std::time::Duration;

use benches::Case;
use criterion::{BenchmarkId, Criterion};

/// The body of a benchmark target.
pub(crate) fn measure(cases: &[Case]) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for case in cases {
        let mut group = criterion.benchmark_group(case.group);
        let id = BenchmarkId::new(case.who.name(), case.input);
        group.bench_function(id, |bencher| {
            let mut step = case.step();
            bencher.iter(&mut step);
        });
        group.finish();
    }
    criterion.final_summary();
}
