//! `cargo bench --bench session`; the cases are in `src/session.rs`.

fn main() {
    benches::measure(&benches::session::cases());
}
