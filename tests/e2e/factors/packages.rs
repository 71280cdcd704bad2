//! Rows about packages and Rust items.

use super::Edit::{Del, Mv, Put, Sub, Touch};
use super::{Row, check};
use crate::harness::Workspace;

const T: &str = "Cargo.toml";

/// `all` reads package `a`, which depends on `b`; `item` reads one function of it. `c` stands beside them.
fn base() -> Workspace {
    let workspace = Workspace::bare();
    for (file, text) in [
        (
            T,
            r#"
[workspace]
members = ["crates/*"]
resolver = "3"
[workspace.metadata.zen.pipelines.p.steps]
all = { run = "true", packages = ["a"] }
item = { run = "true", cache-policy.source-dependencies = ["a::rules::limit"] }
"#,
        ),
        (
            "crates/a/Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nb = { path = \"../b\" }\n",
        ),
        ("crates/a/src/lib.rs", "//! A.\npub mod rules;\n"),
        (
            "crates/a/src/rules.rs",
            "/// A limit.\npub fn limit() -> u32 {\n    10\n}\n\npub fn other() -> u32 {\n    1\n}\n",
        ),
        ("crates/a/tests/t.rs", "//! Tests.\n"),
        ("crates/a/README.md", "# a\n"),
        ("crates/a/.gitignore", "made.txt\n"),
        ("crates/b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        ("crates/b/src/lib.rs", "//! B.\n"),
        ("crates/c/Cargo.toml", "[package]\nname = \"c\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        ("crates/c/src/lib.rs", "//! C.\n"),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\ndependencies = [\n \"b\",\n]\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"c\"\nversion = \"0.1.0\"\n",
        ),
        ("README.md", "# all\n"),
    ] {
        workspace.write(file, text);
    }
    workspace
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row("package", "unchanged", &[], &[], "", ""),
    Row("package source", "changed", &[], &[Sub("crates/a/src/rules.rs", "    1\n", "    2\n")], "all", "source crates/a/src/rules.rs of a changed"),
    Row("package source", "comment", &[], &[Sub("crates/a/src/lib.rs", "//! A.", "//! B.")], "all", "source crates/a/src/lib.rs of a changed"),
    Row("package source", "touched", &[], &[Touch("crates/a/src/lib.rs"), Touch("crates/a/src/rules.rs")], "", ""),
    Row("package source", "added", &[], &[Put("crates/a/src/new.rs", "")], "all", "source crates/a/src/new.rs of a added"),
    Row("package tests", "changed", &[], &[Put("crates/a/tests/t.rs", "//! More tests.\n")], "all", "source crates/a/tests/t.rs of a changed"),
    Row("package README", "changed", &[], &[Put("crates/a/README.md", "# A\n")], "all", "source crates/a/README.md of a changed"),
    Row("ignored file of a package", "added", &[], &[Put("crates/a/made.txt", "x")], "", ""),
    Row("path dependency", "changed", &[], &[Put("crates/b/src/lib.rs", "//! Bee.\n")], "all", "source crates/b/src/lib.rs of b changed"),
    Row("path dependency", "touched", &[], &[Touch("crates/b/src/lib.rs")], "", ""),
    Row("other package", "changed", &[], &[Put("crates/c/src/lib.rs", "//! Sea.\n")], "", ""),
    Row("manifest", "comment", &[], &[Sub("crates/a/Cargo.toml", "[dependencies]", "# what it needs\n[dependencies]")], "", ""),
    Row("manifest", "reordered", &[], &[Sub("crates/a/Cargo.toml", "name = \"a\"\nversion = \"0.1.0\"", "version = \"0.1.0\"\nname = \"a\"")], "", ""),
    Row("manifest", "metadata", &[], &[Sub("crates/a/Cargo.toml", "[dependencies]", "[package.metadata.x]\ny = 1\n[dependencies]")], "", ""),
    Row("manifest", "touched", &[], &[Touch("crates/a/Cargo.toml")], "", ""),
    Row("manifest", "changed", &[], &[Sub("crates/a/Cargo.toml", "edition = \"2024\"", "edition = \"2021\"")], "all", "manifest of a with dev-dependencies changed"),
    Row("manifest of another package", "changed", &[], &[Sub("crates/c/Cargo.toml", "edition = \"2024\"", "edition = \"2021\"")], "", ""),
    Row("profile of the root", "added", &[], &[Sub(T, "resolver", "default-members = [\"crates/a\"]\nresolver")], "", ""),
    Row("README of the root", "changed", &[], &[Put("README.md", "# All\n")], "", ""),
    Row("zen table", "another step", &[], &[Sub(T, "all =", "more = { run = \"true\", files = \"README.md\" }\nall =")], "more", "never run"),

    Row("item", "changed", &[], &[Sub("crates/a/src/rules.rs", "    10", "    11")], "all item", "source crates/a/src/rules.rs of a changed"),
    Row("item", "doc comment", &[], &[Sub("crates/a/src/rules.rs", "/// A limit.", "/// The limit.")], "all", "source crates/a/src/rules.rs of a changed"),
    Row("item", "formatting", &[], &[Sub("crates/a/src/rules.rs", "{\n    10\n}", "{ 10 }")], "all", "source crates/a/src/rules.rs of a changed"),
    Row("item", "another item of its file", &[], &[Sub("crates/a/src/rules.rs", "other", "another")], "all", "source crates/a/src/rules.rs of a changed"),
    Row("item", "reordered", &[], &[Put("crates/a/src/rules.rs", "pub fn other() -> u32 {\n    1\n}\n\n/// A limit.\npub fn limit() -> u32 {\n    10\n}\n")], "all", "source crates/a/src/rules.rs of a changed"),
    Row("item", "its module moved", &[Put("crates/a/src/rules/x", "")], &[Del("crates/a/src/rules/x"), Mv("crates/a/src/rules.rs", "crates/a/src/rules/mod.rs")], "all", "source crates/a/src/rules.rs of a removed"),
    Row("item", "touched", &[], &[Touch("crates/a/src/rules.rs")], "", ""),
];

#[test]
fn what_counts_of_packages() {
    check(&base, ROWS);
}
