//! `cargo zen`: flags in, status lines, diagnostics, JSON and exit codes out. The only crate that prints.

mod diagnose;
mod exit;
mod flags;
mod human;
mod json;
mod shell;
mod words;

fn main() {}
