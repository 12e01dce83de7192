//! `cargo bench --bench topic`; the cases are in `src/topic.rs`.

mod measure;

fn main() {
    measure::measure(&benches::topic::cases());
}
