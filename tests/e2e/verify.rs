//! `cargo zen verify`: damage is found, named and moved away; a step that makes something else each time is caught.

use std::fs;
use std::path::PathBuf;

use crate::harness::Workspace;

fn pipeline() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.sorted]
run = "sort in.txt > {{ outputs.file }}; echo said"
files = ["in.txt"]
outputs.file = "file.txt"

[workspace.metadata.zen.pipelines.p.steps.steady]
run = "mkdir -p {{ outputs.tree }}/sub; cp {{ inputs.file }} {{ outputs.tree }}/sub/copy; ln -sf sub/copy {{ outputs.tree }}/link"
inputs = ["sorted.file"]
outputs.tree = "tree/"

[workspace.metadata.zen.pipelines.p.steps.shaky]
run = """
mkdir -p {{ outputs.tree }}
echo the same > {{ outputs.tree }}/a
tr -d - < /proc/sys/kernel/random/uuid | sed 's/^/id: /' > {{ outputs.tree }}/b
"""
inputs = ["sorted.file"]
outputs.tree = "shaky/"
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

fn object_of(workspace: &Workspace, bytes: &[u8]) -> PathBuf {
    let name = zen_core::digest::Digest::of(bytes).to_string();
    workspace.path("target/zen/v1/objects").join(&name[..2]).join(name)
}

fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).expect("the object is there");
    bytes[0] ^= 1;
    fs::remove_file(path).expect("it can be removed");
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn f41_damage_is_found_and_repaired_and_the_next_run_is_right() {
    let workspace = pipeline();
    assert_eq!(workspace.zen(&["verify"]).code, Some(0), "nothing is there yet");
    workspace.ok(&[]);
    let good = workspace.zen(&["verify"]);
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    assert!(good.stderr.contains("Verified "), "{}", good.stderr);

    let object = object_of(&workspace, b"a\nb\n");
    flip(&object);
    let damaged = workspace.zen(&["verify"]);
    assert_eq!(damaged.code, Some(103), "{}", damaged.stderr);
    for part in ["is damaged", "`p/sorted`", "`p/steady`", "cargo zen verify --repair"] {
        assert!(damaged.stderr.contains(part), "{part}: {}", damaged.stderr);
    }
    let json = workspace.zen(&["verify", "--message-format", "json"]);
    assert_eq!(json.code, Some(103));
    let found: Vec<_> = json.of_reason("object-damaged").collect();
    assert_eq!(found.len(), 1, "{}", json.stdout);
    assert_eq!(found[0]["object"], object.file_name().expect("it has a name").to_str().expect("hex"));
    assert_eq!(json.of_reason("verify-finished").next().expect("it ends")["success"], false);
    assert!(object.exists(), "it was only looked at");

    let repaired = workspace.zen(&["verify", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{}", repaired.stderr);
    assert!(!object.exists() && !workspace.files_below("target/zen/v1/quarantine").is_empty());
    let after = workspace.zen(&["verify"]);
    assert_eq!(after.code, Some(0), "what is missing is made again: {}", after.stderr);
    assert!(after.stderr.contains("is not in the store (of steps `p/sorted`, `p/steady`)"), "{}", after.stderr);

    fs::remove_file(workspace.path("file.txt")).expect("it is there");
    let next = workspace.ok(&[]);
    assert_eq!(next.outcomes(), "shaky=fresh sorted=ran steady=fresh");
    assert_eq!(workspace.read("file.txt"), "a\nb\n");
    let whole = workspace.zen(&["verify"]);
    assert_eq!(whole.code, Some(0));
    assert!(!whole.stderr.contains("is not in the store"), "{}", whole.stderr);
}

#[test]
fn f37_a_step_that_makes_something_else_is_caught_and_nothing_is_changed() {
    let workspace = pipeline();
    let unknown = workspace.zen(&["verify", "--determinism", "steady"]);
    assert_eq!(unknown.code, Some(5), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("cargo zen run p/steady"), "{}", unknown.stderr);
    workspace.ok(&[]);
    let shaky = workspace.read("shaky/b");
    let store = workspace.files_below("target/zen/v1/objects");

    for step in ["steady", "p/sorted"] {
        let same = workspace.zen(&["verify", "--determinism", step]);
        assert_eq!(same.code, Some(0), "{}", same.stderr);
        assert!(same.stderr.contains("byte for byte"), "{}", same.stderr);
        assert!(!same.stderr.contains("another key"), "{}", same.stderr);
    }
    let differs = workspace.zen(&["verify", "--determinism", "shaky", "--message-format", "json"]);
    assert_eq!(differs.code, Some(100), "{}", differs.stderr);
    assert!(differs.stderr.contains("step `p/shaky` is not deterministic"), "{}", differs.stderr);
    let said = differs.of_reason("determinism").next().expect("it is said");
    assert_eq!((&said["same"], &said["output"], &said["path"]), (&false.into(), &"tree".into(), &"shaky/b".into()));
    let what = said["difference"].as_str().expect("it is a text");
    let at: u64 = what.strip_prefix("byte ").and_then(|rest| rest.split(':').next()?.parse().ok()).expect("a number");
    assert!((4..36).contains(&at), "the first four bytes are the same: {what}");

    assert_eq!(workspace.read("shaky/b"), shaky, "it ran elsewhere");
    assert_eq!(workspace.files_below("target/zen/v1/objects"), store, "and left nothing in the store");
    assert_eq!(workspace.ok(&[]).outcomes(), "shaky=fresh sorted=fresh steady=fresh");
}

#[test]
fn a_copy_that_would_lack_a_package_is_refused() {
    let workspace = pipeline();
    workspace.ok(&[]);
    fs::create_dir_all(workspace.beside("lib/src")).expect("it can be made");
    let manifest = "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\nworkspace = \"../ws\"\n";
    let root = workspace.path("").file_name().expect("it has a name").to_string_lossy().into_owned();
    fs::write(workspace.beside("lib/Cargo.toml"), manifest.replace("../ws", &format!("../{root}"))).expect("written");
    fs::write(workspace.beside("lib/src/lib.rs"), "").expect("written");
    let members = workspace.read("Cargo.toml").replacen("[workspace]", "[workspace]\nmembers = [\"../lib\"]", 1);
    workspace.write("Cargo.toml", &members);
    let refused = workspace.zen(&["verify", "--determinism", "steady"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("package `beside` lies outside of the workspace root"), "{}", refused.stderr);
}
