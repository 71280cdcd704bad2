//! Rules about the text of single files. Knows no crate but by its folder's name.

use super::{Files, Finding, code_lines};

/// The longest file that still is one thing.
const MAX_LINES: usize = 600;

/// What no source may hold, and what to do instead. Split in two, so that this file does not accuse itself.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("#[", "allow("), "write `#[expect(…, reason = \"…\")]`"),
    (concat!("#![", "allow("), "write `#![expect(…, reason = \"…\")]`"),
    (concat!("todo", "!("), "write it, or leave it out"),
    (concat!("unimplemented", "!("), "write it, or leave it out"),
    (concat!("dbg", "!("), "take it out"),
    (concat!("#[", "ignore"), "a test runs or is deleted"),
];

/// What writes to a terminal. `eprint!` and `eprintln!` end in these.
const PRINTS: &[&str] = &[concat!("print", "!("), concat!("println", "!(")];

fn sources(files: &Files) -> impl Iterator<Item = (&str, &str)> {
    files.iter().filter(|(path, _)| path.ends_with(".rs")).map(|(path, text)| (path.as_str(), text.as_str()))
}

/// A source opens with its role.
pub(super) fn headers(files: &Files) -> Vec<Finding> {
    sources(files)
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| Finding::new(path, 1, "open with `//!`: the file's role, then what it does not know"))
        .collect()
}

/// A source is short enough to be one thing.
pub(super) fn lengths(files: &Files) -> Vec<Finding> {
    sources(files)
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| {
            Finding::new(path, 0, format!("{lines} lines, more than {MAX_LINES}: which two things is it?"))
        })
        .collect()
}

/// No source holds a stub, a left-over, or a lint that is switched off for good.
pub(super) fn forbidden_words(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources(files) {
        for (at, line) in code_lines(text) {
            for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
                findings.push(Finding::new(path, at, format!("`{word}`: {instead}")));
            }
        }
    }
    findings
}

/// The crates hand events to whoever listens; the terminal belongs to `cargo-zen`.
pub(super) fn only_cargo_zen_prints(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    let libraries = |path: &str| path.starts_with("crates/") && !path.starts_with("crates/cargo-zen/");
    for (path, text) in sources(files).filter(|(path, _)| libraries(path)) {
        for (at, _) in code_lines(text).filter(|(_, line)| PRINTS.iter().any(|print| line.contains(print))) {
            findings.push(Finding::new(path, at, "only cargo-zen prints: send an event"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::files;
    use super::*;

    #[test]
    fn a_source_without_a_header_is_found() {
        let found = headers(&files(&[("a.rs", "//! Role.\n"), ("b.rs", "fn b() {}\n"), ("c.md", "# c\n")]));
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["b.rs"]);
    }

    #[test]
    fn a_source_of_601_lines_is_found() {
        let found = lengths(&files(&[("a.rs", &"//! x\n".repeat(600)), ("b.rs", &"//! x\n".repeat(601))]));
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["b.rs"]);
    }

    #[test]
    fn each_forbidden_word_is_found_in_code_and_not_in_comments() {
        for (word, _) in FORBIDDEN {
            let code = format!("//! Role.\n    {word}\n");
            assert_eq!(forbidden_words(&files(&[("a.rs", &code)]))[0].line, 2, "{word} is found on its line");
            let comment = format!("//! Role.\n    // {word}\n");
            assert_eq!(forbidden_words(&files(&[("a.rs", &comment)])), [], "{word} in a comment is prose");
        }
    }

    #[test]
    fn each_print_is_found_in_libraries_alone() {
        for print in PRINTS {
            let code = format!("//! Role.\nfn f() {{ e{print}\"\"); }}\n");
            let found = only_cargo_zen_prints(&files(&[
                ("crates/cargo-zen/src/main.rs", &code),
                ("crates/zen-core/src/lib.rs", &code),
                ("xtask/src/main.rs", &code),
            ]));
            assert_eq!(found.len(), 1, "e{print} is found once");
            assert_eq!((found[0].path.as_str(), found[0].line), ("crates/zen-core/src/lib.rs", 2));
        }
    }
}
