//! The inner loops of a no-op, timed without processes: `cargo bench -p zen-core`. Asserts nothing; compare two builds
//! on one machine. Knows the public side of the engine alone.

mod glob;
mod key;
mod plan;
mod records;
mod stat_cache;

fn main() {
    divan::main();
}
