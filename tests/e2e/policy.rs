//! Whether a step is looked up and recorded at all, what of it counts, and for how long.

use std::fs;

use crate::harness::Workspace;

/// Two steps, `make` and `use`; `make` reads `in.txt`, `more` stands in its table.
fn chain(more: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{{{ outputs.o }}}}"
files = ["in.txt"]
outputs.o = "o.txt"
{more}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{{{ inputs.o }}}} > {{{{ outputs.u }}}}"
inputs = ["make.o"]
outputs.u = "u.txt"
"#
    ));
    workspace.write("in.txt", "a\nb\n");
    workspace
}

/// One step with these lines at each rank.
fn ranks(workspace: &str, pipeline: &str, step: &str) -> Workspace {
    Workspace::new(&format!(
        "[workspace.metadata.zen]\n{workspace}\n[workspace.metadata.zen.pipelines.p]\n{pipeline}\n\
         [workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"echo a > {{{{ outputs.o }}}}\"\noutputs.o = \"o.txt\"\n{step}"
    ))
}

#[test]
fn f_29_the_nearest_place_decides_whether_a_step_is_cached() {
    let (on, off) = ("enable-cache = true", "enable-cache = false");
    for (workspace, pipeline, step, cached) in [
        ("", "", "", true),
        (off, "", "", false),
        ("", off, "", false),
        ("", "", off, false),
        (off, on, "", true),
        (off, off, on, true),
        (on, on, off, false),
        (on, off, "", false),
        ("enable_cache = false", "", "", false),
    ] {
        let ws = ranks(workspace, pipeline, step);
        ws.ok(&[]);
        let again = ws.ok(&[]);
        let expected = if cached { "s=fresh" } else { "s=ran" };
        assert_eq!(again.outcomes(), expected, "workspace: {workspace}, pipeline: {pipeline}, step: {step}");
        if !cached {
            assert_eq!(again.finished("s")["why"][0]["kind"], "cache-disabled");
        }
    }
}

#[test]
fn the_command_line_turns_caching_on() {
    for flag in ["--cache", "--cache=s"] {
        let workspace = ranks("", "", "enable-cache = false");
        assert_eq!(workspace.ok(&[flag]).outcomes(), "s=ran");
        assert_eq!(workspace.ok(&[flag]).outcomes(), "s=fresh", "{flag} records it");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "without the flag nothing is looked up");
    }
}

#[test]
fn no_cache_leaves_out_the_look_up_and_records_all_the_same() {
    for flag in ["--no-cache", "--force", "--no-cache=s", "--force=p/s"] {
        let workspace = ranks("", "", "");
        workspace.ok(&[]);
        let forced = workspace.ok(&[flag]);
        assert_eq!((forced.outcomes().as_str(), forced.why("s").as_str()), ("s=ran", "forced"), "{flag}");
        assert_eq!(forced.finished("s")["why"][0]["kind"], "forced");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    }
    let never = ranks("", "", "");
    never.ok(&["--no-cache"]);
    assert_eq!(never.ok(&[]).outcomes(), "s=fresh", "a forced run is recorded");
    let uncached = ranks("", "", "enable-cache = false");
    uncached.ok(&["--no-cache"]);
    uncached.edit("Cargo.toml", "enable-cache = false", "");
    assert_eq!(uncached.ok(&[]).why("s"), "never run", "it does not make an uncached step record");
}

#[test]
fn no_cache_of_one_step_leaves_the_others() {
    let workspace = chain("");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&["--no-cache=make"]).outcomes(), "make=ran use=fresh");
    let both = workspace.ok(&["--no-cache=make+"]);
    assert_eq!((both.outcomes().as_str(), both.why("use").as_str()), ("make=ran use=ran", "forced"));
    assert_eq!(workspace.ok(&["--no-cache=make,use"]).outcomes(), "make=ran use=ran");
    assert_eq!(workspace.ok(&["--no-cache", "--cache=make"]).outcomes(), "make=fresh use=ran", "a named step wins");
    assert_eq!(workspace.ok(&["--cache", "--no-cache=use"]).outcomes(), "make=fresh use=ran", "a named step wins");
    let unknown = workspace.run(&["--no-cache=nothing"]);
    assert!(unknown.code != Some(0) && unknown.stderr.contains("nothing"), "{}", unknown.stderr);
}

#[test]
fn a_step_beside_the_flag_is_a_pipeline() {
    let workspace = ranks("", "", "");
    let outcome = workspace.run(&["--no-cache", "s"]);
    assert_eq!(outcome.code, Some(4), "values only after `=`:\n{}", outcome.stderr);
}

#[test]
fn f_24_a_policy_of_zero_is_always_stale_and_equal_bytes_leave_dependents() {
    let workspace = chain("cache-policy.expires-after = 0");
    workspace.ok(&[]);
    let again = workspace.ok(&[]);
    assert_eq!(again.outcomes(), "make=ran use=fresh");
    assert_eq!(again.finished("make")["why"][0]["kind"], "expired");
    assert!(again.why("make").starts_with("expired"), "{}", again.why("make"));
}

#[test]
fn f_24_a_policy_is_judged_at_look_up() {
    let workspace = chain("cache-policy.expires-after = \"30d\"");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
    workspace.edit("Cargo.toml", "\"30d\"", "0");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=fresh", "shortened, it counts for old records");
    workspace.edit("Cargo.toml", "expires-after = 0", "expires-after = \"never\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "the policy is no part of the key");
}

#[test]
fn f_24_an_expired_record_is_not_restored_either() {
    let workspace = chain("cache-policy.expires-after = 0");
    workspace.ok(&[]);
    fs::remove_file(workspace.path("o.txt")).expect("it was made");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=fresh");
}

#[test]
fn f_24_the_nearest_policy_wins_field_by_field() {
    for (workspace, pipeline, step, expected) in [
        ("cache-policy.expires-after = 0", "", "", "s=ran"),
        ("cache-policy.expires-after = 0", "cache-policy.expires-after = \"1h\"", "", "s=fresh"),
        ("cache-policy.expires-after = 0", "", "cache-policy.expires-after = \"never\"", "s=fresh"),
        ("", "cache-policy.expires-after = 0", "cache-policy.include-platform = false", "s=ran"),
        ("cache_policy.expires_after = 0", "", "", "s=ran"),
    ] {
        let ws = ranks(workspace, pipeline, step);
        ws.ok(&[]);
        assert_eq!(ws.ok(&[]).outcomes(), expected, "{workspace} | {pipeline} | {step}");
    }
}

#[test]
fn file_dependencies_of_all_places_are_joined() {
    let workspace = ranks(
        "cache-policy.file-dependencies = [\"w.txt\"]",
        "cache-policy.file-dependencies = [\"p/*.txt\"]",
        "cache-policy.file-dependencies = [\"s.txt\"]",
    );
    for file in ["w.txt", "p/p.txt", "s.txt"] {
        workspace.write(file, "1");
    }
    workspace.ok(&[]);
    for file in ["w.txt", "p/p.txt", "s.txt"] {
        workspace.write(file, "2");
        let outcome = workspace.ok(&[]);
        assert_eq!((outcome.outcomes(), outcome.why("s")), ("s=ran".to_owned(), format!("file {file} changed")));
    }
}

#[test]
fn step_code_may_be_left_out_of_the_key() {
    let workspace = Workspace::with_step("run = \"sh gen.sh\"\ncache-policy.include-step-code = false");
    workspace.write("gen.sh", "true");
    workspace.ok(&[]);
    workspace.write("gen.sh", "true; true");
    workspace.edit("Cargo.toml", "sh gen.sh", "sh gen.sh; true");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.edit("Cargo.toml", "include-step-code = false", "include-step-code = true");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=ran");
}

#[test]
fn step_parameters_may_be_left_out_of_the_key() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
steps.s = { run = "echo {{ params.n }} {{ pipeline.n }}", params = ["n"], cache-policy.include-step-parameters = false }
"#,
    );
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&["--set", "n=2"]).outcomes(), "s=fresh");
}

#[test]
fn artifact_values_may_be_left_out_of_the_key_for_their_identity() {
    let by_identity = chain("");
    by_identity.edit(
        "Cargo.toml",
        "inputs = [\"make.o\"]",
        "inputs = [\"make.o\"]\ncache-policy.include-artifact-values = false",
    );
    by_identity.ok(&[]);
    assert_eq!(by_identity.ok(&[]).outcomes(), "make=fresh use=fresh");
    assert_eq!(by_identity.ok(&["--no-cache=make"]).outcomes(), "make=ran use=ran", "it is another production");
    assert_eq!(by_identity.ok(&[]).outcomes(), "make=fresh use=fresh", "and that is recorded");

    let order_only = chain("");
    order_only.edit(
        "Cargo.toml",
        "inputs = [\"make.o\"]",
        "inputs = [\"make.o\"]\ncache-policy = { include-artifact-values = false, include-artifact-ids = false }",
    );
    order_only.ok(&[]);
    order_only.write("in.txt", "c\n");
    assert_eq!(order_only.ok(&[]).outcomes(), "make=ran use=fresh", "both off: order only");
}

#[test]
fn an_output_without_content_hash_counts_by_its_identity() {
    let workspace = chain("");
    workspace.edit("Cargo.toml", "outputs.o = \"o.txt\"", "outputs.o = { path = \"o.txt\", content-hash = false }");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
    fs::remove_file(workspace.path("o.txt")).expect("it was made");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=restored use=fresh", "a restored production is the same one");
    assert_eq!(workspace.ok(&["--no-cache=make"]).outcomes(), "make=ran use=ran");
}

#[test]
fn an_uncached_step_that_writes_the_same_bytes_leaves_what_follows() {
    let workspace = chain("enable-cache = false");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=fresh");
    workspace.write("in.txt", "c\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=ran");
}

#[test]
fn the_declared_outputs_are_part_of_the_key() {
    let workspace = ranks("", "", "");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "outputs.o = \"o.txt\"", "outputs.o = \"other.txt\"");
    let moved = workspace.ok(&[]);
    assert_eq!(
        (moved.outcomes().as_str(), moved.finished("s")["why"][0]["component"].as_str()),
        ("s=ran", Some("outputs"))
    );
    workspace.edit("Cargo.toml", "outputs.o = \"other.txt\"", "outputs.o = { path = \"other.txt\", metric = true }");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "what an output is called to be is not");
}

#[test]
fn f_15_a_check_has_no_outputs_and_is_cached_by_what_it_reads() {
    let workspace = Workspace::with_step("run = \"grep -q ok in.txt\"\nfiles = \"in.txt\"");
    workspace.write("in.txt", "ok 1");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.write("in.txt", "bad");
    assert_eq!(workspace.run(&[]).outcomes(), "s=failed");
    assert_eq!(workspace.run(&[]).outcomes(), "s=failed", "a failure is never recorded");
    workspace.write("in.txt", "ok 1");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
}

#[test]
fn f_15_a_step_that_nothing_invalidates_is_warned_about_once() {
    let workspace = Workspace::with_step("run = \"true\"");
    let stderr = workspace.ok(&[]).stderr;
    assert_eq!(stderr.matches("warning:").count(), 1, "{stderr}");
    let named = Workspace::with_step("run = \"sh ./check.sh\"");
    named.write("check.sh", "true\n");
    let stderr = named.ok(&[]).stderr;
    assert_eq!(stderr.matches("warning:").count(), 0, "the script makes it run again:\n{stderr}");
    for mended in
        ["files = \"Cargo.toml\"", "track-env = [\"X\"]", "cache-policy.expires-after = \"1d\"", "enable-cache = false"]
    {
        let workspace = Workspace::with_step(&format!("run = \"true\"\n{mended}"));
        let stderr = workspace.ok(&[]).stderr;
        assert_eq!(stderr.matches("warning:").count(), 0, "{mended}:\n{stderr}");
    }
}

#[test]
fn f_23_other_bytes_from_the_same_key_replace_the_record_and_are_said() {
    let workspace = Workspace::with_step("run = \"cat state > {{ outputs.o }}\"\noutputs.o = \"o.txt\"\nenv.X = \"1\"");
    // Not a word of the command: the step reads what it does not declare.
    workspace.edit("Cargo.toml", "cat state", "cat sta*");
    workspace.write("state", "1");
    workspace.ok(&[]);
    workspace.write("state", "2");
    let forced = workspace.ok(&["--no-cache"]);
    assert!(forced.stderr.contains("warning:") && forced.stderr.contains("`o`"), "{}", forced.stderr);
    fs::remove_file(workspace.path("o.txt")).expect("it was made");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored");
    assert_eq!(workspace.read("o.txt"), "2", "the newest stands");
}

#[test]
fn f_30_every_reason_names_the_component_and_the_item_that_changed() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
[workspace.metadata.zen.pipelines.p.steps]
make = { run = "sort raw.txt > {{ outputs.m }}", files = "raw.txt", outputs.m = "m.txt" }
[workspace.metadata.zen.pipelines.p.steps.s]
run = "./gen.sh > {{ outputs.o }}"
files = "in.txt"
inputs.m = "make.m"
inputs.raw.files = "raw/*"
params = ["n"]
env.A = "1"
track-env = ["B"]
outputs.o = "o.txt"
"#,
    );
    for file in ["raw.txt", "in.txt", "raw/a"] {
        workspace.write(file, "1\n");
    }
    workspace.write("gen.sh", "#!/bin/sh\n");
    fs::set_permissions(workspace.path("gen.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    workspace.ok(&[]);
    type Edit = fn(&mut Workspace);
    let edits: [(Edit, &str, &str, &str); 9] = [
        (|w| w.edit("Cargo.toml", "./gen.sh >", "./gen.sh  >"), "code", "command", "command changed"),
        (|w| w.write("gen.sh", "#!/bin/sh\n\n"), "code", "gen.sh", "file gen.sh changed"),
        (|w| w.edit("Cargo.toml", "params.n = 1", "params.n = 2"), "params", "n", "param `n`: 1 → 2"),
        (|w| w.write("raw.txt", "2\n"), "inputs", "m", "input `m` changed"),
        (|w| w.write("raw/a", "2\n"), "inputs", "raw", "input `raw`: file raw/a changed"),
        (|w| w.write("in.txt", "2\n"), "files", "in.txt", "file in.txt changed"),
        (|w| w.edit("Cargo.toml", "env.A = \"1\"", "env.A = \"2\""), "env", "A", "env `A` changed"),
        (|w| drop(w.env.insert("B".into(), "secret".into())), "env", "B", "env `B` changed"),
        (
            |w| w.edit("Cargo.toml", "\"o.txt\"", "{ path = \"o.txt\", optional = true }"),
            "outputs",
            "o",
            "output `o` changed",
        ),
    ];
    for (edit, component, item, text) in edits {
        edit(&mut workspace);
        let outcome = workspace.ok(&[]);
        let why = &outcome.finished("s")["why"];
        assert_eq!(why.as_array().map(Vec::len), Some(1), "one thing changed: {why}");
        let why = &why[0];
        assert_eq!((&why["kind"], &why["component"]), (&"changed".into(), &component.into()), "{why}");
        let named = [why["item"].as_str(), why["path"].as_str()].contains(&Some(item));
        assert!(named, "`{item}` must be named: {why}");
        assert_eq!(why["text"], text);
        assert!(
            !outcome.stdout.contains("secret") && !outcome.stderr.contains("secret"),
            "no value of the environment"
        );
        assert_eq!(workspace.ok(&[]).finished("s")["outcome"], "fresh", "{text}");
    }
}
