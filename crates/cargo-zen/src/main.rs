//! See each module.
fn main() {}
