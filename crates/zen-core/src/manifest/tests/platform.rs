//! `platform`: what is malformed, and what is not there.

use insta::assert_snapshot;

use super::{layout, render, step};
use crate::diag::Sources;
use crate::manifest::platform::Host;
use crate::manifest::resolve::{Overrides, resolve};
use crate::manifest::{Table, load};
use crate::path::RelPath;

/// The steps that are there on a host, and what is wrong.
fn on(triple: &str, root: &str) -> (String, String) {
    let mut sources = Sources::default();
    let file = sources.add(RelPath::new("Cargo.toml").unwrap(), root);
    let (mut declarations, mut problems) = load(&sources, &[Table { file, package: None, base: RelPath::root() }]);
    assert!(declarations.have_platforms());
    declarations.leave_out_absent(&Host::new(triple));
    let (model, more) = resolve(&declarations, &layout(), &Overrides::default(), &|_| Vec::new());
    problems.extend(more);
    let names: Vec<&str> = model.steps.iter().map(|step| step.name.as_str()).collect();
    (names.join(" "), render(&problems, &sources))
}

#[test]
fn malformed() {
    assert_snapshot!(step(r#"run = "true"
platform = "cfg(unix""#), @r#"
    error: `cfg(unix` is no `cfg(…)`: expected one of `=`, `,`, `)` here
      --> Cargo.toml:10:12 `"cfg(unix"`
      help: write it as cargo does: `cfg(unix)`, `cfg(all(target_os = "linux", not(target_env = "musl")))`
    "#);
    assert_snapshot!(step(r#"run = "true"
platform = "cfg(linux)""#), @r#"
    error: `linux` in `cfg(…)` says nothing about the platform
      --> Cargo.toml:10:12 `"cfg(linux)"` a step is there or not by the host alone
      help: did you mean `target_os = "linux"`?
    "#);
    assert_snapshot!(step(r#"run = "true"
platform = "linux""#), @r#"
    error: `linux` is neither a `cfg(…)` nor a target triple
      --> Cargo.toml:10:12 `"linux"`
      help: `platform = 'cfg(target_os = "linux")'`
    "#);
    assert_snapshot!(step(r#"run = "true"
platform = "x86_64-unkown-linux-gnu""#), @r#"
    warning: there is no target `x86_64-unkown-linux-gnu` as far as zen knows: the step is there on that host alone
      --> Cargo.toml:10:12 `"x86_64-unkown-linux-gnu"`
      help: did you mean `x86_64-unknown-linux-gnu`?
    "#);
    assert_snapshot!(step(r#"run = "true"
platform = ["cfg(unix)"]"#), @r#"
    error: `platform` must be a string, not an array
      --> Cargo.toml:10:12 `["cfg(unix)"]` expected a string
    "#);
    assert_snapshot!(step(r#"run = "true"
platform = 'cfg(any(feature = "x", unix = "a"))'"#), @r#"
    error: `cfg(any(feature = "x", unix = "a"))` is no `cfg(…)`: something is not expected where it stands
      --> Cargo.toml:10:12 `'cfg(any(feature = "x", unix = "a"))'`
      help: write it as cargo does: `cfg(unix)`, `cfg(all(target_os = "linux", not(target_env = "musl")))`
    "#);
}

const TWO: &str = r#"[workspace.metadata.zen.pipelines.p.steps]
here = { run = "true", files = ["a"], outputs.o = "o.txt", platform = "cfg(unix)" }
there = { run = "true", files = ["a"], outputs.o = "o.txt", platform = "cfg(windows)" }
"#;

#[test]
fn a_step_of_another_platform_is_not_there() {
    assert_eq!(on("x86_64-unknown-linux-gnu", TWO), ("here".to_owned(), String::new()));
    assert_eq!(on("x86_64-pc-windows-msvc", TWO), ("there".to_owned(), String::new()));
}

#[test]
fn a_reference_to_it_says_so() {
    let tables = format!("{TWO}use = {{ run = \"true\", inputs = [\"there.o\"], after = [\"there\"] }}\n");
    assert_snapshot!(on("aarch64-apple-darwin", &tables).1, @r#"
    error: step `p/there` is not there on this platform
      --> Cargo.toml:4:33 `"there.o"`
      and Cargo.toml:3:72 `"cfg(windows)"` only there
      help: a step of other platforms can be needed by such steps alone: give this one the same `platform`
    error: step `p/there` is not there on this platform
      --> Cargo.toml:4:54 `"there"`
      and Cargo.toml:3:72 `"cfg(windows)"` only there
      help: a step of other platforms can be needed by such steps alone: give this one the same `platform`
    "#);
    assert_eq!(on("x86_64-pc-windows-msvc", &tables).1, "", "where it is there, all is well");
}
