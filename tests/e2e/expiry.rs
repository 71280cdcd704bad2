//! `expires-after`: forms, refusals, what is shortened and what is lengthened.

use zen_core::artifact::{Record, Timestamp};
use zen_core::store::local::{Access, LocalStore};

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

const TEN_YEARS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// As if all in the store had been made, and used, by a machine whose clock is off by so many milliseconds.
fn skew(workspace: &Workspace, by: i64) {
    let store = LocalStore::open(&workspace.beside("store"), Access::Write).expect("the store is there");
    for stored in store.records.all() {
        let ended = Timestamp(stored.record.ended.0.saturating_add(by));
        store.records.append(&[Record { ended, ..stored.record.clone() }]).expect("it can be written");
        let used = Timestamp(stored.last_used.0.saturating_add(by));
        store.records.touch(&[stored.record.key], used).expect("it can be written");
    }
    drop(store);
    let seconds = if by < 0 { 1 } else { 1 << 33 };
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    for file in workspace.files_below("../store/v1/objects").into_iter().chain(workspace.files_below("target/zen")) {
        let set = std::fs::File::open(&file).and_then(|file| file.set_modified(time));
        set.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn f13_machines_whose_clocks_differ_share_a_store_and_nothing_is_wrong() {
    for by in [-TEN_YEARS, TEN_YEARS, i64::MAX / 4, 0] {
        for limit in ["\"never\"", "\"24h\""] {
            let mut workspace = chain(limit);
            let store = workspace.beside("store").display().to_string();
            workspace.env.insert("ZEN_STORE_DIR".into(), store);
            workspace.ok(&[]);
            skew(&workspace, by);
            let other = workspace.clone_elsewhere();
            let is_stale = limit.contains('h') && by != 0;
            // The first who looks makes it anew, by his clock; after that it is good for all.
            let first = if is_stale { "make=ran use=fresh" } else { "make=fresh use=fresh" };
            for (how, machine, outputs_are_there, expected) in [
                ("the first", &workspace, true, first),
                ("the second", &other, true, "make=fresh use=fresh"),
                ("the first, without", &workspace, false, "make=restored use=fresh"),
                ("the second, without", &other, false, "make=restored use=fresh"),
            ] {
                let how = format!("{by} ms, limit {limit}: {how}");
                if !outputs_are_there {
                    std::fs::remove_file(machine.path("o.txt")).expect("it is there");
                }
                let next = machine.ok(&[]);
                assert_eq!(next.outcomes(), expected, "{how}: {}", next.stderr);
                let texts = (machine.read("o.txt"), machine.read("u.txt"));
                assert_eq!(texts, ("a\n".to_owned(), "a\n".to_owned()), "{how}");
                assert!(!next.stderr.contains("warning"), "{how}: {}", next.stderr);
            }
        }
    }
}
