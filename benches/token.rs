//! `cargo bench --bench token`; the cases are in `src/token.rs`.

fn main() {
    benches::measure(&benches::token::cases());
}
