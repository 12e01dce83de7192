//! `cargo bench --bench service`; the cases are in `src/service.rs`.

mod measure;

fn main() {
    measure::measure(&benches::service::cases());
}
