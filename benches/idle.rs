//! `cargo bench --bench idle`; the cases are in `src/idle.rs`.

fn main() {
    benches::measure(&benches::idle::cases());
}
