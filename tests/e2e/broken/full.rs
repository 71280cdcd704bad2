//! No space, no inodes, no quota: what cannot be kept costs a warning, and never a step that succeeded.

use super::faults::{self, EDQUOT, ENOSPC};
use super::{Mounts, assert_heals, assert_outputs, pipeline, warnings};
use crate::harness::{Outcome, Workspace};

/// What is said of the first step if the store does not take `what`.
fn not_stored(workspace: &Workspace, step: &str, what: &str, error: &str) -> String {
    format!(
        "warning: step `p/{step}` is not recorded: {what} could not be stored: {error} note: its outputs are in place; it runs again \
         next time help: see that the store in `{}` can be written, and that its disk has space",
        workspace.path("target/zen").display()
    )
}

#[test]
fn f3_f4_a_store_without_room_costs_one_warning_that_says_what_where_and_what_to_do() {
    for (error, text) in
        [(ENOSPC, "No space left on device (os error 28)"), (EDQUOT, "Disk quota exceeded (os error 122)")]
    {
        for (at, calls, makes, uses) in [
            ("/v1/tmp/", "write", "`made/file.txt`", "`used.txt`"),
            ("/v1/tmp/", "create", "`made/file.txt`", "`used.txt`"),
            ("/v1/records.log", "write", "its record", "its record"),
            ("/v1/records.lock", "create", "its record", "its record"),
        ] {
            let workspace = pipeline();
            let how = format!("{calls} {at} {error}");
            let outcome = faults::run(&workspace, (calls, at, error), &["-j1"]);
            assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{how}");
            let expected = [("make", makes, "use"), ("use", uses, "make")].map(|(first, what, other)| {
                let others = format!("not recorded either, because of the store: `p/{other}`");
                let note = "note: their outputs are in place; they run again next time";
                [not_stored(&workspace, first, what, text), format!("warning: {others} {note}")]
            });
            let said = warnings(&outcome);
            // Who ended first is nobody's business.
            assert!(expected.iter().any(|expected| *expected == said[..]), "{how}: {said:?}");
            assert_outputs(&workspace, &how);
            assert_heals(&workspace, &how);
        }
    }
}

#[test]
fn f3_f4_many_steps_that_a_full_store_does_not_take_are_named_in_one_line() {
    let mut tables = String::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        tables.push_str(&format!(
            "[workspace.metadata.zen.pipelines.p.steps.{name}]\nrun = 'echo {name} > {{{{ outputs.x }}}}'\nfiles = ['in.txt']\noutputs.x = '{name}.txt'\n"
        ));
    }
    let workspace = Workspace::new(&tables);
    workspace.write("in.txt", "");
    assert_eq!(workspace.zen(&["list"]).code, Some(0));
    let outcome = faults::run(&workspace, ("write", "/v1/tmp/", ENOSPC), &["-j1"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let [first, rest] = &warnings(&outcome)[..] else { panic!("two warnings: {}", outcome.stderr) };
    assert!(first.contains(" is not recorded: "), "{first}");
    assert!(rest.starts_with("warning: not recorded either, because of the store: `p/"), "{rest}");
    assert_eq!(rest.matches("`p/").count(), 5, "{rest}");
    assert!(rest.contains(", 2 more note: "), "{rest}");
}

#[test]
fn f3_f4_a_store_that_cannot_be_begun_is_one_warning() {
    for (calls, error) in [("mkdir", ENOSPC), ("create", ENOSPC), ("mkdir", EDQUOT), ("create", EDQUOT)] {
        let mut workspace = pipeline();
        let store = workspace.beside("store").display().to_string();
        workspace.env.insert("ZEN_STORE_DIR".into(), store.clone());
        let outcome = faults::run(&workspace, (calls, "/store", error), &[]);
        assert_eq!((outcome.code, outcome.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{calls} {error}");
        let [warning] = &warnings(&outcome)[..] else { panic!("one warning: {}", outcome.stderr) };
        for part in [
            &*format!("the store in `{store}` cannot be written ("),
            &format!("(os error {error})): what it holds is used, nothing new is kept"),
            "help: see that its folder can be written and that its disk has space, or name another in ZEN_STORE_DIR",
        ] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        assert_heals(&workspace, calls);
    }
}

#[test]
fn f3_what_cannot_be_noted_of_a_step_that_succeeded_is_a_warning() {
    for file in ["places.log", "places.lock", "artifacts.log", "stat-cache", "zen/standing", "zen/runs", "v1/counted"] {
        let workspace = pipeline();
        let outcome = faults::run(&workspace, ("write,create", file, ENOSPC), &[]);
        assert_eq!(
            (outcome.code, outcome.outcomes().as_str()),
            (Some(0), "make=ran use=ran"),
            "{file}: {}",
            outcome.stderr
        );
        for (at, warning) in warnings(&outcome).iter().enumerate() {
            assert!(warning.contains("No space left on device"), "{file}: {warning}");
            assert!(!warnings(&outcome)[..at].contains(warning), "{file}: said once: {warning}");
        }
        assert!(!outcome.stderr.contains("is not recorded"), "{file}: {}", outcome.stderr);
        assert_outputs(&workspace, file);
        assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "{file}");
        assert_heals(&workspace, file);
    }
}

/// Sizes and numbers of inodes for a tmpfs, from next to nothing to nearly enough.
const SMALL: [&str; 14] = [
    "size=4k",
    "size=16k",
    "size=40k",
    "size=100k",
    "size=500k",
    "size=650k",
    "nr_inodes=2",
    "nr_inodes=5",
    "nr_inodes=8",
    "nr_inodes=11",
    "nr_inodes=15",
    "nr_inodes=20",
    "nr_inodes=25",
    "nr_inodes=30",
];

/// A first run with the folder `at` on a small disk, and two more when there is room.
fn on_a_small_disk(workspace: &Workspace, mounts: &Mounts<'_>, at: &str, small: &str) -> [Outcome; 3] {
    let script = format!(
        "mkdir -p '{at}'\nmount -t tmpfs -o {small} tmpfs '{at}'\nzen first\n\
         mount -o remount,size=64m,nr_inodes=10000 '{at}'\nzen second\nzen third\n\
         cp -a '{at}'/. '{at}.kept'",
    );
    let outcomes = mounts.run(&script, ["first", "second", "third"]);
    let [first, second, third] = &outcomes;
    assert!(!first.stderr.contains("panicked"), "{small}: {}", first.stderr);
    assert_eq!((second.code, warnings(second)), (Some(0), vec![]), "{small}: {}", second.stderr);
    assert_eq!(third.outcomes(), "make=fresh use=fresh", "{small}: {}", third.stderr);
    assert!(!workspace.exists("target/zen/replaced"), "{small}: nothing was a stranger's");
    outcomes
}

#[test]
fn f3_f4_a_small_disk_for_the_store_is_no_failure() {
    for small in SMALL {
        let mut workspace = pipeline();
        let store = workspace.beside("disk");
        workspace.env.insert("ZEN_STORE_DIR".into(), store.join("store").display().to_string());
        let Some(mounts) = Mounts::of(&workspace) else {
            let outcome = faults::run(&workspace, ("write,create,mkdir", "/disk/store", ENOSPC), &[]);
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            return assert_heals(&workspace, "calls that fail");
        };
        let [first, ..] = on_a_small_disk(&workspace, &mounts, &store.display().to_string(), small);
        assert_eq!((first.code, first.outcomes().as_str()), (Some(0), "make=ran use=ran"), "{small}: {}", first.stderr);
        let said = warnings(&first);
        assert!(
            said.len() <= 2 && said.first().is_none_or(|said| said.contains("help: see that")),
            "{small}: {said:?}"
        );
        assert_outputs(&workspace, small);
    }
}

#[test]
fn f3_f4_a_small_disk_for_all_that_zen_keeps_is_said_and_nothing_is_wrong() {
    let mut codes = Vec::new();
    for small in SMALL {
        let workspace = pipeline();
        std::fs::remove_dir_all(workspace.path("target")).expect("`list` made it");
        let Some(mounts) = Mounts::of(&workspace) else {
            let outcome = faults::run(&workspace, ("write,create,mkdir", "/target/zen/", ENOSPC), &[]);
            assert_eq!(outcome.code, Some(103), "{}", outcome.stderr);
            return assert_heals(&workspace, "calls that fail");
        };
        let [first, ..] = on_a_small_disk(&workspace, &mounts, &workspace.path("target").display().to_string(), small);
        // A step cannot start without what it is told and what it replaces. One that succeeded stays so.
        match first.code {
            Some(0) => assert_eq!(first.outcomes(), "make=ran use=ran", "{small}: {}", first.stderr),
            Some(100) => assert!(first.messages.iter().any(|message| message["exit_code"].is_null())),
            Some(103) => assert!(first.stderr.contains("check its permissions and the space on its disk")),
            code => panic!("{small}: {code:?}: {}", first.stderr),
        }
        let said = format!("{}{}", first.stdout, first.stderr);
        assert!(said.contains("No space left on device"), "{small}: {said}");
        assert_outputs(&workspace, small);
        codes.extend(first.code);
    }
    assert!(codes.contains(&0) && codes.contains(&103), "some are large enough to begin and some are not: {codes:?}");
}

#[test]
fn f3_f4_a_small_disk_for_outputs_is_the_steps_own_failure_and_the_next_run_completes_them() {
    for small in ["size=400k", "size=600k", "nr_inodes=2", "nr_inodes=3"] {
        for is_restore in [false, true] {
            let workspace = pipeline();
            let Some(mounts) = Mounts::of(&workspace) else {
                workspace.ok(&[]);
                std::fs::remove_dir_all(workspace.path("made")).expect("it is there");
                let outcome = faults::run(&workspace, ("write", "/made/", ENOSPC), &[]);
                assert_eq!(outcome.code, Some(100), "{}", outcome.stderr);
                return assert_heals(&workspace, "calls that fail");
            };
            if is_restore {
                workspace.ok(&[]);
                std::fs::remove_dir_all(workspace.path("made")).expect("it is there");
            }
            let made = workspace.path("made").display().to_string();
            let [first, second, _] = on_a_small_disk(&workspace, &mounts, &made, small);
            let how = format!("{small}, restore: {is_restore}: {}{}", first.stdout, first.stderr);
            assert_eq!(first.code, Some(100), "{how}");
            assert_eq!(first.finished("make")["outcome"], "failed", "{how}");
            assert!(how.contains("No space left on device"), "{how}");
            let expected = if is_restore { "make=restored use=fresh" } else { "make=ran use=ran" };
            assert_eq!(second.outcomes(), expected, "{how}");
            std::fs::remove_dir(workspace.path("made")).expect("what was mounted is gone");
            std::fs::rename(workspace.path("made.kept"), workspace.path("made")).expect("it was kept");
            assert_outputs(&workspace, &how);
        }
    }
}
