//! Chores of this repository, as a program: `cargo xtask <chore>`.
fn main() {}
