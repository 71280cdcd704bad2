//! `secret-env`: a step gets it, and it is seen nowhere: not on a screen, not in a message, not in the zen folder.

use std::fs;

use crate::harness::Workspace;

const SECRET: &str = "s3cr3t/w0rd \"with\" 'quotes'";

/// All that the zen folder holds, and what a log file of it unpacks to.
fn assert_nowhere(workspace: &Workspace, texts: &[&str], what: &str) {
    for path in workspace.files_below("target/zen") {
        let bytes = fs::read(&path).expect("it can be read");
        for text in texts {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{what}: `{text}` stands in {}", path.display());
        }
    }
}

#[test]
fn f39_a_secret_is_seen_nowhere() {
    let mut workspace = Workspace::with_step(
        r#"
run = """
test "$TOKEN" = "$EXPECTED" && echo got it
echo "token: $TOKEN"
printf %s "$TOKEN" | base64
printf %s "user:$TOKEN" | base64 -w0; echo
printf %s "$TOKEN" | od -An -tx1 | tr -d ' \\n'; echo
printf '%s' "in two "; printf %.5s "$TOKEN"; printf %s "${TOKEN#?????}"; echo " pieces"
echo "also on standard error: $TOKEN" >&2
echo done > out.txt
"""
files = ["in.txt"]
outputs.out = "out.txt"
secret-env = ["TOKEN", "OTHER_*"]
pass-env = ["EXPECTED"]
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace.env.insert("TOKEN".to_owned(), SECRET.to_owned());
    workspace.env.insert("EXPECTED".to_owned(), SECRET.to_owned());
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = "czNjcjN0L3cwcmQgIndpdGgi";
    let texts = ["s3cr3t", "w0rd", base64, &hex];

    let human = workspace.zen(&["run"]);
    assert_eq!(human.code, Some(0), "{}", human.stderr);
    assert!(human.stderr.contains("got it") && human.stderr.contains("token: ***"), "{}", human.stderr);
    assert!(human.stderr.contains("in two *** pieces"), "{}", human.stderr);
    texts.iter().for_each(|text| assert!(!human.stderr.contains(text), "{text}: {}", human.stderr));
    assert_nowhere(&workspace, &texts, "after a run");

    let log = workspace.zen(&["logs", "s"]);
    assert!(log.stdout.contains("token: ***") && log.stdout.contains("standard error: ***"), "{}", log.stdout);
    workspace.write("in.txt", "2\n");
    let json = workspace.ok(&[]);
    assert!(json.stdout.contains("token: ***"), "{}", json.stdout);
    texts.iter().for_each(|text| assert!(!json.stdout.contains(text), "{text}: {}", json.stdout));

    workspace.env.insert("TOKEN".to_owned(), "another one".to_owned());
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "it is no part of the key");
}

#[test]
fn f39_nor_when_the_step_fails_or_a_hook_prints_it() {
    let mut workspace = Workspace::with_step(
        r#"
run = "echo half $TOKEN; exit 3"
files = ["in.txt"]
secret-env = ["TOKEN"]
on-failure = "echo hook $TOKEN"
"#,
    );
    workspace.write("in.txt", "1\n");
    workspace.env.insert("TOKEN".to_owned(), "hunter22".to_owned());
    let failed = workspace.zen(&["run"]);
    assert_eq!(failed.code, Some(100), "{}", failed.stderr);
    assert!(failed.stderr.contains("half ***") && failed.stderr.contains("hook ***"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("hunter22"), "{}", failed.stderr);
    assert_nowhere(&workspace, &["hunter22"], "after a failure");
}

#[test]
fn f38_f39_what_is_tracked_or_handed_on_is_not_kept_in_clear() {
    let mut workspace = Workspace::with_step(
        "run = \"true\"\nfiles = [\"in.txt\"]\ntrack-env = [\"TRACKED\"]\npass-env = [\"PASSED\"]\n",
    );
    workspace.write("in.txt", "1\n");
    workspace.env.insert("TRACKED".to_owned(), "canary-one".to_owned());
    workspace.env.insert("PASSED".to_owned(), "canary-two".to_owned());
    workspace.ok(&[]);
    workspace.env.insert("TRACKED".to_owned(), "canary-three".to_owned());
    let next = workspace.ok(&[]);
    assert!(next.why("s").contains("TRACKED"), "{}", next.why("s"));
    assert!(!next.stdout.contains("canary"), "{}", next.stdout);
    assert_nowhere(&workspace, &["canary"], "after two runs");
}
