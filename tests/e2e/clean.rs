//! `clean`: what it removes, what it leaves, and what it says. After each of them the next run works.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Outcome, Workspace};

/// Pipelines `p` (two steps, one with an output of some size) and `q` (one step).
fn workspace() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{ outputs.made }}"
files = ["in.txt"]
outputs.made = "made.txt"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cp {{ inputs.made }} {{ outputs.used }}; echo used"
inputs = ["make.made"]
outputs = ["used.txt"]

[workspace.metadata.zen.pipelines.q.steps.other]
run = "cp in.txt {{ outputs.other }}; echo other >> {{ outputs.other }}"
files = ["in.txt"]
outputs.other = "other.txt"
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

/// Cleans, which must succeed; gives standard error.
fn clean(workspace: &Workspace, args: &[&str]) -> String {
    let outcome = workspace.zen(&[&["clean"], args].concat());
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    outcome.stderr
}

/// What a run of both pipelines would do, as `step=decision`.
fn plan(workspace: &Workspace) -> String {
    let outcome = workspace.zen(&["status", "p", "q", "--message-format", "json"]);
    let plan = outcome.of_reason("plan").next().unwrap_or_else(|| panic!("a plan: {}", outcome.stderr)).clone();
    let steps = plan["steps"].as_array().expect("a list").clone();
    let mut steps: Vec<String> = steps
        .iter()
        .map(|step| {
            let id = step["step"].as_str().expect("an id");
            format!("{}={}", id.rsplit('/').next().unwrap_or(id), step["decision"].as_str().expect("a word"))
        })
        .collect();
    steps.sort();
    steps.join(" ")
}

fn run(workspace: &Workspace) -> Outcome {
    workspace.ok(&["p", "q"])
}

fn remove_outputs(workspace: &Workspace) {
    for path in ["made.txt", "other.txt"] {
        fs::remove_file(workspace.path(path)).expect("it is there");
    }
}

#[test]
fn clean_removes_this_workspaces_part_and_says_what_it_was_worth() {
    let workspace = workspace();
    run(&workspace);
    let said = clean(&workspace, &[]);
    let line = said.lines().next().unwrap_or_default();
    assert!(line.starts_with("     Removed 3 records, "), "{said}");
    assert!(line.contains(" B in ") || line.contains("iB in "), "its size: {said}");
    assert!(line.contains(" to make"), "the step time that it saves: {said}");
    assert!(workspace.exists("made.txt"), "outputs stay");
    assert_eq!(plan(&workspace), "make=run other=run use=maybe");
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
    assert_eq!(run(&workspace).outcomes(), "make=fresh other=fresh use=fresh", "the store works after it");
}

#[test]
fn clean_before_the_first_run_and_twice_is_fine() {
    let workspace = workspace();
    clean(&workspace, &[]);
    run(&workspace);
    clean(&workspace, &[]);
    clean(&workspace, &[]);
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
}

#[test]
fn a_dry_run_removes_nothing() {
    let workspace = workspace();
    run(&workspace);
    for args in
        [&[][..], &["--all"], &["--older-than", "0s"], &["--max-size", "0"], &["--outputs"], &["--step", "make"]]
    {
        let said = clean(&workspace, &[&["-n"], args].concat());
        assert!(said.contains("dry run"), "{args:?}: {said}");
    }
    assert_eq!(plan(&workspace), "make=fresh other=fresh use=fresh");
    remove_outputs(&workspace);
    assert_eq!(run(&workspace).outcomes(), "make=restored other=restored use=fresh", "all objects are there");
    for args in [&["--outputs"][..], &[]] {
        let dry = clean(&workspace, &[&["-n"], args].concat());
        let dry = dry.strip_suffix("warning: nothing was removed: this is a dry run\n");
        assert_eq!(dry, Some(&*clean(&workspace, args)), "{args:?}: it says what is then removed");
    }
}

#[test]
fn clean_one_pipeline_or_step() {
    let workspace = workspace();
    run(&workspace);
    let said = clean(&workspace, &["--pipeline", "q"]);
    assert!(said.contains("Removed 1 record, "), "{said}");
    assert_eq!(plan(&workspace), "make=fresh other=run use=fresh");
    clean(&workspace, &["--step", "use"]);
    assert_eq!(plan(&workspace), "make=fresh other=run use=run");
    clean(&workspace, &["--step", "p/make"]);
    assert_eq!(plan(&workspace), "make=run other=run use=maybe");
    run(&workspace);
    clean(&workspace, &["--pipeline", "p", "--step", "other"]);
    assert_eq!(plan(&workspace), "make=fresh other=fresh use=fresh", "`p` has no such step");
}

#[test]
fn objects_that_others_need_stay() {
    let workspace = workspace();
    // `make` and `use` leave the same bytes.
    run(&workspace);
    clean(&workspace, &["--step", "make"]);
    fs::remove_file(workspace.path("made.txt")).expect("it is there");
    let outcome = run(&workspace);
    assert_eq!(outcome.outcomes(), "make=ran other=fresh use=fresh");
}

#[test]
fn names_that_are_not_there_are_refused() {
    let workspace = workspace();
    run(&workspace);
    for args in [["--pipeline", "nobody"], ["--step", "nobody"]] {
        let outcome = workspace.zen(&[&["clean"], &args[..]].concat());
        assert_eq!(outcome.code, Some(4), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("`nobody`"), "{}", outcome.stderr);
    }
    assert_eq!(plan(&workspace), "make=fresh other=fresh use=fresh", "nothing was removed");
}

#[test]
fn what_a_step_left_that_is_gone_from_the_tables_can_be_removed() {
    let workspace = workspace();
    run(&workspace);
    workspace.edit("Cargo.toml", "q.steps.other", "q.steps.another");
    let said = clean(&workspace, &["--step", "q/other"]);
    assert!(said.contains("Removed 1 record, "), "{said}");
}

#[test]
fn clean_by_age() {
    let workspace = workspace();
    run(&workspace);
    let said = clean(&workspace, &["--older-than", "14d"]);
    assert!(said.contains("Removed 0 records"), "{said}");
    assert_eq!(plan(&workspace), "make=fresh other=fresh use=fresh");
    let said = clean(&workspace, &["--older-than", "0s"]);
    assert!(said.contains("Removed 3 records"), "{said}");
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
}

#[test]
fn clean_by_size_takes_the_least_recently_used() {
    let workspace = workspace();
    run(&workspace);
    let said = clean(&workspace, &["--max-size", "5GiB"]);
    assert!(said.contains("Removed 0 records"), "{said}");
    let said = clean(&workspace, &["--max-size", "0"]);
    assert!(said.contains("Removed 3 records"), "{said}");
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
}

#[test]
fn f_24_clean_expired_says_age_and_limit() {
    let workspace = workspace();
    run(&workspace);
    assert!(clean(&workspace, &["--expired"]).contains("Removed 0 records"), "nothing has a limit");
    workspace.edit("Cargo.toml", "outputs.made =", "cache-policy.expires-after = 0\noutputs.made =");
    let said = clean(&workspace, &["--expired"]);
    let line = said.lines().find(|line| line.contains("p/make")).unwrap_or_else(|| panic!("a line for it: {said}"));
    assert!(line.starts_with("     Removed p/make (run 1, ") && line.contains(" old, limit 0s)"), "{said}");
    assert!(said.contains("Removed 1 record, "), "{said}");
    assert_eq!(plan(&workspace), "make=run other=fresh use=maybe", "what has no limit stays");
}

#[test]
fn f_24_clean_expired_spares_what_another_step_may_use() {
    // The same definition twice: they share one record, whatever their names.
    let step = |name: &str, limit: &str| {
        format!(
            "[workspace.metadata.zen.pipelines.{name}.steps.s]\nrun = \"echo x > {{{{ outputs.o }}}}\"\nfiles = [\"in.txt\"]\n\
             outputs.o = \"o.txt\"\ncache-policy.expires-after = {limit}\n"
        )
    };
    for (limit, removed) in [("\"never\"", 0), ("\"30d\"", 0), ("0", 1)] {
        let workspace = Workspace::new(&format!("{}{}", step("short", "0"), step("long", limit)));
        workspace.write("in.txt", "x\n");
        workspace.ok(&["short"]);
        let said = clean(&workspace, &["--expired"]);
        assert!(said.contains(&format!("Removed {removed} record")), "limits 0 and {limit}: {said}");
    }
}

#[test]
fn clean_outputs_leaves_what_git_tracks_and_what_somebody_edited() {
    let workspace = workspace();
    run(&workspace);
    workspace.git(&["init", "-q"]);
    workspace.git(&["add", "other.txt", "in.txt"]);
    workspace.write("made.txt", "edited by hand\n");
    let used = "target/zen/out/p/use/used.txt";
    assert!(workspace.exists(used), "the place of an output that has only a name");
    let dry = clean(&workspace, &["--outputs", "-n"]);
    let said = clean(&workspace, &["--outputs"]);
    for text in [&dry, &said] {
        assert!(text.contains("used.txt"), "{text}");
        assert!(!text.contains("made.txt") && !text.contains("other.txt") && !text.contains("in.txt"), "{text}");
    }
    assert!(!workspace.exists(used));
    assert_eq!(workspace.read("made.txt"), "edited by hand\n");
    assert_eq!(workspace.read("other.txt"), "b\na\nother\n");
    let outcome = run(&workspace);
    assert_eq!(outcome.outcomes(), "make=restored other=fresh use=restored", "the records are still there");
    assert_eq!(workspace.read("made.txt"), "a\nb\n");
}

#[test]
fn clean_outputs_of_one_pipeline_leaves_the_others_and_all_records() {
    let workspace = workspace();
    run(&workspace);
    let said = clean(&workspace, &["--outputs", "--pipeline", "q"]);
    assert_eq!(said, "     Removed other.txt\n");
    assert!(workspace.exists("made.txt") && !workspace.exists("other.txt"));
    assert_eq!(plan(&workspace), "make=fresh other=restore use=fresh");
    let said = clean(&workspace, &["--outputs", "--all"]);
    assert!(said.contains("Removed made.txt\n") && said.contains("Removed 3 records, "), "{said}");
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
}

#[test]
fn clean_outputs_of_a_repository_that_git_cannot_read_removes_nothing() {
    let workspace = workspace();
    run(&workspace);
    workspace.write(".git", "gitdir: nowhere\n");
    let outcome = workspace.zen(&["clean", "--outputs"]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("git"), "{}", outcome.stderr);
    assert!(workspace.exists("made.txt"), "nobody knows whether it is tracked");
}

#[test]
fn clean_for_programs() {
    let workspace = workspace();
    workspace.write("made.txt", "somebody's own\n");
    run(&workspace);
    let cleaned = |args: &[&str]| {
        let outcome = workspace.zen(&[&["clean", "--message-format", "json"], args].concat());
        assert_eq!((outcome.code, outcome.messages.len()), (Some(0), 2), "{}", outcome.stderr);
        outcome.messages[1].clone()
    };
    let dry = cleaned(&["--outputs", "--pipeline", "q", "-n"]);
    assert_eq!((&dry["reason"], &dry["dry_run"]), (&json!("clean-finished"), &json!(true)));
    assert_eq!((&dry["outputs"], &dry["store"]), (&json!(["other.txt"]), &Value::Null), "the store is left alone");
    let outputs = cleaned(&["--outputs", "--pipeline", "q"]);
    assert_eq!((&outputs["outputs"], &outputs["dry_run"]), (&dry["outputs"], &json!(false)));
    assert_eq!(cleaned(&["--replaced"])["replaced_bytes"], "somebody's own\n".len());
    let all = cleaned(&[]);
    assert_eq!((&all["store"]["records"], &all["outputs"], &all["replaced_bytes"]), (&json!(3), &json!([]), &json!(0)));
    assert!(all["store"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{all}");
}

#[test]
fn clean_replaced_removes_what_was_set_aside() {
    let workspace = workspace();
    workspace.write("made.txt", "somebody's own\n");
    run(&workspace);
    assert!(workspace.exists("target/zen/replaced"), "bytes that are not zen's are set aside");
    assert!(clean(&workspace, &["--replaced", "-n"]).contains("replaced/"));
    assert!(workspace.exists("target/zen/replaced"), "a dry run");
    let said = clean(&workspace, &["--replaced"]);
    assert!(said.contains("Removed replaced/ ("), "{said}");
    assert!(!workspace.exists("target/zen/replaced"));
    assert_eq!(run(&workspace).outcomes(), "make=fresh other=fresh use=fresh", "and nothing else");
}

#[test]
fn in_a_shared_store_the_other_workspaces_part_stays() {
    let mut one = workspace();
    let mut two = workspace();
    let store = one.beside("store").display().to_string();
    one.env.insert("ZEN_STORE_DIR".to_owned(), store.clone());
    two.env.insert("ZEN_STORE_DIR".to_owned(), store);
    two.write("in.txt", "z\n");
    run(&one);
    run(&two);
    let said = clean(&one, &[]);
    assert!(said.contains("Removed 3 records, "), "only its own: {said}");
    assert_eq!(plan(&two), "make=fresh other=fresh use=fresh");
    remove_outputs(&two);
    assert_eq!(run(&two).outcomes(), "make=restored other=restored use=fresh");
    run(&one);
    let said = clean(&one, &["--all"]);
    assert!(said.contains("Removed 6 records, "), "all: {said}");
    assert_eq!(run(&two).outcomes(), "make=ran other=ran use=ran");
}

#[test]
fn a_folder_that_is_not_zens_is_refused_as_a_store() {
    let mut workspace = workspace();
    let foreign = workspace.beside("home");
    fs::create_dir(&foreign).expect("it is new");
    fs::write(foreign.join("thesis.tex"), "years of work").expect("it can be written");
    workspace.env.insert("ZEN_STORE_DIR".to_owned(), foreign.display().to_string());
    for args in [&["run", "p"][..], &["clean"], &["clean", "--all"], &["status", "p"], &["clean", "--max-size", "0"]] {
        let outcome = workspace.zen(args);
        assert_eq!(outcome.code, Some(103), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("was not made by cargo zen"), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_dir(&foreign).expect("it is there").count(), 1, "nothing was added or removed");
    assert!(!workspace.exists("made.txt"), "nothing ran");
}

#[test]
fn what_zen_did_not_make_stays_in_a_store() {
    let mut workspace = workspace();
    let store = workspace.beside("store");
    workspace.env.insert("ZEN_STORE_DIR".to_owned(), store.display().to_string());
    run(&workspace);
    fs::write(store.join("note.txt"), "mine").expect("it can be written");
    fs::write(store.join("v1/objects/note.txt"), "mine").expect("it can be written");
    clean(&workspace, &["--all"]);
    assert!(store.join("note.txt").exists() && store.join("v1/objects/note.txt").exists());
    assert_eq!(run(&workspace).outcomes(), "make=ran other=ran use=ran");
}
