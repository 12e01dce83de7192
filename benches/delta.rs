//! `cargo bench --bench delta`; the cases are in `src/delta.rs`.

fn main() {
    benches::measure(&benches::delta::cases());
}
