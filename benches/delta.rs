//! `cargo bench --bench delta`; the cases are in `src/delta.rs`.

mod measure;

fn main() {
    measure::measure(&benches::delta::cases());
}
