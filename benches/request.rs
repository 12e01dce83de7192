//! `cargo bench --bench request`; the cases are in `src/request.rs`.

fn main() {
    benches::measure(&benches::request::cases());
}
