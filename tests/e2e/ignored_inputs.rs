//! `ignored-inputs`, and the notes about policies that leave out what most people take for granted.

use crate::harness::Workspace;

/// `use` reads two outputs and a file; `more` stands in its table.
fn chain(pipeline: &str, more: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p]
{pipeline}
[workspace.metadata.zen.pipelines.p.steps]
a = {{ run = "cat a.txt > {{{{ outputs.a }}}}", files = "a.txt", outputs.a = "out/a" }}
b = {{ run = "cat b.txt > {{{{ outputs.b }}}}", files = "b.txt", outputs.b = "out/b" }}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{{{ inputs.a }}}} {{{{ inputs.b }}}} {{{{ inputs.raw }}}} > {{{{ outputs.u }}}}"
inputs = {{ a = "a.a", b = "b.b", raw.files = "raw.txt" }}
outputs.u = "out/u"
{more}
"#
    ));
    ["a.txt", "b.txt", "raw.txt"].iter().for_each(|file| workspace.write(file, "1\n"));
    workspace
}

#[test]
fn an_ignored_input_does_not_make_a_step_run_and_is_given_to_it_all_the_same() {
    for (pipeline, step) in [("", "[\"a\", \"raw\"]"), ("cache-policy.ignored-inputs = [\"a\"]", "\"raw\"")] {
        let workspace = chain(pipeline, &format!("cache-policy.ignored-inputs = {step}"));
        workspace.ok(&[]);
        assert_eq!(workspace.read("out/u"), "1\n1\n1\n");
        workspace.write("a.txt", "2\n");
        workspace.write("raw.txt", "2\n");
        assert_eq!(workspace.ok(&[]).outcomes(), "a=ran b=fresh use=fresh", "lists of all places join");
        workspace.write("b.txt", "2\n");
        let outcome = workspace.ok(&[]);
        assert_eq!(
            (outcome.outcomes().as_str(), outcome.why("use").as_str()),
            ("a=fresh b=ran use=ran", "input `b` changed")
        );
        assert_eq!(workspace.read("out/u"), "2\n2\n2\n");
    }
}

#[test]
fn a_name_that_nothing_has_is_refused_where_it_stands() {
    let step = chain("", "cache-policy.ignored-inputs = [\"rwa\"]").run(&[]);
    assert_eq!(step.code, Some(96), "{}", step.stderr);
    assert!(
        step.stderr.contains("the step has no such input") && step.stderr.contains("did you mean `raw`?"),
        "{}",
        step.stderr
    );
    let pipeline = chain("cache-policy.ignored-inputs = [\"x\"]", "").run(&[]);
    assert_eq!(pipeline.code, Some(96), "{}", pipeline.stderr);
    assert!(pipeline.stderr.contains("no step that this covers"), "{}", pipeline.stderr);
    assert_eq!(
        chain("cache-policy.ignored-inputs = [\"a\"]", "").ok(&[]).code,
        Some(0),
        "one step that has it is enough"
    );
}

#[test]
fn a_policy_that_ignores_upstream_changes_or_code_is_said_once() {
    let blind =
        "cache-policy = { include-artifact-values = false, include-artifact-ids = false, include-step-code = false }";
    for (ws, expected) in [
        (chain("", blind), ["of `p/use` leaves out", "of `p/use` leaves out"]),
        (chain(blind, ""), ["of `p/use` leaves out", "of `p/a`, `p/b`, `p/use` leaves out"]),
    ] {
        for args in [&["run"][..], &["status"], &["run", "-n"]] {
            let stderr = ws.zen(args).stderr;
            assert_eq!(stderr.matches("note: the cache policy").count(), 2, "{args:?}:\n{stderr}");
            let code = stderr.lines().find(|line| line.contains("include-step-code")).unwrap_or_default();
            let upstream = stderr.lines().find(|line| line.contains("include-artifact-ids")).unwrap_or_default();
            assert!(upstream.contains(expected[0]) && code.contains(expected[1]), "{args:?}:\n{stderr}");
        }
    }
    let stderr = chain("", "").ok(&[]).stderr;
    assert!(!stderr.contains("the cache policy"), "{stderr}");
}
