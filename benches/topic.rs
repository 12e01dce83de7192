//! `cargo bench --bench topic`; the cases are in `src/topic.rs`.

fn main() {
    benches::measure(&benches::topic::cases());
}
