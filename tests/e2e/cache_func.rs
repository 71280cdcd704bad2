//! `cache-func`: what a command prints is part of the key.

use crate::harness::Workspace;

/// Two steps that share a function; it counts in `calls` how often it was asked.
fn workspace(function: &str) -> Workspace {
    let workspace = Workspace::new(&format!(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1
{function}
[workspace.metadata.zen.pipelines.p.steps]
a = {{ run = "cat *.in > {{{{ outputs.a }}}}", outputs.a = "a.txt" }}
b = {{ run = "true", files = "src" }}
"#
    ));
    workspace.write("x.in", "1\n");
    workspace.write("version", "3.1\n");
    workspace.write("ask.sh", "echo asked >> calls\ncat version\n");
    workspace
}

fn calls(workspace: &Workspace) -> usize {
    if workspace.exists("calls") { workspace.read("calls").lines().count() } else { 0 }
}

#[test]
fn a_new_value_makes_steps_run_and_is_explained() {
    for (function, what) in [
        ("cache-policy.cache-func = \"sh ask.sh\"", "cache-func"),
        ("cache-policy.cache-func = [\"sh\", \"ask.sh\"]", "cache-func"),
        ("cache-policy.cache-func = { protoc = \"sh ask.sh\" }", "cache-func `protoc`"),
        ("cache_policy.cache_func.protoc = [\"sh\", \"ask.sh\"]", "cache-func `protoc`"),
    ] {
        let workspace = workspace(function);
        workspace.ok(&[]);
        assert_eq!(calls(&workspace), 1, "once for each command, folder and environment: {function}");
        assert_eq!(workspace.ok(&[]).outcomes(), "a=fresh b=fresh");
        workspace.write("version", "3.2\n");
        let outcome = workspace.ok(&[]);
        assert_eq!(outcome.outcomes(), "a=ran b=ran");
        assert_eq!(outcome.why("a"), format!("{what}: 3.1 → 3.2"));
        let why = &outcome.finished("a")["why"][0];
        assert_eq!((&why["component"], &why["old"], &why["new"]), (&"cache-func".into(), &"3.1".into(), &"3.2".into()));
        workspace.write("version", "3.1\n");
        assert_eq!(workspace.ok(&[]).outcomes(), "a=fresh b=fresh", "the old value is an old key");
    }
}

#[test]
fn who_asks_and_who_does_not() {
    let workspace = workspace("cache-policy.cache-func = \"sh ask.sh\"");
    let asked_by = |args: &[&str], times: usize| {
        let before = calls(&workspace);
        assert_eq!(workspace.zen(args).code, Some(0), "{args:?}");
        assert_eq!(calls(&workspace) - before, times, "{args:?}");
    };
    asked_by(&["status"], 1);
    asked_by(&["run", "--dry-run"], 1);
    asked_by(&["run"], 1);
    asked_by(&["run", "--no-cache"], 1);
    asked_by(&["explain", "a"], 1);
    asked_by(&["list"], 0);
    asked_by(&["logs", "a"], 0);
    workspace.edit("Cargo.toml", "params.n = 1", "params.n = 1\nenable-cache = false");
    asked_by(&["run"], 0);
    workspace.write("c.toml", "steps.b.enable-cache = true");
    asked_by(&["run", "--config", "c.toml"], 1);
    asked_by(&["run", "--cache=a"], 1);
}

#[test]
fn functions_of_all_places_join_and_the_nearest_of_a_name_wins() {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen]
cache-policy.cache-func = { one = "cat 1", two = "cat 2" }
[workspace.metadata.zen.pipelines.p.steps.s]
run = "true"
params.file = "3"
cache-policy.cache-func = { two = "cat {{ params.file }}", four = "cat 4" }
cwd = "data"
"#,
    );
    ["1", "2", "3", "4"].iter().for_each(|name| workspace.write(&format!("data/{name}"), "x"));
    workspace.ok(&[]);
    workspace.write("data/2", "y");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "a nearer place has another `two`");
    for (file, name) in [("1", "one"), ("3", "two"), ("4", "four")] {
        workspace.write(&format!("data/{file}"), "y");
        assert_eq!(workspace.ok(&[]).why("s"), format!("cache-func `{name}`: x → y"));
    }
}

#[test]
fn it_is_asked_in_the_environment_of_the_step() {
    let mut workspace = Workspace::with_step(
        "run = \"true\"\nenv.MINE = \"m\"\npass-env = [\"PASSED\"]\ncache-policy.cache-func = \"echo $MINE $PASSED $HIDDEN\"",
    );
    workspace.env.extend([("PASSED".into(), "p".into()), ("HIDDEN".into(), "h".into())]);
    workspace.ok(&[]);
    workspace.env.insert("PASSED".into(), "q".into());
    workspace.env.insert("HIDDEN".into(), "i".into());
    assert_eq!(workspace.ok(&[]).why("s"), "cache-func: m p → m q");
}

#[test]
fn what_gives_no_value_is_an_error_that_names_it() {
    for (function, expected) in [
        ("{ v = \"echo no >&2; exit 3\" }", ["cache-func `v` of step `p/s`", "exit status: 3", "it said: no"]),
        ("[\"no-such-program\"]", ["cache-func of step `p/s`", "was not found in PATH", "help:"]),
        ("\"printf '\\\\377'\"", ["cache-func of step `p/s`", "not UTF-8", "help:"]),
    ] {
        let workspace = Workspace::with_step(&format!("run = \"touch ran\"\ncache-policy.cache-func = {function}"));
        for args in [&["run"][..], &["status"], &["explain", "s"]] {
            let outcome = workspace.zen(args);
            assert_eq!(outcome.code, Some(96), "{function} {args:?}:\n{}", outcome.stderr);
            for part in expected.into_iter().chain(["Cargo.toml:"]) {
                assert!(outcome.stderr.contains(part), "`{part}` must be said by {args:?}:\n{}", outcome.stderr);
            }
        }
        assert!(!workspace.exists("ran"), "nothing runs");
        workspace.edit("Cargo.toml", "run = ", "enable-cache = false\nrun = ");
        assert_eq!(workspace.ok(&[]).outcomes(), "s=ran", "it is asked only while caching is on");
    }
}

#[test]
fn one_that_does_not_end_is_ended() {
    let workspace =
        Workspace::with_step("run = \"true\"\ntimeout = \"100ms\"\ncache-policy.cache-func = \"exec sleep 1000\"");
    let outcome = workspace.run(&[]);
    assert_eq!(outcome.code, Some(96), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("timed out after 100ms"), "{}", outcome.stderr);
}

#[test]
fn wrong_ones_are_refused() {
    for (function, expected) in [
        ("1", "a command: a string or an array of words"),
        ("\"\"", "is empty"),
        ("[]", "is empty"),
        ("{ v = \"\" }", "`cache-func.v` is empty"),
        ("\"cat {{ inputs.x }}\"", "cannot stand here"),
        ("\"echo '{{ params.n }}'\"", "names nothing"),
    ] {
        let workspace = Workspace::with_step(&format!("run = \"true\"\ncache-policy.cache-func = {function}"));
        let outcome = workspace.run(&[]);
        assert_eq!(outcome.code, Some(96), "{function}:\n{}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{function}:\n{}", outcome.stderr);
    }
}

#[test]
fn a_value_of_many_lines_is_shown_on_one() {
    let workspace = Workspace::with_step("run = \"true\"\ncache-policy.cache-func = \"cat v\"");
    workspace.write("v", "a\n\u{1b}[31mb\n");
    workspace.ok(&[]);
    workspace.write("v", &"c".repeat(500));
    let why = workspace.ok(&[]).why("s");
    assert!(why.starts_with("cache-func: a\\n\\u{1b}[31mb → ccc") && why.len() < 200, "{why}");
}

#[cfg(unix)]
#[test]
fn f53_a_tool_counts_by_its_declared_version_and_not_by_where_it_lies() {
    use std::os::unix::fs::PermissionsExt;
    let function = "cache-policy.cache-func = { mytool = \"mytool --version\" }";
    let mut workspace = Workspace::with_step(&format!(
        "run = \"mytool > {{{{ outputs.o }}}}\"\noutputs.o = \"o.txt\"\nfiles = \"src\"\n{function}\n"
    ));
    let executable = |workspace: &Workspace, path: &str, script: &str| {
        workspace.write(path, script);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(workspace.path(path), mode).expect("the mode can be set");
    };
    let tool = |workspace: &Workspace, folder: &str, version: &str| {
        let script =
            format!("#!/bin/sh\ncase \"$1\" in --version) echo {version};; *) echo made by {version};; esac\n");
        executable(workspace, &format!("../{folder}/mytool"), &script);
    };
    let path = |workspace: &Workspace, folders: [&str; 2]| {
        let [one, two] = folders.map(|folder| workspace.beside(folder).display().to_string());
        format!("{one}:{two}:{}", std::env::var("PATH").expect("there is one"))
    };
    for (folder, version) in [("one", "1.0"), ("two", "2.0"), ("three", "1.0")] {
        tool(&workspace, folder, version);
    }
    let [first, second, third] =
        [["one", "two"], ["two", "one"], ["three", "two"]].map(|order| path(&workspace, order));
    workspace.env.insert("PATH".into(), first.clone());
    workspace.ok(&[]);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    workspace.env.insert("PATH".into(), third);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "the same version elsewhere");
    workspace.env.insert("PATH".into(), second);
    assert_eq!(workspace.ok(&[]).why("s"), "cache-func `mytool`: 1.0 → 2.0", "the same name on another entry of PATH");
    assert_eq!(workspace.read("o.txt"), "made by 2.0\n");
    workspace.env.insert("PATH".into(), first);
    assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "and back");
    assert_eq!(workspace.read("o.txt"), "made by 1.0\n");
    tool(&workspace, "one", "1.1");
    assert!(workspace.ok(&[]).why("s").ends_with("→ 1.1"), "the program itself is another");
    assert_eq!(workspace.read("o.txt"), "made by 1.1\n");
    // What the README says of one that is not declared.
    workspace.edit("Cargo.toml", function, "");
    workspace.ok(&[]);
    tool(&workspace, "one", "1.2");
    assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "programs on PATH are not part of a key");
    // One of the workspace is, by its content.
    workspace.edit("Cargo.toml", "\"mytool >", "\"tools/mytool >");
    executable(&workspace, "tools/mytool", "#!/bin/sh\necho 1\n");
    workspace.ok(&[]);
    executable(&workspace, "tools/mytool", "#!/bin/sh\necho 2\n");
    assert_eq!(workspace.ok(&[]).why("s"), "file tools/mytool changed");
    assert_eq!(workspace.read("o.txt"), "2\n");
}
