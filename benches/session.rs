//! `cargo bench --bench session`; the cases are in `src/session.rs`.

mod measure;

fn main() {
    measure::measure(&benches::session::cases());
}
