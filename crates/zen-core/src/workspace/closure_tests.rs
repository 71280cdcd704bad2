//! Closures over real workspaces: what a change of something does to whom. Registry crates stand in a lock file that
//! is written by hand, since nothing is fetched.

use std::sync::Arc;

use super::testing::Ws;
use super::{ClosureError, Closures, Toolchains};
use crate::closure::{Closure, Fact, PackageTree};
use crate::model::{BuildTarget, ClosureRequest};
use crate::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn request(package: &str) -> ClosureRequest {
    ClosureRequest {
        package: package.to_owned(),
        target: None,
        with_dev: false,
        features: Vec::new(),
        profile: None,
        triple: None,
        cwd: RelPath::root(),
    }
}

fn try_closure(ws: &Ws, request: &ClosureRequest) -> Result<Arc<Closure>, ClosureError> {
    let workspace = ws.discover();
    let toolchains = Toolchains::new(&workspace);
    let closures = Closures::new(&workspace, &toolchains);
    let closure = closures.closure(request)?;
    assert!(Arc::ptr_eq(&closure, &closures.closure(request).unwrap()), "it is computed once");
    Ok(closure)
}

fn closure(ws: &Ws, request: &ClosureRequest) -> Arc<Closure> {
    try_closure(ws, request).unwrap()
}

fn tree<'c>(closure: &'c Closure, package: &str) -> &'c PackageTree {
    closure.trees.iter().find(|tree| tree.package == package).unwrap_or_else(|| panic!("no tree of {package}"))
}

fn fact<'c>(closure: &'c Closure, item: &str) -> Option<&'c Fact> {
    closure.facts.iter().find(|fact| fact.item == item)
}

/// What differs: items of facts, and folders of trees.
fn difference(a: &Closure, b: &Closure) -> Vec<String> {
    let facts = a.facts.iter().filter(|fact| !b.facts.contains(fact));
    let more = b.facts.iter().filter(|fact| !a.facts.contains(fact));
    let mut out: Vec<String> = facts.chain(more).map(|fact| fact.item.clone()).collect();
    let trees = a.trees.iter().filter(|tree| !b.trees.contains(tree));
    let more = b.trees.iter().filter(|tree| !a.trees.contains(tree));
    out.extend(trees.chain(more).map(|tree| format!("tree {}", tree.root)));
    out.sort();
    out.dedup();
    out
}

const ROOT: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"api\", \"core\", \"other\", \"api/nested\"]\n\
    [workspace.package]\nlicense = \"MIT\"\n[workspace.dependencies]\ncore.path = \"core\"\nserde = \"1\"\n";

const LOCK: &str = r#"version = 4
[[package]]
name = "api"
version = "0.1.0"
dependencies = ["beside", "core", "rand 0.8.5", "rand 0.9.0"]
[[package]]
name = "beside"
version = "0.1.0"
[[package]]
name = "core"
version = "0.1.0"
dependencies = ["serde"]
[[package]]
name = "itoa"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "01"
[[package]]
name = "nested"
version = "0.1.0"
[[package]]
name = "other"
version = "0.1.0"
dependencies = ["unrelated"]
[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "02"
[[package]]
name = "rand"
version = "0.9.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "03"
[[package]]
name = "serde"
version = "1.0.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "04"
dependencies = ["itoa"]
[[package]]
name = "unrelated"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "05"
"#;

const API: &str = "license.workspace = true\n[dependencies]\ncore.workspace = true\nrand = \"0.8\"\n\
    [build-dependencies]\nbeside.path = \"../../beside\"\n[dev-dependencies]\nrand9 = { package = \"rand\", version = \"0.9\" }\n";

/// `api` → `core` (a member) → serde → itoa, `beside` (outside), rand 0.8, dev: rand 0.9. `other` is unrelated.
fn workspace() -> Ws {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", ROOT);
    ws.package("api", "api", API);
    ws.package("core", "core", "[dependencies]\nserde.workspace = true\n");
    ws.package("other", "other", "[dependencies]\nunrelated = \"1\"\n");
    ws.package("api/nested", "nested", "");
    ws.package("../beside", "beside", "");
    ws.write("Cargo.lock", LOCK);
    ws
}

#[test]
fn a_closure_reaches_path_packages_and_a_slice_of_the_lock() {
    let ws = workspace();
    let closure = closure(&ws, &request("api"));
    let roots: Vec<_> = closure.trees.iter().map(|tree| tree.root.to_string()).collect();
    assert_eq!(roots, ["../beside", "api", "core"]);
    let items: Vec<_> = closure.facts.iter().map(|fact| fact.item.as_str()).collect();
    let expected = [
        "cargo config",
        "lock itoa",
        "lock rand",
        "lock serde",
        "manifest of api",
        "manifest of beside",
        "manifest of core",
        "root resolver",
        "rustc",
    ];
    assert_eq!(items, expected);
    assert_eq!(fact(&closure, "lock rand").unwrap().shown.as_deref(), Some("0.8.5"), "not the dev-dependency's");
    assert!(fact(&closure, "rustc").unwrap().shown.as_deref().unwrap().starts_with(|c: char| c.is_ascii_digit()));
    let api = tree(&closure, "api");
    assert!(!api.contains(&path("api/nested/src/lib.rs")), "another member's folder");
    assert!(api.contains(&path("api/README.md")));
    assert!(!api.contains(&path("api/Cargo.toml")), "it enters as parsed");
    assert_eq!(api.source_roots, [path("api/src")]);

    let dev = ClosureRequest { with_dev: true, ..request("api") };
    let with_dev = self::closure(&ws, &dev);
    assert_eq!(fact(&with_dev, "lock rand").unwrap().shown.as_deref(), Some("0.8.5, 0.9.0"));
    assert!(fact(&with_dev, "manifest of api with dev-dependencies").is_some());
}

#[test]
fn what_is_unrelated_changes_nothing() {
    let ws = workspace();
    let before = closure(&ws, &request("api"));
    let unchanged = |what: &str| assert_eq!(difference(&before, &closure(&ws, &request("api"))), [""; 0], "{what}");
    ws.package("other", "other", "description = \"x\"\n[dependencies]\nunrelated = \"1.0\"\n");
    unchanged("the manifest of an unrelated crate");
    ws.write("Cargo.lock", &LOCK.replace("\"05\"", "\"99\""));
    unchanged("an unrelated lock entry");
    ws.write(
        "Cargo.toml",
        &format!("{ROOT}other = \"2\"\n[workspace.metadata.zen]\n[workspace.lints.rust]\nx = 'warn'"),
    );
    unchanged("a zen table, and shared values that nobody inherits");
    ws.write("README.md", "x");
    unchanged("the README of the root");
    ws.package("api", "api", &format!("# comment\n{API}\n[package.metadata.zen.pipelines]\n"));
    unchanged("a comment and metadata");
    ws.package("api", "api", &format!("{API}more = {{ package = \"rand\", version = \"0.9\" }}"));
    unchanged("a dev-dependency");
    ws.write(".cargo/config.toml", "alias.x = 'build'\nterm.quiet = true\nregistry.token = 'x'\n");
    unchanged("cargo's configuration where it has no influence");
}

#[test]
fn what_is_reached_changes_its_own_fact() {
    let ws = workspace();
    let check = |file: &str, text: &str, expected: &[&str]| {
        let before = closure(&ws, &request("api"));
        let old = std::fs::read_to_string(ws.path(file)).ok();
        ws.write(file, text);
        let after = closure(&ws, &request("api"));
        assert_eq!(difference(&before, &after), expected, "after an edit of {file}");
        match old {
            Some(old) => ws.write(file, &old),
            None => ws.remove(file),
        }
    };
    check("Cargo.lock", &LOCK.replace("\"01\"", "\"99\""), &["lock itoa"]);
    check("Cargo.lock", &LOCK.replace("1.0.1", "1.0.2"), &["lock serde"]);
    check("Cargo.toml", &ROOT.replace("MIT", "ISC"), &["manifest of api"]);
    check("Cargo.toml", &ROOT.replace("serde = \"1\"", "serde = \"1.0\""), &["manifest of core"]);
    check("Cargo.toml", &ROOT.replace("\"3\"", "\"2\""), &["root resolver"]);
    check("Cargo.toml", &format!("{ROOT}[profile.dev]\ndebug = 0\n"), &["root profile"]);
    check("Cargo.toml", &format!("{ROOT}[patch.crates-io]\nx.path = 'x'\n"), &["root patch"]);
    check(".cargo/config.toml", "build.rustflags = ['-g']\n", &["cargo config"]);
    let beside = std::fs::read_to_string(ws.path("../beside/Cargo.toml")).unwrap();
    check("../beside/Cargo.toml", &format!("{beside}[features]\nx = []\n"), &["manifest of beside"]);
    let asked = ClosureRequest {
        features: vec!["f".into(), "g".into()],
        profile: Some("release".into()),
        triple: Some("wasm32-unknown-unknown".into()),
        ..request("api")
    };
    let after = closure(&ws, &asked);
    assert_eq!(
        difference(&closure(&ws, &request("api")), &after),
        ["features of api", "profile of api", "target of api"]
    );
    assert_eq!(fact(&after, "features of api").unwrap().shown.as_deref(), Some("f,g"));
}

#[test]
fn one_binary_does_not_read_the_others() {
    let ws = Ws::lone("ws");
    for file in ["src/main.rs", "src/bin/one.rs", "src/bin/two/main.rs", "examples/e.rs", "examples/f/main.rs"] {
        ws.write(file, "fn main() {}");
    }
    for file in ["tests/t.rs", "benches/b.rs", "build.rs"] {
        ws.write(file, "fn main() {}");
    }
    let all = [
        "src/lib.rs",
        "src/main.rs",
        "src/bin/one.rs",
        "src/bin/two/main.rs",
        "src/bin/two/more.rs",
        "build.rs",
        "README.md",
        "examples/e.rs",
        "examples/f/more.rs",
        "tests/t.rs",
        "benches/b.rs",
        "Cargo.lock",
        "Cargo.toml",
    ];
    let counted = |target: Option<BuildTarget>, with_dev: bool| {
        let closure = closure(&ws, &ClosureRequest { target, with_dev, ..request("pkg") });
        let [tree] = &closure.trees[..] else { panic!("one tree") };
        let counted: Vec<_> = all.into_iter().filter(|file| tree.contains(&path(file))).collect();
        counted.join(" ")
    };
    let bin = |name: &str| Some(BuildTarget::Bin(name.to_owned()));
    let example = |name: &str| Some(BuildTarget::Example(name.to_owned()));
    assert_eq!(
        counted(None, false),
        "src/lib.rs src/main.rs src/bin/one.rs src/bin/two/main.rs src/bin/two/more.rs build.rs README.md"
    );
    assert_eq!(counted(None, true), all[..11].join(" "));
    assert_eq!(counted(bin("one"), false), "src/lib.rs src/bin/one.rs build.rs README.md");
    assert_eq!(counted(bin("two"), false), "src/lib.rs src/bin/two/main.rs src/bin/two/more.rs build.rs README.md");
    assert_eq!(counted(bin("pkg"), false), "src/lib.rs src/main.rs build.rs README.md");
    assert_eq!(counted(example("e"), true), "src/lib.rs build.rs README.md examples/e.rs");
    assert_eq!(counted(example("f"), false), "src/lib.rs build.rs README.md examples/f/more.rs");

    let closure = closure(&ws, &request("pkg"));
    let tree = &closure.trees[0];
    assert!(tree.takes_output(&path("src/generated.rs")) && tree.takes_output(&path("build.rs")));
    assert!(!tree.takes_output(&path("data/out.csv")) && !tree.takes_output(&path("examples/x.rs")));
}

#[test]
fn a_missing_lock_file_is_made_once_and_a_stale_one_completed() {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n");
    ws.package("a", "a", "");
    ws.package("gone", "gone", "");
    closure(&ws, &request("a"));
    assert!(ws.ran().contains(&"generate-lockfile".to_owned()));
    assert!(ws.path("Cargo.lock").is_file());
    closure(&ws, &request("a"));
    let ran = ws.ran();
    assert!(!ran.contains(&"generate-lockfile".to_owned()) && !ran.contains(&"update".to_owned()), "{ran:?}");

    // A patch puts a folder in the place of a registry crate; nothing is fetched.
    ws.package("a", "a", "[dependencies]\ngone = \"0.1\"\n");
    ws.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\nexclude = [\"gone\"]\n[patch.crates-io]\ngone.path = \"gone\"\n",
    );
    assert_eq!(tree(&closure(&ws, &request("a")), "gone").root, path("gone"));
    assert!(ws.ran().contains(&"update".to_owned()));

    // Cargo's own words, where it cannot.
    ws.package("a", "a", "[dependencies]\nnowhere = \"1\"\n");
    let error = try_closure(&ws, &request("a")).unwrap_err();
    assert!(matches!(&error, ClosureError::Lock(stderr) if stderr.contains("nowhere")), "{error}");
}

#[test]
fn what_a_patch_puts_in_place_is_a_path_package() {
    let ws = Ws::empty("ws");
    ws.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n[patch.crates-io]\nserde.path = \"../fork\"\n",
    );
    ws.package("a", "a", "[dependencies]\nserde = \"0.1\"\n");
    ws.package("../fork", "serde", "");
    let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\ndependencies = [\"serde\"]\n\
        [[package]]\nname = \"serde\"\nversion = \"0.1.0\"\n";
    ws.write("Cargo.lock", lock);
    let patched = closure(&ws, &request("a"));
    assert_eq!(tree(&patched, "serde").root, path("../fork"));
    assert_eq!(fact(&patched, "lock serde"), None);
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n");
    assert!(matches!(try_closure(&ws, &request("a")), Err(ClosureError::Unlocated(name)) if name == "serde"));
}

#[test]
fn under_resolver_1_dev_dependencies_take_part() {
    let ws = workspace();
    ws.write("Cargo.toml", &ROOT.replace("\"3\"", "\"1\""));
    let closure = closure(&ws, &request("api"));
    assert_eq!(fact(&closure, "lock rand").unwrap().shown.as_deref(), Some("0.8.5, 0.9.0"));
}

#[test]
fn a_foreign_workspace_passes_on_its_own_values() {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n");
    ws.package("a", "a", "[dependencies]\nlib.path = \"../../foreign/lib\"\n");
    let shared = |license: &str| {
        format!(
            "[workspace]\nmembers = ['lib', 'deep']\n[workspace.package]\nlicense = '{license}'\n[workspace.dependencies]\ndeep.path = 'deep'\n"
        )
    };
    ws.write("../foreign/Cargo.toml", &shared("MIT"));
    ws.package("../foreign/lib", "lib", "license.workspace = true\n[dependencies]\ndeep.workspace = true\n");
    ws.package("../foreign/deep", "deep", "");
    let before = closure(&ws, &request("a"));
    let roots: Vec<_> = before.trees.iter().map(|tree| tree.root.to_string()).collect();
    assert_eq!(roots, ["../foreign/deep", "../foreign/lib", "a"]);
    ws.write("../foreign/Cargo.toml", &shared("ISC"));
    assert_eq!(difference(&before, &closure(&ws, &request("a"))), ["manifest of lib"]);
}

#[test]
fn f_12_a_closure_is_the_same_wherever_the_checkout_lies() {
    let (one, two) = (workspace(), workspace());
    assert_ne!(one.root(), two.root());
    assert_eq!(*closure(&one, &request("api")), *closure(&two, &request("api")));
}

#[test]
fn an_unknown_package_is_an_error() {
    let error = try_closure(&workspace(), &request("nobody")).unwrap_err();
    assert_eq!(error.to_string(), "the workspace has no package `nobody`");
}

#[test]
fn sources_beside_the_package_belong_to_it() {
    let ws = Ws::empty("ws");
    ws.write("Cargo.toml", "[workspace]\nmembers = [\"a\"]\nresolver = \"3\"\n");
    ws.package(
        "a",
        "a",
        "[[test]]\nname = \"e2e\"\npath = \"../tests/e2e/main.rs\"\n[[test]]\nname = \"top\"\npath = \"../top.rs\"\n",
    );
    ws.write("tests/e2e/main.rs", "");
    ws.write("top.rs", "");
    let roots = |with_dev| {
        let closure = closure(&ws, &ClosureRequest { with_dev, ..request("a") });
        closure.trees.iter().map(|tree| tree.root.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(roots(true), ["a", "tests/e2e", "top.rs"]);
    assert_eq!(roots(false), ["a"], "where no test is asked for, its sources do not count");
}
