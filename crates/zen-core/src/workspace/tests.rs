//! Discovery over real workspaces: what is found, and when cargo is asked.

use super::testing::Ws;
use super::*;
use crate::layout::TargetKind;

fn two_crates() -> Ws {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    ws.package("crates/a", "a", "[dependencies]\nb.path = \"../b\"\n");
    ws.package("crates/b", "b", "[dev-dependencies]\na.path = \"../a\"\n");
    ws
}

fn names(workspace: &Workspace) -> Vec<&str> {
    workspace.layout.packages.iter().map(|package| package.name.as_str()).collect()
}

#[test]
fn the_layout_is_cargos() {
    let ws = two_crates();
    ws.write("crates/b/src/bin/tool.rs", "fn main() {}");
    ws.write("crates/b/build.rs", "fn main() {}");
    let workspace = ws.discover_in("crates/b/src").unwrap();
    assert_eq!(workspace.root, ws.root());
    assert_eq!(workspace.layout.zen_dir, RelPath::new("target/zen").unwrap());
    let [a, b] = workspace.layout.packages.as_slice() else { panic!("two members: {:?}", workspace.layout) };
    assert_eq!((a.name.as_str(), a.dir.to_string().as_str()), ("a", "crates/a"));
    assert_eq!((&a.path_dependencies[..], &a.dev_path_dependencies[..]), (&["b".to_owned()][..], &[][..]));
    assert_eq!((&b.path_dependencies[..], &b.dev_path_dependencies[..]), (&[][..], &["a".to_owned()][..]));
    let targets: Vec<_> = b.targets.iter().map(|target| (target.kind, target.src.to_string())).collect();
    let expected = [
        (TargetKind::Lib, "crates/b/src/lib.rs".to_owned()),
        (TargetKind::Bin, "crates/b/src/bin/tool.rs".to_owned()),
        (TargetKind::BuildScript, "crates/b/build.rs".to_owned()),
    ];
    assert_eq!(targets, expected);
}

#[test]
fn tables_are_those_of_root_and_members() {
    let ws = Ws::empty("ws");
    let root = "[workspace]\nmembers = [\"m\"]\n[workspace.metadata.zen]\n[package]\nname = \"root\"\n\
        [package.metadata.zen]\n[dependencies]\nout.path = \"../out\"\n";
    ws.write("Cargo.toml", root);
    ws.write("src/lib.rs", "");
    ws.package("m", "m", "[package.metadata]\nzen.pipelines = {}\n");
    ws.package("../out", "out", "[package.metadata.zen]\n");
    let workspace = ws.discover();
    let tables: Vec<_> =
        workspace.tables.iter().map(|table| (table.file.0, table.package.as_deref(), table.base.to_string())).collect();
    assert_eq!(tables, [(0, None, ".".to_owned()), (1, Some("m"), "m".to_owned()), (0, Some("root"), ".".to_owned())]);
    assert_eq!(workspace.sources.file(FileId(0)).text(), root);
    assert_eq!(workspace.sources.files.len(), 2, "nothing is read of what lies outside");
}

#[test]
fn f_18_target_directories_that_are_shared_are_told_apart() {
    let mut ws = Ws::lone("ws");
    ws.env.insert("CARGO_TARGET_DIR".into(), "../shared".into());
    let workspace = ws.discover();
    let name = Digest::of(ws.root().as_os_str().as_encoded_bytes()).to_string()[..16].to_owned();
    assert_eq!(workspace.layout.target_dir, RelPath::new("../shared").unwrap());
    assert_eq!(workspace.layout.zen_dir, RelPath::new(format!("../shared/zen/{name}")).unwrap());
    assert_eq!(workspace.zen_dir(), normalised(&workspace.layout.zen_dir.to_path(&ws.root())));
    ws.ran();
    assert_eq!(ws.discover().layout, workspace.layout);
    assert_eq!(ws.ran(), [""; 0], "the memo is found there too");
    assert!(ws.path("../shared/CACHEDIR.TAG").is_file(), "a target directory that zen makes is tagged as cargo's is");
}

#[cfg(unix)]
#[test]
fn f_18_a_target_directory_that_is_a_link_to_outside_is_shared() {
    let ws = Ws::lone("ws");
    std::fs::create_dir(ws.path("../big")).unwrap();
    std::os::unix::fs::symlink("../big", ws.path("target")).unwrap();
    let workspace = ws.discover();
    assert_eq!(workspace.layout.target_dir, RelPath::new("target").unwrap());
    assert!(workspace.layout.zen_dir.starts_with(&RelPath::new("target/zen").unwrap()));
    assert_ne!(workspace.layout.zen_dir, RelPath::new("target/zen").unwrap());
}

#[test]
fn cargo_is_not_asked_again_from_wherever_one_starts() {
    let ws = two_crates();
    let first = ws.discover();
    assert!(ws.ran().contains(&"metadata".to_owned()));
    for start in ["", "crates", "crates/a", "crates/b/src"] {
        let again = ws.discover_in(start).unwrap();
        assert_eq!(ws.ran(), [""; 0], "cargo must not be asked from `{start}`");
        assert_eq!(
            (again.root, again.target_dir, again.layout),
            (first.root.clone(), first.target_dir.clone(), first.layout.clone())
        );
    }
}

#[test]
fn cargo_is_asked_again_when_something_changed_that_it_reads() {
    let mut ws = two_crates();
    let expect = |ws: &Ws, asked: bool, what: &str| {
        ws.ran();
        let workspace = ws.discover();
        let ran = ws.ran().contains(&"metadata".to_owned());
        assert_eq!(ran, asked, "after {what}");
        ws.discover();
        assert_eq!(ws.ran(), [""; 0], "once after {what}");
        workspace
    };
    expect(&ws, true, "nothing was known");

    ws.write("crates/a/src/more.rs", "");
    ws.write("README.md", "");
    ws.write("crates/a/src/lib.rs", "// edited");
    expect(&ws, false, "edits of sources");

    ws.package("crates/c", "c", "");
    assert_eq!(names(&expect(&ws, true, "a new member below the glob")), ["a", "b", "c"]);
    ws.remove("crates/c");
    assert_eq!(names(&expect(&ws, true, "a removed member")), ["a", "b"]);
    ws.package("crates/a", "a", "# comment\n[dependencies]\nb.path = \"../b\"\n");
    expect(&ws, true, "an edit of a member's manifest");
    ws.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n");
    expect(&ws, true, "an edit of the root's manifest");
    for file in
        ["src/main.rs", "src/bin/x.rs", "src/bin/y/main.rs", "tests/t.rs", "examples/e.rs", "benches/b.rs", "build.rs"]
    {
        ws.write(&format!("crates/b/{file}"), "fn main() {}");
        let workspace = expect(&ws, true, file);
        let src = RelPath::new(format!("crates/b/{file}")).unwrap();
        assert!(workspace.layout.packages[1].targets.iter().any(|target| target.src == src), "{file} is a target");
    }
    ws.remove("crates/b/build.rs");
    expect(&ws, true, "a removed build script");
    ws.write("Cargo.lock", "version = 4\n");
    expect(&ws, true, "a lock file that appeared");
    ws.write("Cargo.lock", "version = 4\n\n");
    expect(&ws, false, "an edit of the lock file");
    ws.write("home/.cargo/config.toml", "build.jobs = 1\n");
    expect(&ws, true, "cargo's configuration in its home");
    ws.write(".cargo/config.toml", "build.target-dir = \"other\"\n");
    assert_eq!(expect(&ws, true, "cargo's configuration").target_dir, ws.path("other"));
    ws.env.insert("CARGO_TARGET_DIR".into(), "env-target".into());
    assert_eq!(expect(&ws, true, "CARGO_TARGET_DIR").target_dir, ws.path("env-target"));
    ws.env.insert("CARGO_BUILD_JOBS".into(), "1".into());
    expect(&ws, true, "CARGO_BUILD_JOBS");
    ws.env.insert("UNRELATED".into(), "1".into());
    ws.env.insert("CARGO_PKG_NAME".into(), "zen".into());
    expect(&ws, false, "variables that cargo does not read");
}

#[test]
fn members_that_are_found_by_nested_globs_are_seen() {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"groups/*/lib-*\"]\n");
    ws.package("groups/x/lib-a", "a", "");
    assert_eq!(names(&ws.discover()), ["a"]);
    ws.package("groups/y/lib-b", "b", "");
    assert_eq!(names(&ws.discover()), ["a", "b"]);
    ws.package("groups/x/lib-c", "c", "");
    assert_eq!(names(&ws.discover()), ["a", "b", "c"]);
    ws.ran();
    ws.discover();
    assert_eq!(ws.ran(), [""; 0]);
}

#[test]
fn a_workspace_that_appears_above_is_seen() {
    let ws = Ws::empty("ws");
    ws.package("in/pkg", "pkg", "");
    assert_eq!(ws.discover_in("in/pkg").unwrap().root, ws.path("in/pkg"));
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"in/pkg\"]\n");
    assert_eq!(ws.discover_in("in/pkg").unwrap().root, ws.root());
    ws.write("in/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"pkg\"]\n");
    assert_eq!(ws.discover_in("in/pkg").unwrap().root, ws.path("in"), "a nearer one, between");
}

#[test]
fn errors_say_what_to_do() {
    let ws = Ws::empty("ws");
    let error = ws.discover_in("").unwrap_err();
    assert!(matches!(error, WorkspaceError::NoManifest(_)), "{error}");
    assert!(error.to_string().contains(&format!("no Cargo.toml in `{}` or any folder above", ws.root().display())));
    ws.write("Cargo.toml", "[package]\nname = \"x\"\nedition = \"1999\"\n");
    ws.write("src/lib.rs", "");
    let error = ws.discover_in("").unwrap_err().to_string();
    assert!(error.starts_with("cargo metadata failed\nerror:") && error.contains("1999"), "{error}");
    let flags = CargoFlags::default();
    let missing = Workspace::discover(&ws.root(), Some(Path::new("no/Cargo.toml")), &ws.env, flags).unwrap_err();
    assert!(missing.to_string().contains("--manifest-path takes"), "{missing}");
}

#[test]
fn a_manifest_can_be_named() {
    let ws = two_crates();
    let flags = CargoFlags::default();
    let elsewhere = ws.path("..");
    let named = Workspace::discover(&elsewhere, Some(Path::new("ws/crates/a/Cargo.toml")), &ws.env, flags).unwrap();
    assert_eq!(named.root, ws.root());
}
