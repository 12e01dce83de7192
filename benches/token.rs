//! `cargo bench --bench token`; the cases are in `src/token.rs`.

mod measure;

fn main() {
    measure::measure(&benches::token::cases());
}
