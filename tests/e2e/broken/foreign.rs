//! A store that others own: it cannot be written, read or locked. What can be used of it is, and a run goes on.

use std::fs;

use super::faults::{self, EACCES, EIO, ENOLCK, EOPNOTSUPP, EROFS};
use super::{Mounts, assert_heals, assert_outputs, pipeline, warnings};
use crate::harness::Workspace;

/// [`pipeline`] with a store beside it.
fn shared() -> (Workspace, String) {
    let mut workspace = pipeline();
    let store = workspace.beside("store").display().to_string();
    workspace.env.insert("ZEN_STORE_DIR".into(), store.clone());
    (workspace, store)
}

fn remove_outputs(workspace: &Workspace) {
    fs::remove_dir_all(workspace.path("made")).expect("it is there");
    fs::remove_file(workspace.path("used.txt")).expect("it is there");
}

/// The one warning of a store that is read only.
fn assert_read_only(warnings: &[String], store: &str) {
    let [warning] = warnings else { panic!("one warning: {warnings:?}") };
    let start = format!("warning: the store in `{store}` cannot be written (");
    assert!(warning.starts_with(&start), "{warning}");
    assert!(warning.contains("): what it holds is used, nothing new is kept help: see that its folder can be written"));
}

#[test]
fn f7_what_a_read_only_store_holds_is_restored_and_the_rest_runs() {
    let (workspace, store) = shared();
    workspace.ok(&[]);
    remove_outputs(&workspace);
    let Some(mounts) = Mounts::of(&workspace) else {
        let restored = faults::run(&workspace, ("create,mkdir", "/store/", EROFS), &[]);
        assert_eq!((restored.code, restored.outcomes().as_str()), (Some(0), "make=restored use=restored"));
        return assert_read_only(&warnings(&restored), &store);
    };
    let script = format!(
        "mount --bind '{store}' '{store}'\nmount -o remount,ro,bind '{store}'\nzen restores\nzen stands\n\
         echo more >> in.txt\nzen runs\nzen again"
    );
    let [restores, stands, runs, again] = mounts.run(&script, ["restores", "stands", "runs", "again"]);
    for (outcome, expected) in [
        (&restores, "make=restored use=restored"),
        (&stands, "make=fresh use=fresh"),
        (&runs, "make=ran use=fresh"),
        (&again, "make=ran use=fresh"),
    ] {
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), expected), "{}", outcome.stderr);
        assert_read_only(&warnings(outcome), &store);
    }
    assert_outputs(&workspace, "the store is read only");
    assert_heals(&workspace, "the store can be written again");
}

#[test]
fn f7_a_store_of_somebody_else_is_read_and_one_warning_says_so() {
    let (workspace, store) = shared();
    workspace.ok(&[]);
    remove_outputs(&workspace);
    let denied = ("create,mkdir", "/store/", EACCES);
    let restored = faults::run(&workspace, denied, &[]);
    assert_eq!((restored.code, restored.outcomes().as_str()), (Some(0), "make=restored use=restored"));
    assert_read_only(&warnings(&restored), &store);
    workspace.write("in.txt", &"another line\n".repeat(40_000));
    let ran = faults::run(&workspace, denied, &[]);
    assert_eq!((ran.code, ran.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{}", ran.stderr);
    assert_read_only(&warnings(&ran), &store);
}

#[test]
fn f5_f7_an_object_that_may_not_be_read_stays_and_its_step_runs() {
    let (workspace, store) = shared();
    workspace.ok(&[]);
    remove_outputs(&workspace);
    let objects = || {
        let mut names: Vec<_> = workspace.files_below("../store/v1/objects");
        names.sort();
        names
    };
    let before = objects();
    let outcome = faults::run(&workspace, ("open", "/store/v1/objects/", EACCES), &["-j1"]);
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{}", outcome.stderr);
    let said = warnings(&outcome);
    assert_eq!(said.len(), 2, "{said:?}");
    for (step, output) in [("make", "file"), ("use", "used")] {
        let start = format!("warning: output `{output}` of step `p/{step}` is made anew: object ");
        let warning = said.iter().find(|warning| warning.starts_with(&start));
        let warning = warning.unwrap_or_else(|| panic!("{start}: {said:?}"));
        assert!(warning.contains("Permission denied"), "{warning}");
        assert!(warning.contains("help: let whoever uses the store read its files"), "{warning}");
    }
    assert_eq!(objects()[..], before[..], "others may be able to read them in {store}");
    assert_heals(&workspace, "it may be read again");
}

#[test]
fn f5_a_disk_that_does_not_read_is_a_miss_and_never_a_result() {
    for (at, expected) in [
        ("/store/v1/objects/", "make=ran use=ran"),
        ("/store/v1/records.log", "make=ran use=ran"),
        ("/target/zen/stat-cache", "make=restored use=restored"),
        ("/target/zen/places.log", "make=restored use=restored"),
        ("/target/zen/standing", "make=restored use=restored"),
        ("/target/zen/definitions", "make=restored use=restored"),
    ] {
        let (workspace, _) = shared();
        workspace.ok(&[]);
        remove_outputs(&workspace);
        let outcome = faults::run(&workspace, ("read", at, EIO), &["-j1"]);
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), expected), "{at}: {}", outcome.stderr);
        if at.contains("records.log") {
            let text = "cannot be read (Input/output error (os error 5)): what they hold runs again";
            assert_eq!(outcome.stderr.matches(text).count(), 1, "{at}: {}", outcome.stderr);
        }
        assert_outputs(&workspace, at);
        assert_heals(&workspace, at);
    }
    // An input that cannot be read is no input that did not change.
    let (workspace, _) = shared();
    workspace.ok(&[]);
    workspace.write("in.txt", &"another line\n".repeat(40_000));
    let outcome = faults::run(&workspace, ("read", "/ws/in.txt", EIO), &[]);
    assert_eq!(outcome.finished("make")["outcome"], "ran", "{}", outcome.stderr);
    assert!(outcome.why("make").starts_with("uncacheable: `in.txt` cannot be read"), "{}", outcome.why("make"));
}

#[test]
fn f51_without_locks_a_run_goes_on_after_one_warning() {
    for error in [ENOLCK, EOPNOTSUPP] {
        let workspace = pipeline();
        let outcome = faults::run(&workspace, ("lock", "/target/zen/", error), &[]);
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{}", outcome.stderr);
        let locks = workspace.path("target/zen/locks").display().to_string();
        let expected = format!(
            "warning: the file system of `{locks}` has no locks: let no two runs work on the same outputs at once"
        );
        assert_eq!(warnings(&outcome), std::slice::from_ref(&expected), "{error}");
        assert_outputs(&workspace, "without locks");
        let again = faults::run(&workspace, ("lock", "/target/zen/", error), &[]);
        assert_eq!((again.outcomes().as_str(), warnings(&again)), ("make=fresh use=fresh", vec![expected]));
        assert_heals(&workspace, "there are locks again");

        let (workspace, store) = shared();
        let outcome = faults::run(&workspace, ("lock", "/store/", error), &[]);
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{}", outcome.stderr);
        let expected = format!(
            "warning: the file system of the store in `{store}` has no locks: equal work may be done twice help: put it on another \
             disk: `store.dir`, or ZEN_STORE_DIR"
        );
        assert_eq!(warnings(&outcome), [expected], "{error}");
        assert_heals(&workspace, "there are locks again");
    }
}

#[test]
fn f51_a_lock_that_fails_for_another_reason_is_not_taken_for_none() {
    let workspace = pipeline();
    let outcome = faults::run(&workspace, ("lock", "/target/zen/locks", EIO), &[]);
    assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(103), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("check its permissions and the space on its disk"), "{}", outcome.stderr);
    assert_heals(&workspace, "it can be locked again");
}
