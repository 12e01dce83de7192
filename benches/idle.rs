//! `cargo bench --bench idle`; the cases are in `src/idle.rs`.

mod measure;

fn main() {
    measure::measure(&benches::idle::cases());
}
