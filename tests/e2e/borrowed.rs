//! What a step reads of other steps' outputs, and behind links: it counts like a file of its own.

use std::fs;

use crate::harness::Workspace;

/// `gen` copies `k` to `gen.txt`; `use` reads it as `body` says.
fn two(body: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        "[workspace.metadata.zen.pipelines.p.steps.gen]\nrun = \"cat k > {{{{ outputs.o }}}}\"\nfiles = [\"k\"]\n\
         outputs.o = \"gen.txt\"\n[workspace.metadata.zen.pipelines.p.steps.use]\n{body}\noutputs.t = \"t.txt\"\n"
    ));
    workspace.write("k", "good\n");
    workspace
}

#[test]
fn f_3_an_upstream_output_that_changes_while_the_step_runs_is_not_recorded() {
    // The step itself writes to what it reads; a daemon or a user could as well.
    let body = "run = \"g=gen; echo edited > $g.txt; cat {{ inputs.o }} > {{ outputs.t }}\"\ninputs = [\"gen.o\"]";
    let workspace = two(body);
    workspace.ok(&["-s", "gen"]);
    let outcome = workspace.run(&["-s", "use"]);
    assert!(
        outcome.stderr.contains("`gen.txt` changed while step `p/use` ran: it is not recorded"),
        "{}",
        outcome.stderr
    );
    // Nothing of the edit may be reused.
    workspace.edit("Cargo.toml", "g=gen; echo edited > $g.txt; ", "");
    let again = workspace.ok(&[]);
    assert!(again.outcomes().ends_with("use=ran"), "{}", again.outcomes());
    assert_eq!((workspace.read("gen.txt"), workspace.read("t.txt")), ("good\n".into(), "good\n".into()));
}

#[test]
fn an_upstream_output_that_was_edited_before_the_step_starts_is_put_right_first() {
    let workspace = two("run = \"cat {{ inputs.o }} > {{ outputs.t }}\"\ninputs = [\"gen.o\"]\nparams.n = 1");
    workspace.ok(&[]);
    fs::write(workspace.path("gen.txt"), "edited\n").expect("it can be written");
    workspace.edit("Cargo.toml", "params.n = 1", "params.n = 2");
    workspace.ok(&["-s", "use"]);
    assert_eq!((workspace.read("gen.txt"), workspace.read("t.txt")), ("good\n".into(), "good\n".into()));
}

#[cfg(unix)]
#[test]
fn f_14_f22_what_a_link_among_the_outputs_leads_to_counts() {
    for reads in ["inputs = [\"gen.o\"]", "inputs.x.files = \"gen.txt\""] {
        let name = if reads.contains("x.files") { "x" } else { "o" };
        let workspace = two(&format!("run = \"cat {{{{ inputs.{name} }}}} > {{{{ outputs.t }}}}\"\n{reads}"));
        workspace.edit("Cargo.toml", "cat k > {{ outputs.o }}", "ln -sfn $(cat k).txt {{ outputs.o }}");
        workspace.write("k", "real");
        workspace.write("real.txt", "1\n");
        workspace.ok(&[]);
        assert_eq!(workspace.ok(&[]).outcomes(), "gen=fresh use=fresh", "{reads}");
        workspace.write("real.txt", "2\n");
        assert_eq!(workspace.ok(&[]).outcomes(), "gen=fresh use=ran", "{reads}");
        assert_eq!(workspace.read("t.txt"), "2\n", "{reads}");
    }
}

#[cfg(unix)]
#[test]
fn f_10_f20_a_link_to_the_output_of_a_step_that_is_not_referred_to_is_said_and_not_recorded() {
    let workspace = two("run = \"cat {{ inputs.l }} > {{ outputs.t }}\"\ninputs.l.files = \"lnk\"");
    workspace.write("gen.txt", "old\n");
    std::os::unix::fs::symlink("gen.txt", workspace.path("lnk")).expect("a link can be made");
    let first = workspace.ok(&["-j", "1"]);
    assert!(
        first.stderr.contains("reads `lnk`, which step `p/gen` makes, and does not refer to it"),
        "{}",
        first.stderr
    );
    assert!(workspace.ok(&[]).outcomes().ends_with("use=ran"), "it was not recorded");
}

#[test]
fn a_parameter_that_names_a_file_and_a_shell_of_the_workspace_count_by_content() {
    let workspace =
        Workspace::with_step("run = \"cat {{ params.f }}\"\nparams.f = \"data.txt\"\nshell = [\"sh\", \"my.sh\"]");
    workspace.write("data.txt", "1");
    workspace.write("my.sh", "eval \"$1\"\n");
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.write("data.txt", "2");
    assert_eq!(workspace.ok(&[]).why("s"), "file data.txt changed");
    workspace.write("my.sh", "eval \"$1\" # the same\n");
    assert_eq!(workspace.ok(&[]).why("s"), "file my.sh changed");
}
