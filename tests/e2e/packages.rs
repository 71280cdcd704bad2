//! Crates as inputs: what of a package's closure counts, what does not, and what cargo read besides. Paths alone, no
//! registry.

use std::fs;

use crate::harness::Workspace;

/// `app` depends on `base`, for its tests on `helper`; `other` is nobody's. `table` is the workspace's.
fn crates(table: &str) -> Workspace {
    let workspace = Workspace::bare();
    workspace.write(
        "Cargo.toml",
        &format!("[workspace]\nmembers = [\"app\", \"base\", \"helper\", \"other\"]\nresolver = \"3\"\n\n{table}\n"),
    );
    let package = |name: &str, more: &str| {
        workspace.write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{more}"),
        );
        workspace.write(&format!("{name}/src/lib.rs"), &format!("//! {name}\n"));
    };
    package(
        "app",
        "[dependencies]\nbase = { path = \"../base\" }\n[dev-dependencies]\nhelper = { path = \"../helper\" }\n",
    );
    package("base", "");
    package("helper", "");
    package("other", "");
    workspace.write(
        "app/src/main.rs",
        "fn main() { println!(\"{}\", std::env::args().skip(1).collect::<Vec<_>>().join(\" \")); }\n",
    );
    workspace.write("app/examples/show.rs", "fn main() { println!(\"example\"); }\n");
    workspace.write("app/tests/it.rs", "//! Tests.\n");
    workspace.write("README.md", "# Crates\n");
    workspace
}

/// A step `s` that reads packages and starts no cargo.
fn reading(packages: &str) -> Workspace {
    let workspace =
        crates(&format!("[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\npackages = {packages}"));
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace
}

/// The step runs, and one reason is of this component and holds this text.
fn runs_for(workspace: &Workspace, component: &str, text: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=ran", "because of {text}");
    assert!(outcome.why("s").contains(text), "`{text}` must be in: {}", outcome.why("s"));
    assert_eq!(outcome.finished("s")["why"][0]["component"], component);
}

fn is_fresh(workspace: &Workspace, because: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=fresh", "{because}: {}", outcome.why("s"));
}

#[test]
fn a_comment_in_the_sources_counts_and_so_does_one_of_a_dependency() {
    let workspace = reading("[\"app\"]");
    workspace.write("app/src/lib.rs", "//! app, changed\n");
    runs_for(&workspace, "sources", "app/src/lib.rs");
    workspace.write("base/src/new.rs", "");
    runs_for(&workspace, "sources", "base/src/new.rs");
    workspace.write("app/data/table.csv", "");
    runs_for(&workspace, "sources", "app/data/table.csv");
    workspace.write("app/tests/it.rs", "//! changed\n");
    runs_for(&workspace, "sources", "app/tests/it.rs");
    workspace.write("helper/src/lib.rs", "//! `packages` means what is there for development too\n");
    runs_for(&workspace, "sources", "helper/src/lib.rs");
}

#[test]
fn what_is_no_part_of_the_closure_changes_nothing() {
    let workspace = reading("[\"app\"]");
    for (path, text) in [
        ("README.md", "# Changed\n"),
        ("other/src/lib.rs", "//! changed\n"),
        ("other/Cargo.toml", "[package]\nname = \"other\"\nversion = \"0.2.0\"\nedition = \"2021\"\n"),
        ("notes/a.txt", ""),
    ] {
        workspace.write(path, text);
        is_fresh(&workspace, path);
    }
    workspace.edit(
        "Cargo.toml",
        "[workspace.metadata.zen.",
        "[workspace.metadata.zen]\nenv.A = \"1\"\n[workspace.metadata.zen.",
    );
    workspace.edit("Cargo.toml", "env.A = \"1\"", "pools.gpu = 1");
    workspace.edit(
        "Cargo.toml",
        "resolver = \"3\"",
        "# A comment.\nresolver = \"3\"\n[workspace.metadata.other]\nx = 1\n[workspace.package]\nlicense = \"MIT\"",
    );
    is_fresh(&workspace, "the root's tables for zen and for others");
    workspace.edit("app/Cargo.toml", "[dependencies]", "[package.metadata.x]\na = 1\n\n# A comment.\n[dependencies]");
    is_fresh(&workspace, "comments and metadata of the own manifest");
}

#[test]
fn what_git_ignores_is_no_source_with_or_without_a_repository() {
    let workspace = reading("[\"app\"]");
    workspace.write("app/.gitignore", "/scratch/\n*.log\n");
    runs_for(&workspace, "sources", "app/.gitignore");
    workspace.write("app/scratch/a.rs", "");
    workspace.write("app/src/x.log", "");
    is_fresh(&workspace, "they are ignored");
    workspace.write(".gitignore", "*.bak\n");
    workspace.write("app/src/lib.rs.bak", "");
    is_fresh(&workspace, "the root's ignore file counts as well");
}

#[test]
fn the_own_manifest_counts_as_parsed() {
    let workspace = reading("[\"app\"]");
    workspace.edit("app/Cargo.toml", "[dependencies]", "[features]\nfast = []\n[dependencies]");
    runs_for(&workspace, "sources", "app");
    workspace.edit("app/Cargo.toml", "[dependencies]", "[dependencies]\nother = { path = \"../other\" }");
    runs_for(&workspace, "sources", "");
    workspace.write("other/src/lib.rs", "//! reached now\n");
    runs_for(&workspace, "sources", "other/src/lib.rs");
    workspace.edit("Cargo.toml", "[workspace.metadata", "[profile.dev]\nopt-level = 1\n[workspace.metadata");
    runs_for(&workspace, "sources", "profile");
}

#[test]
fn f_20_f53_cargos_configuration_and_the_toolchain_count() {
    let workspace = reading("[\"app\"]");
    workspace.write(".cargo/config.toml", "[build]\nrustflags = [\"-Copt-level=1\"]\n");
    let outcome = workspace.ok(&[]);
    assert_eq!(
        (outcome.outcomes().as_str(), outcome.finished("s")["why"][0]["component"].as_str()),
        ("s=ran", Some("sources"))
    );
}

#[test]
fn tests_and_dev_dependencies_count_where_a_cargo_command_asks_for_them() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"cargo\", \"test\", \"--help\", \"-p\", \"app\"]",
    );
    workspace.ok(&[]);
    is_fresh(&workspace, "nothing changed");
    workspace.write("app/tests/it.rs", "//! changed\n");
    runs_for(&workspace, "sources", "app/tests/it.rs");
    workspace.write("helper/src/lib.rs", "//! changed\n");
    runs_for(&workspace, "sources", "helper/src/lib.rs");
    workspace.write("other/src/lib.rs", "//! changed\n");
    is_fresh(&workspace, "`-p app` names what is meant");
    workspace.edit("Cargo.toml", ", \"-p\", \"app\"", "");
    workspace.ok(&[]);
    workspace.write("other/src/lib.rs", "//! changed again\n");
    runs_for(&workspace, "sources", "other/src/lib.rs");
}

#[test]
fn tests_and_dev_dependencies_do_not_count_where_a_cargo_command_builds() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"cargo\", \"build\", \"--help\", \"-p\", \"app\"]",
    );
    workspace.ok(&[]);
    for path in ["app/tests/it.rs", "app/tests/new.rs", "app/benches/b.rs", "app/examples/new.rs", "helper/src/lib.rs"]
    {
        workspace.write(path, "//! changed\n");
        is_fresh(&workspace, path);
    }
    workspace.write("app/src/main.rs", "fn main() {}\n");
    runs_for(&workspace, "sources", "app/src/main.rs");
    workspace.edit("Cargo.toml", "\"-p\", \"app\"", "\"--package=app\", \"--all-targets\"");
    workspace.ok(&[]);
    workspace.write("app/tests/it.rs", "//! asked for\n");
    runs_for(&workspace, "sources", "app/tests/it.rs");
}

#[test]
fn in_a_packages_table_cargo_means_that_package() {
    let workspace = crates("");
    workspace.edit(
        "base/Cargo.toml",
        "[package]",
        "[package.metadata.zen.pipelines.p.steps.s]\nrun = [\"cargo\", \"build\", \"--help\"]\n[package]",
    );
    workspace.ok(&[]);
    workspace.write("app/src/lib.rs", "//! changed\n");
    is_fresh(&workspace, "`base` does not reach `app`");
    workspace.write("base/src/lib.rs", "//! changed\n");
    runs_for(&workspace, "sources", "base/src/lib.rs");
}

#[test]
fn cargo_elsewhere_in_a_shell_string_gets_one_warning_with_the_line_to_add() {
    let workspace = crates("[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true && cargo --version\"");
    let stderr = workspace.ok(&[]).stderr;
    assert!(stderr.contains("warning:") && stderr.contains("packages = ["), "{stderr}");
    workspace.edit("Cargo.toml", "run =", "packages = [\"app\"]\nrun =");
    let stderr = workspace.ok(&[]).stderr;
    assert!(!stderr.contains("warning:"), "{stderr}");
}

#[test]
fn f_12_a_closure_is_the_same_in_any_checkout() {
    let workspace = reading("[\"app\"]");
    workspace.write(".cargo/config.toml", "[env]\nX = { value = \"x\", relative = true }\n");
    workspace.ok(&[]);
    is_fresh(&workspace.clone_elsewhere(), "the same crates at another place");
}

#[test]
fn packages_may_be_globs_and_must_exist() {
    let workspace = reading("[\"*e*\"]");
    workspace.write("other/src/lib.rs", "//! changed\n");
    runs_for(&workspace, "sources", "other/src/lib.rs");
    workspace.write("app/src/lib.rs", "//! changed\n");
    is_fresh(&workspace, "`app` has no `e`");
    workspace.edit("Cargo.toml", "[\"*e*\"]", "[\"ap\"]");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96));
    assert!(outcome.stderr.contains("`app`"), "it is suggested:\n{}", outcome.stderr);
}

#[test]
fn an_output_below_a_source_root_belongs_to_the_closure_and_no_other_does() {
    let workspace = crates(
        r#"
[workspace.metadata.zen.pipelines.p.steps]
generate = { run = "cat in.txt > {{ outputs.o }}; cat in.txt > {{ outputs.n }}", files = "in.txt", outputs = { o = "app/src/gen.rs", n = "app/data/gen.json" } }
s = { run = ["true"], packages = ["app"] }
"#,
    );
    workspace.write(".gitignore", "gen.rs\n");
    workspace.write("in.txt", "// 1\n");
    assert_eq!(workspace.ok(&["-s", "s"]).outcomes(), "generate=ran s=ran", "it is a need");
    workspace.write("in.txt", "// 2\n");
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "generate=ran s=ran");
    assert!(
        outcome.why("s").contains("app/src/gen.rs") && !outcome.why("s").contains("gen.json"),
        "{}",
        outcome.why("s")
    );
}

#[test]
fn a_step_that_writes_into_its_own_closure_settles_with_one_note() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"echo '// made' > {{ outputs.o }}\"\npackages = [\"app\"]\noutputs.o = \"app/src/gen.rs\"",
    );
    let first = workspace.ok(&[]);
    let notes = first.stderr.matches("note:").count() + first.stderr.matches("own closure").count();
    assert!(notes >= 1, "one note says so:\n{}", first.stderr);
    is_fresh(&workspace, "its own output is no part of its key");
    workspace.write("app/src/gen.rs", "// by hand\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
}

#[test]
fn a_bin_is_built_when_the_step_runs_and_its_closure_is_the_key() {
    let workspace = crates(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps]
s = { run = { bin = "app", args = ["--n", "{{ params.n }}"] }, params = ["n"] }
e = { run = { example = "show", package = "app" } }
"#,
    );
    let first = workspace.ok(&[]);
    assert_eq!(first.outcomes(), "e=ran s=ran");
    assert_eq!(
        (first.printed("s").lines().last(), first.printed("e").lines().last()),
        (Some("--n 1"), Some("example"))
    );
    let second = workspace.ok(&[]);
    assert_eq!(second.outcomes(), "e=fresh s=fresh", "{}; {}", second.why("s"), second.why("e"));
    workspace.edit("app/examples/show.rs", "\"example\"", "\"changed\"");
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "e=ran s=fresh", "another target's file is nothing to a bin: {}", changed.why("s"));
    assert_eq!(changed.printed("e").lines().last(), Some("changed"));
    workspace.edit("app/src/main.rs", "fn main", "// A comment.\nfn main");
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "e=fresh s=ran", "nor is the bin's to an example: {}", changed.why("e"));
    workspace.write("app/tests/it.rs", "//! changed\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "e=fresh s=fresh", "tests are of no target here");
    workspace.write("helper/src/lib.rs", "//! changed\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "e=ran s=fresh", "an example may use it, a bin may not");
    assert_eq!(workspace.ok(&["--set", "n=2"]).printed("s").lines().last(), Some("--n 2"));
}

#[test]
fn build_delivers_what_cargo_built() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = { build = \"app\", profile = \"dev\" }\noutputs.exe = \"dist/app\"",
    );
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    let built = std::process::Command::new(workspace.path("dist/app")).arg("x").output().expect("it was built");
    assert_eq!(String::from_utf8_lossy(&built.stdout), "x\n");
    is_fresh(&workspace, "nothing changed");
    fs::remove_file(workspace.path("dist/app")).expect("it was made");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
}

#[test]
fn a_file_that_cargo_read_and_the_key_lacks_is_warned_about_and_nothing_is_recorded() {
    let workspace = crates("[workspace.metadata.zen.pipelines.p.steps.s]\nrun.bin = \"app\"");
    workspace.write("shared/text.txt", "hello");
    workspace.write("app/src/main.rs", "fn main() { println!(\"{}\", include_str!(\"../../shared/text.txt\")); }\n");
    for _ in 0..2 {
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "s=ran", "it must not be recorded");
        for text in ["warning:", "shared/text.txt", "files = [\"shared/text.txt\"]"] {
            assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
        }
    }
    workspace.edit("Cargo.toml", "run.bin =", "files = [\"shared/text.txt\"]\nrun.bin =");
    let declared = workspace.ok(&[]);
    assert!(!declared.stderr.contains("warning:"), "{}", declared.stderr);
    is_fresh(&workspace, "it is declared");
    workspace.write("shared/text.txt", "other");
    assert_eq!(workspace.ok(&[]).printed("s").lines().last(), Some("other"));
}

#[test]
fn a_build_that_fails_fails_the_step_and_records_nothing() {
    let workspace = crates("[workspace.metadata.zen.pipelines.p.steps.s]\nrun.bin = \"app\"");
    workspace.write("app/src/main.rs", "fn main() { nothing }\n");
    let outcome = workspace.run(&[]);
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(100), "s=failed"));
    assert!(outcome.printed("s").contains("cannot find value `nothing`"), "what rustc says is shown");
}
