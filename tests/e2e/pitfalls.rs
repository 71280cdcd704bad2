//! Mistakes that other caches of pipeline steps made, each in the small: none of them can happen here.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Outcome, Workspace};

/// Two steps, `make` and `use`; `pipeline` and `make` stand in the tables of these names.
fn chain(pipeline: &str, make: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
{pipeline}
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{{{ outputs.o }}}}"
files = "in.txt"
outputs.o = "o.txt"
{make}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{{{ inputs.o }}}} > {{{{ outputs.u }}}}; echo {{{{ params.n }}}} >> {{{{ outputs.u }}}}"
inputs = ["make.o"]
params = ["n"]
outputs.u = "u.txt"
"#
    ));
    workspace.write("in.txt", "b\na\n");
    workspace
}

/// Standard error of a run that finds the definitions wrong.
fn refused(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.run(args);
    assert_eq!(outcome.code, Some(96), "{args:?} must be refused:\n{}", outcome.stderr);
    assert_eq!(outcome.outcomes(), "", "nothing runs");
    outcome.stderr
}

fn key(outcome: &Outcome, step: &str) -> String {
    outcome.finished(step)["key"].as_str().expect("it is known").to_owned()
}

fn counts(outcome: &Outcome) -> [u64; 3] {
    let end = outcome.of_reason("run-finished").next().expect("the run says that it ended");
    ["ran", "fresh", "restored"].map(|what| end[what].as_u64().expect("a number"))
}

#[test]
fn pitfall_01_keys_of_different_parameters_never_meet() {
    let tables = [
        "{ a = 1 }",
        "{ a = \"1\" }",
        "{ a = 1.0 }",
        "{ a = true }",
        "{ a = \"true\" }",
        "{ a = [1] }",
        "{ a = [[1]] }",
        "{ a = \"\" }",
        "{ a = \"xby\", b = \"z\" }",
        "{ a = \"x\", b = \"ybz\" }",
        "{ a = \"x\", by = \"bz\" }",
        "{ a = { b = \"x\" } }",
        "{ a = { b = \"x\" }, c = 1 }",
        "{ a = { b = \"x\", c = 1 } }",
    ];
    let workspace = Workspace::with_step("run = \"true\"\nparams = {}");
    let mut keys = BTreeSet::from([key(&workspace.ok(&[]), "s")]);
    let mut before = "{}";
    for table in tables {
        workspace.edit("Cargo.toml", &format!("params = {before}"), &format!("params = {table}"));
        before = table;
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "s=ran", "{table}");
        assert!(keys.insert(key(&outcome, "s")), "{table} has a key of its own");
    }
}

#[test]
fn pitfall_02_the_order_of_a_tables_keys_is_nothing() {
    let workspace = Workspace::with_step("run = \"true\"\nparams = { d = { k = 1, l = 2 }, e = [1, 2] }");
    let first = workspace.ok(&[]);
    workspace.edit("Cargo.toml", "{ d = { k = 1, l = 2 }, e = [1, 2] }", "{ e = [1, 2], d = { l = 2, k = 1 } }");
    let second = workspace.ok(&[]);
    assert_eq!((second.outcomes().as_str(), key(&second, "s")), ("s=fresh", key(&first, "s")));
    workspace.edit("Cargo.toml", "[1, 2]", "[2, 1]");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "the order of an array is something");
}

#[test]
fn pitfall_03_code_counts_with_what_it_calls_and_an_item_without_its_comments() {
    let workspace = Workspace::bare();
    workspace.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"api\", \"helper\"]\nresolver = \"3\"\n\n\
         [workspace.metadata.zen.pipelines.p.steps]\n\
         whole = { run = [\"true\"], packages = [\"api\"] }\n\
         item = { run = [\"true\"], cache-policy.source-dependencies = [\"helper::load\"] }\n",
    );
    for (name, more) in [("api", "\n[dependencies]\nhelper = { path = \"../helper\" }\n"), ("helper", "")] {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}");
        workspace.write(&format!("{name}/Cargo.toml"), &manifest);
        workspace.write(&format!("{name}/src/lib.rs"), "//! A crate.\n\npub fn load() -> u8 {\n    1\n}\n");
    }
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "item=fresh whole=fresh");
    workspace.edit("helper/src/lib.rs", "//! A crate.", "//! A crate.\n// A note.");
    let comment = workspace.ok(&[]);
    assert_eq!(comment.outcomes(), "item=fresh whole=ran", "a package counts by its bytes, an item by its tokens");
    assert!(comment.why("whole").contains("helper/src/lib.rs"), "{}", comment.why("whole"));
    workspace.edit("helper/src/lib.rs", "    1", "    2");
    assert_eq!(workspace.ok(&[]).outcomes(), "item=ran whole=ran", "what a helper does counts");
}

#[test]
fn pitfall_04_globs_folders_and_scripts_are_read() {
    let workspace = Workspace::with_step(
        "run = \"sh gen.sh > {{ outputs.o }}\"\nfiles = [\"data\", \"conf/**/*.toml\"]\noutputs.o = \"o.txt\"",
    );
    workspace.write("gen.sh", "cat data/*.txt data/deep/* conf/*.toml\n");
    workspace.write("data/a.txt", "1\n");
    workspace.write("data/deep/b", "1\n");
    workspace.write("conf/c.toml", "c = 1\n");
    workspace.ok(&[]);
    let edited = |path: &str, edit: &dyn Fn(), why: &str| {
        edit();
        let outcome = workspace.ok(&[]);
        assert_eq!((outcome.outcomes().as_str(), outcome.why("s").as_str()), ("s=ran", why), "{path}");
        let read = ["data/a.txt", "data/new.txt", "data/deep/b", "conf/c.toml"];
        let expected: String =
            read.iter().filter(|path| workspace.exists(path)).map(|path| workspace.read(path)).collect();
        assert_eq!(workspace.read("o.txt"), expected, "the new content, not the old");
    };
    edited("data/a.txt", &|| workspace.write("data/a.txt", "2\n"), "file data/a.txt changed");
    edited("data/deep/b", &|| workspace.write("data/deep/b", "2\n"), "file data/deep/b changed");
    edited("data/new.txt", &|| workspace.write("data/new.txt", "new\n"), "file data/new.txt added");
    edited("conf/c.toml", &|| workspace.write("conf/c.toml", "c = 2\n"), "file conf/c.toml changed");
    let script = "# A note.\ncat data/*.txt data/deep/* conf/*.toml\n";
    edited("gen.sh", &|| workspace.write("gen.sh", script), "file gen.sh changed");
}

#[test]
fn pitfall_05_a_key_that_cannot_be_computed_is_said_before_anything_runs() {
    let workspace = chain("", "cache-policy.cache-func = \"echo broken >&2; exit 3\"");
    let said = refused(&workspace, &[]);
    assert!(said.contains("cache-func of step `p/make`") && said.contains("it said: broken"), "{said}");
    assert!(!workspace.exists("o.txt"));
    workspace.edit("Cargo.toml", "cache-policy.cache-func", "enable-cache = false\ncache-policy.cache-func");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=ran", "a function of a step without cache is not asked");
    let missing = chain("", "cache-policy.file-dependencies = \"conf/none.toml\"");
    let said = refused(&missing, &[]);
    assert!(said.contains("conf/none.toml") && said.contains("Cargo.toml:"), "with its place:\n{said}");
}

#[test]
fn pitfall_06_paths_outside_of_the_workspace_are_refused() {
    for outside in ["/etc/hostname", "../beside.txt", "data/../../beside.txt", "../*.txt"] {
        for key in ["files", "cache-policy.file-dependencies", "inputs.raw.files"] {
            let workspace = Workspace::with_step(&format!("run = \"true\"\n{key} = \"{outside}\""));
            fs::write(workspace.beside("beside.txt"), "x").expect("it can be written");
            workspace.write("data/a.txt", "x");
            let said = refused(&workspace, &[]);
            assert!(said.contains("leads out of") || said.contains("absolute"), "{key} = {outside}:\n{said}");
        }
    }
    let workspace = Workspace::with_step("run = \"true\"\nfiles = \"link\"");
    fs::write(workspace.beside("beside.txt"), "x").expect("it can be written");
    std::os::unix::fs::symlink(workspace.beside("beside.txt"), workspace.path("link")).expect("it is new");
    let outcome = workspace.run(&[]);
    assert_ne!(outcome.code, Some(0), "nor by a symlink");
    let said = outcome.stderr;
    assert!(said.contains("`link`") && (said.contains("leads out of") || said.contains("outside")), "{said}");
}

#[test]
fn pitfall_07_a_policy_is_merged_field_by_field_and_lists_join() {
    let tables = |pipeline: &str, step: &str| {
        let workspace = Workspace::new(&format!(
            "[workspace.metadata.zen.pipelines.p]\nparams.n = 1\n{pipeline}\n\
             [workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"echo {{{{ params.n }}}}\"\nparams = [\"n\"]\n{step}"
        ));
        ["a.txt", "b.txt"].iter().for_each(|path| workspace.write(path, "1\n"));
        workspace.ok(&[]);
        workspace
    };
    let off = "cache-policy.include-step-parameters = false";
    let on = "cache-policy.include-step-parameters = true";
    for (pipeline, step, outcome) in [
        (off, "", "s=fresh"),
        (off, "cache-policy.include-platform = true", "s=fresh"),
        (off, "cache-policy.file-dependencies = \"b.txt\"", "s=fresh"),
        (off, on, "s=ran"),
        (on, off, "s=fresh"),
    ] {
        let workspace = tables(pipeline, step);
        assert_eq!(workspace.ok(&["--set", "n=2"]).outcomes(), outcome, "{pipeline} | {step}");
    }
    let both = tables("cache-policy.file-dependencies = \"a.txt\"", "cache-policy.file-dependencies = \"b.txt\"");
    for path in ["a.txt", "b.txt"] {
        both.write(path, "2\n");
        assert_eq!(both.ok(&[]).why("s"), format!("file {path} changed"));
    }
}

#[test]
fn pitfall_08_expiry_of_zero_is_always_and_the_policy_of_now_decides() {
    let workspace = chain("", "cache-policy.expires-after = \"1h\"");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
    workspace.edit("Cargo.toml", "\"1h\"", "0");
    for _ in 0..2 {
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "make=ran use=fresh", "the reader's policy, not the producer's");
        assert!(outcome.why("make").starts_with("expired"), "{}", outcome.why("make"));
    }
    workspace.edit("Cargo.toml", "expires-after = 0", "expires-after = -1");
    assert!(refused(&workspace, &[]).contains("cannot be negative"));
}

#[test]
fn pitfall_09_an_override_overrides_both_ways_and_says_who_decided() {
    for (pipeline, step, config, flags, outcome, by) in [
        ("enable-cache = false", "enable-cache = true", "", &[][..], "make=fresh", "the step"),
        ("enable-cache = true", "enable-cache = false", "", &[], "make=ran", "the step"),
        ("", "enable-cache = true", "enable-cache = false", &[], "make=ran", "the config file"),
        ("", "enable-cache = false", "enable-cache = true", &[], "make=fresh", "the config file"),
        ("", "enable-cache = false", "steps.use.enable-cache = true", &[], "make=ran", "the step"),
        ("", "enable-cache = false", "", &["--cache"], "make=fresh", "the command line"),
        ("", "", "enable-cache = false", &["--cache=make"], "make=fresh", "the command line"),
    ] {
        let workspace = chain(pipeline, step);
        workspace.write("c.toml", config);
        let flags = [&["--config", "c.toml"], flags].concat();
        workspace.ok(&flags);
        let again = workspace.ok(&flags);
        let case = format!("{pipeline} | {step} | {config} | {flags:?}");
        assert!(again.outcomes().starts_with(outcome), "{case}: {}", again.outcomes());
        let explained = workspace.zen(&[&["explain", "make", "--message-format", "json"], &flags[..]].concat());
        let message = explained.of_reason("explain").next().expect("it answers");
        assert_eq!(message["caching"]["by"], by, "{case}");
    }
}

#[test]
fn pitfall_10_outputs_that_are_gone_or_edited_come_back_and_lost_objects_heal() {
    let workspace = chain("", "");
    workspace.ok(&[]);
    fs::remove_file(workspace.path("o.txt")).expect("it was made");
    workspace.write("u.txt", "by hand\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=restored use=restored");
    assert_eq!((workspace.read("o.txt").as_str(), workspace.read("u.txt").as_str()), ("a\nb\n", "a\nb\n1\n"));
    fs::remove_dir_all(workspace.path("target/zen/v1/objects")).expect("it is there");
    fs::remove_file(workspace.path("o.txt")).expect("it was restored");
    let healed = workspace.ok(&[]);
    assert_eq!(healed.finished("make")["why"][0]["kind"], "artifact-missing");
    assert_eq!(workspace.read("o.txt"), "a\nb\n");
    fs::remove_file(workspace.path("o.txt")).expect("it was made again");
    assert_eq!(workspace.ok(&[]).finished("make")["outcome"], "restored", "the object is there again");
}

#[test]
fn pitfall_11_equal_bytes_of_a_forced_step_leave_all_that_follows() {
    let workspace = chain("", "");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&["--no-cache=make"]).outcomes(), "make=ran use=fresh");
    workspace.write("in.txt", "a\nb\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=fresh", "another input, the same output");
}

#[test]
fn pitfall_12_the_environment_and_tools_count_and_what_is_not_declared_does_not_reach_a_step() {
    let mut workspace = Workspace::with_step(
        "run = 'echo \"$SEEN:${HIDDEN-unset}\" > {{ outputs.o }}'\ntrack-env = [\"SEEN\"]\noutputs.o = \"o.txt\"\n\
         cache-policy.cache-func = { tool = \"cat version\" }",
    );
    workspace.write("version", "1\n");
    workspace.env.extend([("SEEN".into(), "a".into()), ("HIDDEN".into(), "a".into())]);
    workspace.ok(&[]);
    assert_eq!(workspace.read("o.txt"), "a:unset\n");
    workspace.env.insert("HIDDEN".into(), "b".into());
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.env.insert("SEEN".into(), "b".into());
    assert_eq!(workspace.ok(&[]).why("s"), "env `SEEN` changed");
    assert_eq!(workspace.read("o.txt"), "b:unset\n");
    workspace.write("version", "2\n");
    assert_eq!(workspace.ok(&[]).why("s"), "cache-func `tool`: 1 → 2");
}

#[test]
fn pitfall_13_the_difference_is_known_afterwards() {
    let workspace = chain("", "");
    workspace.ok(&[]);
    workspace.write("in.txt", "c\n");
    assert_eq!(workspace.ok(&["--set", "n=2"]).why("use"), "param `n`: 1 → 2; input `o` changed");
    let outcome = workspace.zen(&["explain", "use", "--message-format", "json", "--set", "n=2", "--run", "1"]);
    let message = outcome.of_reason("explain").next().expect("it answers");
    let texts: Vec<&Value> = message["differences"].as_array().into_iter().flatten().map(|one| &one["text"]).collect();
    assert_eq!(texts, ["param `n`: 1 → 2", "input `o` changed"], "it ran long ago, and the parts are still there");
}

#[test]
fn pitfall_14_a_key_knows_no_place_and_no_machine() {
    let mut here = chain("", "");
    let there = here.clone_elsewhere();
    let first = here.ok(&[]);
    here.env.insert("USER".into(), "somebody-else".into());
    here.env.insert("HOSTNAME".into(), "another".into());
    let copy = here.clone_elsewhere();
    let [copied, anew] = [copy.ok(&[]), there.ok(&[])];
    assert_eq!(copied.outcomes(), "make=fresh use=fresh", "the store serves a copy elsewhere");
    assert_eq!(anew.outcomes(), "make=ran use=ran");
    for step in ["make", "use"] {
        assert_eq!((key(&copied, step), key(&anew, step)), (key(&first, step), key(&first, step)), "{step}");
    }
}

#[test]
fn pitfall_15_nothing_is_started_when_nothing_changed() {
    let mut workspace = chain("", "");
    workspace.named_path("LOG");
    let shims = workspace.beside("bin");
    fs::create_dir(&shims).expect("it is new");
    let path = std::env::var("PATH").expect("there is one");
    for name in ["cargo", "rustc", "rustup", "sh", "git", "sort", "cat"] {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
        let Some(real) = found else { continue };
        let text = format!("#!/bin/sh\necho {name} >> '{}'\nexec '{}' \"$@\"\n", workspace.env["LOG"], real.display());
        fs::write(shims.join(name), text).expect("it can be written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(shims.join(name), mode).expect("it is ours");
    }
    workspace.env.insert("PATH".into(), format!("{}:{path}", shims.display()));
    workspace.ok(&[]);
    let started = workspace.lines_of("LOG");
    assert!(started.contains(&"sh".to_owned()) && started.contains(&"sort".to_owned()), "it works: {started:?}");
    fs::remove_file(&workspace.env["LOG"]).expect("it was written");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
    assert_eq!(workspace.zen(&["status"]).code, Some(0));
    assert_eq!(workspace.lines_of("LOG"), [""; 0], "not a single process");
}

#[test]
fn pitfall_16_steps_run_side_by_side() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
pass-env = ["TO_A", "TO_B"]
[workspace.metadata.zen.pipelines.p.steps]
a = { run = 'echo hello > "$TO_B"; read line < "$TO_A"', files = "src" }
b = { run = 'read line < "$TO_B"; echo hello > "$TO_A"', files = "src" }
"#,
    );
    workspace.fifo("TO_A");
    workspace.fifo("TO_B");
    // Each waits for the other: one by one they would never end.
    assert_eq!(workspace.ok(&["-j2"]).outcomes(), "a=ran b=ran");
    let workspace = chain("", "");
    let runs = [workspace.start(&[]), workspace.start(&[])].map(|run| counts(&run.end_ok()));
    assert_eq!((runs[0][0] + runs[1][0], runs[0][1] + runs[1][1]), (2, 2), "and two runs: one works, one waits");
}

#[test]
fn pitfall_17_the_store_can_be_bounded() {
    let workspace = chain("", "");
    let size = || -> u64 {
        let objects = workspace.files_below("target/zen/v1/objects");
        objects.iter().map(|path| fs::metadata(path).expect("it is there").len()).sum()
    };
    for at in 0..5 {
        workspace.write("in.txt", &at.to_string().repeat(20_000));
        workspace.ok(&[]);
    }
    assert!(size() > 100_000, "{}", size());
    assert_eq!(workspace.zen(&["clean", "--max-size", "50KiB"]).code, Some(0));
    assert!(size() <= 50 * 1024, "though all the runs are still known: {}", size());
    assert_eq!(workspace.zen(&["clean"]).code, Some(0));
    assert_eq!(size(), 0);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=ran", "that costs time, and nothing else");
    workspace.edit("Cargo.toml", "params.n = 1", "params.n = 1\n[workspace.metadata.zen]\nstore.max-size = \"50KiB\"");
    for at in 5..9 {
        workspace.write("in.txt", &at.to_string().repeat(20_000));
        workspace.ok(&[]);
        assert!(size() <= 50 * 1024, "it bounds itself at the end of a run: {}", size());
    }
}

#[test]
fn pitfall_18_typos_are_errors_and_a_failed_hook_is_said() {
    for (pipeline, step, expected) in [
        ("on-sucess = \"true\"", "", "did you mean `on-success`?"),
        ("", "on-failrue = \"true\"", "did you mean `on-failure`?"),
        ("", "cache-policy.ignored-inputs = [\"oo\"]", "the step has no such input"),
        ("", "cache-policy.expires-aftr = 1", "did you mean `expires-after`?"),
    ] {
        let said = refused(&chain(pipeline, step), &[]);
        assert!(said.contains(expected) && said.contains("Cargo.toml:"), "{pipeline}{step}:\n{said}");
    }
    let workspace = chain("on-success = \"exit 3\"", "");
    workspace.write("c.toml", "steps.mkae.enable-cache = true");
    let said = refused(&workspace, &["--config", "c.toml"]);
    assert!(said.contains("has no step `mkae`") && said.contains("did you mean `make`?"), "{said}");
    let stderr = workspace.ok(&[]).stderr;
    assert!(stderr.contains("warning:") && stderr.contains("on-success"), "{stderr}");
}

#[test]
fn pitfall_19_a_step_is_a_command_and_runs_from_any_folder() {
    let workspace = Workspace::bare();
    workspace.write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"other\"]\nresolver = \"3\"\n");
    for (name, more) in [
        (
            "api",
            "\n[package.metadata.zen.pipelines.p.steps.s]\nrun = \"cat in.txt > {{ outputs.o }}\"\nfiles = \"in.txt\"\noutputs.o = \"o.txt\"\n",
        ),
        ("other", ""),
    ] {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}");
        workspace.write(&format!("{name}/Cargo.toml"), &manifest);
        workspace.write(&format!("{name}/src/lib.rs"), "//! Nothing.\n");
    }
    workspace.write("api/in.txt", "1\n");
    for (folder, expected) in [("other/src", "s=ran"), (".", "s=fresh"), ("api/src", "s=fresh")] {
        let mut command = workspace.command(&["run", "--message-format", "json", "api:p"]);
        let outcome = Outcome::of(command.current_dir(workspace.path(folder)).output().expect("it starts"));
        assert_eq!(outcome.outcomes(), expected, "from {folder}:\n{}", outcome.stderr);
    }
    assert_eq!(workspace.read("api/o.txt"), "1\n");
}

#[test]
fn pitfall_20_who_ignores_upstream_changes_is_told() {
    let blind = "cache-policy = { include-artifact-values = false, include-artifact-ids = false }";
    let workspace = chain(blind, "");
    let said = workspace.ok(&[]).stderr;
    assert!(said.contains("note: the cache policy of `p/use`") && said.contains("include-artifact-ids"), "{said}");
    let half = chain("cache-policy.include-artifact-values = false", "");
    half.ok(&[]);
    half.write("in.txt", "c\n");
    assert_eq!(half.ok(&[]).outcomes(), "make=ran use=ran", "without values the identity counts");
}

#[test]
fn pitfall_21_forced_runs_are_recorded_and_uncached_ones_are_not() {
    let forced = chain("", "");
    assert_eq!(forced.ok(&["--no-cache"]).outcomes(), "make=ran use=ran");
    assert_eq!(forced.ok(&[]).outcomes(), "make=fresh use=fresh", "only the look-up was left out");
    let uncached = chain("", "enable-cache = false");
    uncached.ok(&[]);
    uncached.edit("Cargo.toml", "enable-cache = false", "");
    let outcome = uncached.ok(&[]);
    assert_eq!((outcome.outcomes().as_str(), outcome.why("make").as_str()), ("make=ran use=fresh", "never run"));
    for flag in ["--no-cache", "--cache"] {
        let help = uncached.zen(&["run", "--help"]).stdout;
        assert!(help.contains(flag), "and it is documented:\n{help}");
    }
}

#[test]
fn pitfall_22_what_was_reused_can_be_told_from_what_ran() {
    let workspace = chain("", "");
    assert_eq!(counts(&workspace.ok(&[])), [2, 0, 0]);
    let fresh = workspace.ok(&[]);
    assert_eq!(counts(&fresh), [0, 2, 0]);
    fs::remove_file(workspace.path("u.txt")).expect("it was made");
    let mixed = workspace.ok(&[]);
    assert_eq!((counts(&mixed), mixed.outcomes().as_str()), ([0, 1, 1], "make=fresh use=restored"));
    assert_eq!(counts(&workspace.ok(&["--set", "n=2"])), [1, 1, 0]);
    let explained = workspace.zen(&["explain", "make", "--message-format", "json"]);
    let message = explained.of_reason("explain").next().expect("it answers");
    assert_eq!(message["reused_run"], 1, "and whose result it is");
}
