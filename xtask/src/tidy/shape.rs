//! Rules about the shape of the house: what depends on what, and whether the map shows it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, Finding, code_lines, text_of};

const CORE: &str = "crates/zen-core/src/";

/// What the engine never reaches, not even through another crate: flags, async runtimes, and the crates above it.
const NOT_IN_CORE: &[&str] = &[
    "async-std",
    "clap",
    "clap-cargo",
    "futures-executor",
    "smol",
    "tokio",
    "zen-remote",
    "zen-step",
    "zen-step-macros",
];

/// The engine stands below flags and runtimes. Read from Cargo.lock, where a renamed dependency has its own name; what
/// only its tests and benches use is no part of it.
pub(super) fn core_dependencies(files: &Files) -> Vec<Finding> {
    let Some(lock) = text_of(files, "Cargo.lock") else {
        return vec![Finding::new("Cargo.lock", 0, "it is missing: `cargo check` makes it")];
    };
    let mut packages = locked(lock);
    let for_development = only_for_development(text_of(files, "crates/zen-core/Cargo.toml").unwrap_or_default());
    packages.entry("zen-core").or_default().retain(|dependency| !for_development.contains(dependency));
    let mut found = Vec::new();
    let mut seen = BTreeSet::from(["zen-core"]);
    let mut next = vec!["zen-core"];
    while let Some(package) = next.pop() {
        for &dependency in packages.get(package).into_iter().flatten() {
            if !seen.insert(dependency) {
                continue;
            }
            if NOT_IN_CORE.contains(&dependency) {
                found.push(Finding::new("Cargo.lock", 0, format!("zen-core reaches {dependency} through {package}")));
            }
            next.push(dependency);
        }
    }
    found
}

/// The names in a manifest's `[dev-dependencies]` that are in no other table of dependencies.
fn only_for_development(manifest: &str) -> BTreeSet<&str> {
    let (mut development, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut table = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            table = line.trim();
        } else if table.ends_with("dependencies]") {
            let name = head_of_key(line);
            if table.ends_with("dev-dependencies]") { &mut development } else { &mut others }.insert(name);
        }
    }
    development.difference(&others).copied().collect()
}

fn head_of_key(line: &str) -> &str {
    line.split(['.', '=', ' ']).next().unwrap_or_default()
}

/// Name → names of dependencies. Several versions of one name count as one.
fn locked(lock: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut packages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(quoted) = line.strip_prefix("name = ") {
            name = quoted.trim_matches('"');
            packages.entry(name).or_default();
        } else if let Some(dependency) = line.strip_prefix(" \"") {
            let dependency = dependency.split([' ', '"']).next().unwrap_or_default();
            packages.entry(name).or_default().insert(dependency);
        }
    }
    packages
}

/// A module of the engine uses only what `lib.rs` declares above it. Tests may look anywhere.
pub(super) fn module_order(files: &Files) -> Vec<Finding> {
    let order = modules(text_of(files, &format!("{CORE}lib.rs")).unwrap_or_default());
    let place = |name: &str| order.iter().position(|module| *module == name);
    let mut found = Vec::new();
    for (path, text) in files {
        let Some(inside) = path.strip_prefix(CORE).and_then(|p| p.strip_suffix(".rs")) else { continue };
        let module = inside.split('/').next().unwrap_or_default();
        let Some(here) = place(module) else { continue };
        if inside.split('/').any(|part| part == "tests") {
            continue;
        }
        for (line, used) in crate_paths(without_tests(text)) {
            if place(&used).is_some_and(|there| there > here) {
                found.push(Finding::new(path, line, format!("`{module}` stands above `{used}` and must not use it")));
            }
        }
    }
    found
}

/// The modules that `lib` declares, in its order.
fn modules(lib: &str) -> Vec<&str> {
    code_lines(lib)
        .filter_map(|(_, line)| {
            let line = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';')
        })
        .collect()
}

/// The text before its module of tests, which stands last (clippy's `items_after_test_module`).
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// What stands right after each `crate::`, with its line; each of several in braces.
fn crate_paths(text: &str) -> Vec<(usize, String)> {
    let mut code = String::new();
    let mut found = Vec::new();
    let mut starts = Vec::new();
    for (at, line) in code_lines(text) {
        starts.push((code.len(), at));
        code.push_str(line);
        code.push('\n');
    }
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` are no paths of this crate's own modules.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = starts.iter().rev().find(|(start, _)| *start <= at).map_or(0, |(_, line)| *line);
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group_heads(group),
            None => vec![head(rest)],
        };
        found.extend(names.into_iter().map(|name| (line, name.to_owned())));
    }
    found
}

/// The first names of the paths in a group of imports, up to its closing brace.
fn group_heads(group: &str) -> Vec<&str> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.push(head(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> &str {
    path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// `ARCHITECTURE.md` names each crate's folder and each module of the engine.
pub(super) fn architecture_names_everything(files: &Files) -> Vec<Finding> {
    const MAP: &str = "ARCHITECTURE.md";
    let Some(map) = text_of(files, MAP) else {
        return vec![Finding::new(MAP, 0, "it is missing")];
    };
    let folders = files.iter().filter_map(|(path, _)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        let name = folder.strip_prefix("crates/").unwrap_or(folder);
        (!name.contains('/')).then_some(name)
    });
    let order = modules(text_of(files, &format!("{CORE}lib.rs")).unwrap_or_default());
    let missing = |kind: &str, name: &str| Finding::new(MAP, 0, format!("it does not name the {kind} `{name}`"));
    folders
        .filter(|name| !names(map, name))
        .map(|name| missing("folder", name))
        .chain(order.into_iter().filter(|name| !names(map, name)).map(|name| missing("module", name)))
        .collect()
}

/// Whether `map` names it as code (`name`, name/, name.rs, name::), not as a word of a sentence.
fn names(map: &str, name: &str) -> bool {
    map.match_indices(name).any(|(at, _)| {
        let before = map[..at].chars().next_back();
        let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-');
        whole && ["`", "/", ".rs", "::"].iter().any(|end| map[at + name.len()..].starts_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::files;
    use super::*;

    const LIB: &str = "//! Role.\npub mod path;\n\npub mod digest;\npub(crate) mod model;\n";

    #[test]
    fn a_runtime_below_the_engine_is_found_through_others() {
        let lock = |dependency: &str| {
            format!(
                "[[package]]\nname = \"zen-core\"\ndependencies = [\n \"middle 1.0.0\",\n]\n\n\
                 [[package]]\nname = \"middle\"\ndependencies = [\n \"{dependency}\",\n]\n\n\
                 [[package]]\nname = \"cargo-zen\"\ndependencies = [\n \"clap\",\n]\n"
            )
        };
        let found = core_dependencies(&files(&[("Cargo.lock", &lock("tokio"))]));
        assert_eq!(found[0].message, "zen-core reaches tokio through middle");
        assert_eq!(core_dependencies(&files(&[("Cargo.lock", &lock("serde"))])), []);
        assert_eq!(core_dependencies(&files(&[])).len(), 1, "no lock is a finding");

        let of = |manifest: &str| {
            let files = files(&[("Cargo.lock", &lock("tokio")), ("crates/zen-core/Cargo.toml", manifest)]);
            core_dependencies(&files).len()
        };
        assert_eq!(of("[dev-dependencies]\nmiddle.workspace = true\n"), 0, "benches may use what the engine may not");
        assert_eq!(of("[dependencies]\nmiddle = \"1\"\n[dev-dependencies]\nmiddle = \"1\"\n"), 1, "it is both");
    }

    #[test]
    fn a_use_of_a_later_module_is_found() {
        let order = |path: &str, text: &str| {
            let found = module_order(&files(&[("crates/zen-core/src/lib.rs", LIB), (path, text)]));
            found.into_iter().map(|f| (f.line, f.message)).collect::<Vec<_>>()
        };
        let digest = "crates/zen-core/src/digest.rs";
        let finding = "`digest` stands above `model` and must not use it".to_owned();
        assert_eq!(order(digest, "//! R.\nuse crate::model::Step;\n"), [(2, finding.clone())]);
        assert_eq!(order(digest, "//! R.\nuse crate::{\n    path,\n    model::{A, B},\n};\n"), [(2, finding.clone())]);
        assert_eq!(order(digest, "//! R.\nfn f() {\n    crate::model::f();\n}\n"), [(3, finding.clone())]);
        let inner = "crates/zen-core/src/digest/inner.rs";
        assert_eq!(order(inner, "//! R.\nuse crate::model::Step;\n"), [(2, finding)], "files of a folder count");

        assert_eq!(order(digest, "//! R.\nuse crate::path::RelPath;\nuse crate::digest::D;\n"), []);
        assert_eq!(order(digest, "//! R. See [`crate::model`].\n// crate::model\n"), [], "comments are prose");
        assert_eq!(order(digest, "//! R.\n\n#[cfg(test)]\nmod tests {\n    use crate::model;\n}\n"), []);
        assert_eq!(order("crates/zen-core/src/digest/tests.rs", "//! R.\nuse crate::model;\n"), []);
    }

    #[test]
    fn what_the_map_does_not_name_is_found() {
        let missing = |map: &str| {
            let found = architecture_names_everything(&files(&[
                ("ARCHITECTURE.md", map),
                ("Cargo.toml", ""),
                ("crates/zen-core/Cargo.toml", ""),
                ("crates/zen-core/src/lib.rs", LIB),
                ("fixtures/iris/Cargo.toml", ""),
                ("xtask/Cargo.toml", ""),
            ]));
            found.into_iter().map(|f| f.message).collect::<Vec<_>>()
        };
        assert_eq!(missing("`xtask`, `crates/zen-core`: `path`, digest.rs, model/"), [""; 0]);
        assert_eq!(
            missing("the xtask chores; `zen-core`: the path, `digest`, `data-model`"),
            [
                "it does not name the folder `xtask`",
                "it does not name the module `path`",
                "it does not name the module `model`"
            ]
        );
        assert_eq!(architecture_names_everything(&files(&[])).len(), 1, "no map is a finding");
    }
}
