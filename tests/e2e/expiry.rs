//! `expires-after`: forms, refusals, what is shortened and what is lengthened.

use crate::harness::Workspace;

fn chain(limit: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{{{ outputs.o }}}}"
files = "in.txt"
outputs.o = "o.txt"
cache-policy.expires-after = {limit}
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{{{ inputs.o }}}} > {{{{ outputs.u }}}}"
inputs = ["make.o"]
outputs.u = "u.txt"
"#
    ));
    workspace.write("in.txt", "a\n");
    workspace
}

#[test]
fn each_form_of_a_limit() {
    for (limit, expected) in [
        ("0", "make=ran use=fresh"),
        ("\"0s\"", "make=ran use=fresh"),
        ("86400", "make=fresh use=fresh"),
        ("\"90s\"", "make=fresh use=fresh"),
        ("\"24h\"", "make=fresh use=fresh"),
        ("\"1d 2h\"", "make=fresh use=fresh"),
        ("\"never\"", "make=fresh use=fresh"),
    ] {
        let workspace = chain(limit);
        workspace.ok(&[]);
        assert_eq!(workspace.ok(&[]).outcomes(), expected, "{limit}");
    }
}

#[test]
fn what_is_no_limit_is_refused() {
    for (limit, expected) in [
        ("-1", "a duration cannot be negative"),
        ("\"-3h\"", "a duration cannot be negative"),
        ("\"soon\"", "`soon` is not a duration"),
        ("1.5", "a duration: seconds, or a string"),
        ("true", "a duration: seconds, or a string"),
    ] {
        let outcome = chain(limit).run(&[]);
        assert_eq!(outcome.code, Some(96), "{limit}:\n{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(expected) && outcome.stderr.contains("Cargo.toml:"),
            "{limit}:\n{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_shortened_policy_expires_old_records_and_a_lengthened_one_revives_them() {
    let workspace = chain("\"1ms\"");
    workspace.ok(&[]);
    workspace.edit("Cargo.toml", "\"1ms\"", "\"24h\"");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh", "lengthened");
    workspace.edit("Cargo.toml", "\"24h\"", "0");
    let expired = workspace.ok(&[]);
    assert_eq!(expired.outcomes(), "make=ran use=fresh", "shortened; equal bytes leave what depends on it");
    let why = &expired.finished("make")["why"][0];
    assert_eq!((&why["kind"], &why["new"]), (&"expired".into(), &"0s".into()), "{why}");
    let again = workspace.ok(&[]).why("make");
    assert!(again.starts_with("expired: ") && again.ends_with(" old, limit 0s"), "{again}");
}

#[test]
fn the_policy_of_a_config_file_counts_for_its_run() {
    let workspace = chain("\"24h\"");
    workspace.ok(&[]);
    workspace.write("c.toml", "cache-policy.expires-after = 0");
    assert_eq!(workspace.ok(&["--config", "c.toml"]).outcomes(), "make=ran use=ran");
    workspace.write("c.toml", "[steps.make]\ncache-policy.expires-after = \"never\"");
    assert_eq!(workspace.ok(&["--config", "c.toml"]).outcomes(), "make=fresh use=fresh");
}
