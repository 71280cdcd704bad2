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

/// A rustc that says that it runs on `host`.
#[cfg(unix)]
fn rustc_of(workspace: &Workspace, host: &str) {
    use std::os::unix::fs::PermissionsExt;
    let version = format!("rustc 1.95.0 (0 2026-01-01)\nbinary: rustc\nhost: {host}\nrelease: 1.95.0\n");
    workspace.write("../bin/rustc", &format!("#!/bin/sh\nprintf '%s' '{version}'\n"));
    let file = workspace.beside("bin/rustc");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).expect("the mode can be set");
}

#[cfg(unix)]
#[test]
fn f56_a_store_that_moves_to_another_system_architecture_or_libc_is_not_believed_there() {
    let hosts =
        ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin"];
    for includes in [true, false] {
        let mut workspace = Workspace::with_step(&format!(
            "run = \"echo made > {{{{ outputs.o }}}}\"\nfiles = \"src\"\noutputs.o = \"o.txt\"\n\
             cache-policy.include-platform = {includes}\n"
        ));
        workspace.zen(&["list"]);
        let path = std::env::var("PATH").expect("there is one");
        workspace.env.insert("PATH".into(), format!("{}:{path}", workspace.beside("bin").display()));
        rustc_of(&workspace, hosts[0]);
        workspace.ok(&[]);
        for pair in hosts.windows(2) {
            rustc_of(&workspace, pair[1]);
            let outcome = workspace.ok(&[]);
            if includes {
                assert_eq!(outcome.why("s"), format!("platform: {} → {}", pair[0], pair[1]));
                assert_eq!(outcome.finished("s")["why"][0]["component"], "platform");
            } else {
                assert_eq!(outcome.outcomes(), "s=fresh", "{}: the step said that it does not matter", pair[1]);
            }
            assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "{}", pair[1]);
        }
        rustc_of(&workspace, hosts[0]);
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "back on the first one");
    }
}
