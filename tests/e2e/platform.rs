//! `platform`: on other hosts the step is not there.

use crate::harness::Workspace;

/// `here` is for this host, `there` for another; they have the same output.
fn two(more: &str) -> Workspace {
    let (here, there) = if cfg!(unix) { ("unix", "windows") } else { ("windows", "unix") };
    Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p.steps.here]
run = "echo here > {{{{ outputs.o }}}}"
outputs.o = "o.txt"
platform = "cfg({here})"
[workspace.metadata.zen.pipelines.p.steps.there]
run = "echo there > {{{{ outputs.o }}}}"
outputs.o = "o.txt"
platform = "cfg({there})"
{more}
"#
    ))
}

#[test]
fn elsewhere_the_step_is_not_there() {
    let workspace = two("");
    assert_eq!(workspace.ok(&["--cache"]).outcomes(), "here=ran", "and its output meets nobody's");
    assert_eq!(workspace.read("o.txt"), "here\n");
    let listed = workspace.zen(&["list"]).stdout;
    assert!(listed.contains("here") && !listed.contains("there\n"), "{listed}");
    assert_eq!(workspace.run(&["p/there"]).code, Some(4), "it cannot be selected");
}

#[test]
fn the_platform_is_no_part_of_the_key() {
    let workspace = two("");
    workspace.ok(&[]);
    let line = if cfg!(unix) { "platform = \"cfg(unix)\"" } else { "platform = \"cfg(windows)\"" };
    workspace.edit("Cargo.toml", line, "platform = 'cfg(not(target_os = \"none\"))'");
    assert_eq!(workspace.ok(&[]).outcomes(), "here=fresh");
}

#[test]
fn who_refers_to_a_step_of_another_platform_is_told() {
    let workspace = two("[workspace.metadata.zen.pipelines.p.steps.use]\nrun = \"true\"\ninputs = [\"there.o\"]");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96));
    assert!(outcome.stderr.contains("step `p/there` is not there on this platform"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("only there"), "with the place of its `platform`:\n{}", outcome.stderr);
}

#[test]
fn a_malformed_platform_is_an_error_on_every_host() {
    let outcome = Workspace::with_step("run = \"true\"\nplatform = \"cfg(unix\"").run(&[]);
    assert_eq!(outcome.code, Some(96));
    assert!(outcome.stderr.contains("`cfg(unix` is no `cfg(…)`"), "{}", outcome.stderr);
}
