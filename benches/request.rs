//! `cargo bench --bench request`; the cases are in `src/request.rs`.

mod measure;

fn main() {
    measure::measure(&benches::request::cases());
}
