//! `source-dependencies`: Rust items as inputs. Which edits make a step run, what is said of items that are not there.

use std::fs;

use crate::harness::{Outcome, Workspace};

const LIB: &str = "//! The crate.\n\npub mod model;\n\npub fn other() -> u8 {\n    1\n}\n";
const MODEL: &str = "//! Models.\n\n/// Parameters.\npub struct Params {\n    pub gamma: f64,\n}\n\n\
    impl Params {\n    pub fn double(&self) -> f64 {\n        self.gamma * 2.0\n    }\n}\n\npub fn load() -> u8 {\n    1\n}\n";

/// Packages `my-api` and `tool`, whose sources nothing builds; `table` is the workspace's.
fn crates(table: &str) -> Workspace {
    let workspace = Workspace::bare();
    workspace
        .write("Cargo.toml", &format!("[workspace]\nmembers = [\"api\", \"tool\"]\nresolver = \"3\"\n\n{table}\n"));
    for (folder, name) in [("api", "my-api"), ("tool", "tool")] {
        workspace.write(
            &format!("{folder}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        );
        workspace.write(&format!("{folder}/src/lib.rs"), "//! Nothing.\n");
    }
    workspace.write("api/src/lib.rs", LIB);
    workspace.write("api/src/model.rs", MODEL);
    workspace
}

/// A step `s` with these `source-dependencies`, that has run.
fn reading(sources: &str) -> Workspace {
    let workspace = crates(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\ncache-policy.source-dependencies = {sources}"
    ));
    let first = workspace.ok(&[]);
    assert_eq!(first.outcomes(), "s=ran");
    assert!(!first.stderr.contains("warning"), "it reads something:\n{}", first.stderr);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace
}

fn runs_for(workspace: &Workspace, why: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=ran", "because of {why}");
    assert_eq!(outcome.why("s"), why);
    assert_eq!(outcome.finished("s")["why"][0]["component"], "sources");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

fn is_fresh(workspace: &Workspace, because: &str) {
    let outcome = workspace.ok(&[]);
    assert_eq!(outcome.outcomes(), "s=fresh", "{because}: {}", outcome.why("s"));
}

#[test]
fn an_item_counts_by_its_tokens() {
    let workspace = reading("[\"my-api::model::Params\"]");
    workspace.edit("api/src/model.rs", "/// Parameters.", "/// The parameters.\n// A note.");
    is_fresh(&workspace, "comments");
    workspace.edit("api/src/model.rs", "struct Params {\n    pub gamma: f64,\n}", "struct Params { pub gamma: f64, }");
    is_fresh(&workspace, "formatting");
    workspace.edit("api/src/model.rs", "u8 {\n    1", "u8 {\n    2");
    workspace.edit("api/src/lib.rs", "    1", "    2");
    is_fresh(&workspace, "other items, in the same file too");
    workspace.write("api/src/new.rs", "fn f() {}\n");
    is_fresh(&workspace, "a file that is no module");
    workspace.edit("api/src/model.rs", "f64,", "f32,");
    runs_for(&workspace, "source my-api::model::Params changed");
    workspace.edit("api/src/model.rs", "* 2.0", "+ 2.0");
    runs_for(&workspace, "source my-api::model::Params changed");
    workspace.edit("api/src/model.rs", "+ 2.0", "* 2.0");
    workspace.edit("api/src/model.rs", "f32,", "f64,");
    is_fresh(&workspace, "an earlier state");
}

#[test]
fn a_module_may_move_to_another_file() {
    let workspace = reading("\"my_api::model\"");
    fs::create_dir(workspace.path("api/src/model")).expect("it is new");
    fs::rename(workspace.path("api/src/model.rs"), workspace.path("api/src/model/mod.rs")).expect("it can be moved");
    is_fresh(&workspace, "the same tokens, found in `model/mod.rs`");
    workspace.edit("api/src/model/mod.rs", "u8 {\n    1", "u8 {\n    2");
    runs_for(&workspace, "source my-api::model changed");
    workspace.write("api/src/model/deep.rs", "pub fn f() {}\n");
    is_fresh(&workspace, "nothing declares it");
    workspace.edit("api/src/model/mod.rs", "pub fn load", "mod deep;\npub fn load");
    runs_for(&workspace, "source my-api::model changed");
    workspace.edit("api/src/model/deep.rs", "f()", "g()");
    runs_for(&workspace, "source my-api::model changed");
}

#[test]
fn what_is_remembered_of_items_may_be_lost_or_damaged() {
    let workspace = reading("[\"my-api::model::Params\"]");
    let memo = "target/zen/source-items";
    assert!(workspace.exists(memo), "a run in which nothing changed takes no file apart");
    fs::remove_file(workspace.path(memo)).expect("it is there");
    is_fresh(&workspace, "it is found out again");
    workspace.write(memo, "damaged");
    is_fresh(&workspace, "it is found out again");
    workspace.edit("api/src/model.rs", "f64,", "f32,");
    runs_for(&workspace, "source my-api::model::Params changed");
}

#[test]
fn functions_and_methods_can_be_named_alone() {
    let workspace = reading("[\"my-api::model::Params::double\", \"my-api::other\"]");
    workspace.edit("api/src/model.rs", "f64,", "f32,");
    is_fresh(&workspace, "the type itself is not named");
    workspace.edit("api/src/model.rs", "* 2.0", "+ 2.0");
    runs_for(&workspace, "source my-api::model::Params::double changed");
    workspace.edit("api/src/lib.rs", "    1", "    2");
    runs_for(&workspace, "source my-api::other changed");
}

#[test]
fn a_package_is_its_closure_even_where_the_code_does_not_count() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\n\
         cache-policy.source-dependencies = [\"my_api\"]\ncache-policy.include-step-code = false",
    );
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    is_fresh(&workspace, "nothing changed");
    workspace.edit("api/src/model.rs", "Parameters", "The parameters");
    runs_for(&workspace, "source api/src/model.rs of my-api changed");
    workspace.write("tool/src/lib.rs", "fn f() {}\n");
    is_fresh(&workspace, "another package");
}

#[test]
fn the_lists_of_all_ranks_are_joined() {
    let workspace = crates(
        "[workspace.metadata.zen]\ncache-policy.source-dependencies = [\"my-api::other\"]\n\
         [workspace.metadata.zen.pipelines.p]\ncache_policy.source_dependencies = [\"my-api::model::load\"]\n\
         [workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\n\
         cache-policy.source-dependencies = [\"my-api::model::Params\"]",
    );
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    workspace.edit("api/src/lib.rs", "    1", "    2");
    runs_for(&workspace, "source my-api::other changed");
    workspace.edit("api/src/model.rs", "u8 {\n    1", "u8 {\n    2");
    runs_for(&workspace, "source my-api::model::load changed");
    workspace.edit("api/src/model.rs", "f64,", "f32,");
    runs_for(&workspace, "source my-api::model::Params changed");
}

fn refused(sources: &str, tables: &str) -> (Workspace, Outcome) {
    let workspace = crates(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\n\
         cache-policy.source-dependencies = {sources}\n{tables}"
    ));
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96), "{}", outcome.stderr);
    (workspace, outcome)
}

#[test]
fn what_is_not_there_is_an_error_with_the_nearest_name() {
    let (workspace, outcome) = refused("[\"my-api::model::Parms\", \"my-api::modle::Params\", \"my-api::other\"]", "");
    for text in [
        "`my-api::model` has no item `Parms`",
        "\"my-api::model::Parms\"",
        "^^^^^^^^",
        "did you mean `my-api::model::Params`?",
        "`my-api` has no item `modle`",
    ] {
        assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
    }
    assert_eq!(workspace.zen(&["status"]).code, Some(96));
    assert_eq!(workspace.zen(&["list"]).code, Some(0), "what is not looked at is not judged");
}

#[test]
fn a_package_that_is_not_there_is_an_error_with_the_nearest_name() {
    let (_, outcome) = refused("[\"my-apy::model\", \"src/lib.rs\", \"my-api::Vec<u8>\"]", "");
    for text in [
        "the workspace has no package `my-apy`",
        "did you mean `my-api`?",
        "for files there is `file-dependencies`",
        "`Vec<u8>` in `my-api::Vec<u8>` cannot be the name of an item",
    ] {
        assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
    }
}

#[test]
fn what_cannot_be_told_is_refused_with_the_reason() {
    let workspace = reading("[\"my-api::other\"]");
    workspace.write("api/src/lib.rs", "make_other! { other }\n");
    let made = workspace.run(&[]);
    assert_eq!(made.code, Some(96), "{}", made.stderr);
    assert!(made.stderr.contains("made by the macro `make_other!` on line 1 of `api/src/lib.rs`"), "{}", made.stderr);
    workspace.write("api/src/lib.rs", "fn a() {}\nfn other( {}\n");
    let broken = workspace.run(&[]);
    assert_eq!(broken.code, Some(96), "{}", broken.stderr);
    assert!(broken.stderr.contains("`api/src/lib.rs` cannot be read as Rust: line 2"), "{}", broken.stderr);
    workspace.write("api/src/lib.rs", LIB);
    is_fresh(&workspace, "as it was");
}

#[test]
fn a_module_file_may_be_a_link_within_the_workspace_and_nothing_else_but_a_file() {
    let workspace = reading("[\"my-api::model::load\"]");
    fs::rename(workspace.path("api/src/model.rs"), workspace.path("shared.rs")).expect("it can be moved");
    let link = |to: &str| std::os::unix::fs::symlink(to, workspace.path("api/src/model.rs")).expect("it is gone");
    let gone = || fs::remove_file(workspace.path("api/src/model.rs")).expect("it is there");
    link("../../shared.rs");
    is_fresh(&workspace, "the same tokens behind a link");
    workspace.edit("shared.rs", "u8 {\n    1", "u8 {\n    2");
    runs_for(&workspace, "source my-api::model::load changed");
    let refused = |text: &str| {
        let outcome = workspace.run(&[]);
        assert_eq!(outcome.code, Some(96), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
    };
    gone();
    fs::write(workspace.beside("outside.rs"), MODEL).expect("it can be written");
    link("../../../outside.rs");
    refused("the module file `api/src/model.rs` is a link that leads out of the workspace");
    gone();
    let made = std::process::Command::new("mkfifo").arg(workspace.path("api/src/model.rs")).status();
    assert!(made.expect("mkfifo starts").success(), "a FIFO can be made");
    refused("`api/src/model.rs` is no plain file");
    gone();
    refused("means `api/src/model.rs` or `api/src/model/mod.rs`, and no such file exists");
}

/// `s` makes a module, and reads a type of the same crate; `t` reads these sources.
fn generated(sources: &str) -> Workspace {
    let workspace = crates(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"cat conf.txt > {{{{ outputs.made }}}}\"\nfiles = [\"conf.txt\"]\n\
         outputs.made = \"api/src/made.rs\"\ncache-policy.source-dependencies = [\"my-api::model::Params\"]\n\
         [workspace.metadata.zen.pipelines.p.steps.t]\nrun = [\"true\"]\ncache-policy.source-dependencies = {sources}"
    ));
    workspace.edit("api/src/lib.rs", "pub mod model;", "pub mod made;\npub mod model;");
    workspace.write("conf.txt", "pub fn f() {}\npub fn g() {}\n");
    workspace
}

#[test]
fn a_module_that_another_step_makes_is_read_as_that_left_it() {
    let workspace = generated("[\"my-api::made::f\"]");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran t=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh t=fresh", "what a step makes itself is no part of its key");
    workspace.write("conf.txt", "/// Documented.\npub fn f() {}\npub fn g() { f() }\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran t=fresh", "the item is the same");
    workspace.write("conf.txt", "pub fn f() { g() }\npub fn g() {}\n");
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "s=ran t=ran");
    assert_eq!(changed.why("t"), "source my-api::made::f changed");
    workspace.write("conf.txt", "pub fn f() {}\npub fn g() {}\n");
    assert_eq!(workspace.ok(&["-s", "t"]).finished("t")["outcome"], "fresh", "told from the record, not from disk");
    fs::remove_file(workspace.path("api/src/made.rs")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored t=fresh");
    workspace.write("conf.txt", "pub fn g() {}\n");
    let gone = workspace.ok(&[]);
    assert!(gone.why("t").contains("`my-api::made` has no item `f`"), "{}", gone.why("t"));
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh t=ran", "what has no key is not recorded");
}

#[test]
fn a_module_that_another_step_makes_unawaited_is_refused() {
    let workspace = generated("[\"my-api::model::Params\"]");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96), "{}", outcome.stderr);
    for text in ["`api/src/made.rs` is made by step `p/s`", "name `api/src/made.rs` in `files` as well"] {
        assert!(outcome.stderr.contains(text), "`{text}` must be in:\n{}", outcome.stderr);
    }
    workspace.edit("Cargo.toml", "steps.t]\n", "steps.t]\nfiles = [\"api/src/made.rs\"]\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran t=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh t=fresh");
}

fn changed_meanwhile(change: impl FnOnce(&Workspace)) -> Workspace {
    let mut workspace = crates(
        "[workspace.metadata.zen]\npass-env = [\"GO\"]\n\
         [workspace.metadata.zen.pipelines.p.steps.s]\nrun = 'echo s-is-there; read line < \"$GO\"'\n\
         cache-policy.source-dependencies = [\"my-api::model::Params\"]",
    );
    let mut go = workspace.gate("GO");
    let mut running = workspace.start(&[]);
    running.until_printed("s-is-there");
    change(&workspace);
    go.open();
    let outcome = running.end_ok();
    assert_eq!(outcome.outcomes(), "s=ran", "the run itself is done");
    assert!(outcome.stderr.contains("changed while step `p/s` ran"), "{}", outcome.stderr);
    // The state in which it started has no record.
    workspace.write("api/src/model.rs", MODEL);
    if workspace.exists("api/src/model") {
        fs::remove_dir_all(workspace.path("api/src/model")).expect("it is there");
    }
    go.open();
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace
}

#[test]
fn f_3_an_item_that_changes_while_the_step_runs_is_not_recorded() {
    changed_meanwhile(|workspace| workspace.edit("api/src/model.rs", "f64,", "f32,"));
    changed_meanwhile(|workspace| workspace.write("api/src/model/mod.rs", "pub struct Params;\n"));
}

#[test]
fn an_item_that_an_earlier_step_changes_is_looked_at_again() {
    let workspace = crates(
        "[workspace.metadata.zen.pipelines.p.steps.a]\n\
         run = \"sed 's/f64,/f32,/' api/src/model.rs > x; cat x > api/src/model.rs; rm x\"\nenable-cache = false\n\
         [workspace.metadata.zen.pipelines.p.steps.s]\nrun = [\"true\"]\nafter = [\"a\"]\n\
         cache-policy.source-dependencies = [\"my-api::model::Params\"]",
    );
    assert_eq!(workspace.ok(&[]).outcomes(), "a=ran s=ran");
    assert_eq!(workspace.ok(&[]).outcomes(), "a=ran s=fresh", "recorded under what it ran with");
    workspace.write("api/src/model.rs", MODEL);
    let status = workspace.zen(&["status", "-v"]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert_eq!(workspace.ok(&["p/s"]).finished("s")["outcome"], "fresh", "after `a` it is what it was");
}
