//! Outputs that are sources, committed to git: they are what the generator makes, and cargo compiles nothing for
//! nothing.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::harness::Workspace;

const GENERATED: &str = "crates/api/src/gen";

fn sources(workspace: &Workspace) -> BTreeMap<String, String> {
    let files = workspace.files_below(GENERATED);
    files.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).expect("it is text"))).collect()
}

/// What `cargo build` compiles, by target.
fn compiled(workspace: &Workspace) -> Vec<String> {
    let output = workspace.program("cargo", &["build", "--workspace", "--message-format", "json"]).output();
    let output = output.expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("JSON is text");
    let messages: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let artifacts: Vec<&Value> = messages.iter().filter(|message| message["reason"] == "compiler-artifact").collect();
    assert!(artifacts.len() >= 4, "two libraries and two programs are spoken of: {lines}");
    let stale = artifacts.iter().filter(|artifact| artifact["fresh"] == false);
    stale.map(|artifact| artifact["target"]["name"].to_string()).collect()
}

#[test]
fn f_16_the_committed_sources_are_up_to_date_and_cargo_stays_calm() {
    let workspace = Workspace::built_fixture("codegen");
    let committed = sources(&workspace);
    assert_eq!(compiled(&workspace).len(), 4, "the fixture lies at a new place");
    let first = workspace.ok(&[]);
    assert_eq!(first.outcomes(), "demo=ran generate=ran");
    assert_eq!(sources(&workspace), committed, "the committed files are what the generator makes");
    assert!(!workspace.exists("target/zen/replaced"), "nothing of them is in the way:\n{}", first.stderr);
    assert_eq!(compiled(&workspace), [""; 0], "files that came out the same are the files that were there");

    assert_eq!(workspace.ok(&[]).outcomes(), "demo=fresh generate=fresh");
    assert_eq!(compiled(&workspace), [""; 0], "after a fresh run");

    fs::remove_file(workspace.path("out/listing.txt")).expect("it is there");
    workspace.write(&format!("{GENERATED}/stray.rs"), "not a module\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "demo=restored generate=restored");
    assert_eq!(compiled(&workspace), [""; 0], "after a restored run");

    assert_eq!(workspace.ok(&["--force"]).outcomes(), "demo=ran generate=ran");
    assert_eq!(compiled(&workspace), [""; 0], "after a run that wrote the same bytes");
}

#[test]
fn a_schemas_change_is_generated_built_and_run_and_going_back_is_seen_by_cargo() {
    let workspace = Workspace::built_fixture("codegen");
    let committed = sources(&workspace);
    workspace.ok(&[]);
    let listing = workspace.read("out/listing.txt");
    let schema = workspace.read("schema/user.txt");
    workspace.write("schema/user.txt", &format!("{schema}shoe_size: number\n"));
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "demo=ran generate=ran");
    assert_eq!(changed.why("generate"), "file schema/user.txt changed");
    assert!(workspace.read(&format!("{GENERATED}/user.rs")).contains("pub shoe_size: u64"));
    assert!(workspace.read("out/listing.txt").contains("shoe_size"), "what was built is what was generated");

    workspace.write("schema/user.txt", &schema);
    assert_eq!(workspace.ok(&[]).outcomes(), "demo=restored generate=restored");
    assert_eq!((sources(&workspace), workspace.read("out/listing.txt")), (committed, listing.clone()));
    // The program of the other state is still there, and its sources are older than that only in their bytes.
    assert!(!compiled(&workspace).is_empty(), "cargo sees that the sources are others");
    let run = workspace.program("target/debug/api-demo", &["again.txt"]).status().expect("it starts");
    assert!(run.success());
    assert_eq!(workspace.read("again.txt"), listing);
}

#[test]
fn a_message_that_is_gone_takes_its_file_along() {
    let workspace = Workspace::built_fixture("codegen");
    workspace.ok(&["-s", "generate"]);
    fs::remove_file(workspace.path("schema/order.txt")).expect("it is there");
    assert_eq!(workspace.ok(&["-s", "generate"]).outcomes(), "generate=ran");
    assert!(!workspace.exists(&format!("{GENERATED}/order.rs")));
    assert!(!workspace.exists("target/zen/replaced"), "it was what the generator had made");
}
