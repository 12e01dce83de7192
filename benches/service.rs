//! `cargo bench --bench service`; the cases are in `src/service.rs`.

fn main() {
    benches::measure(&benches::service::cases());
}
