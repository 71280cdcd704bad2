//! Which records may be believed: a store that others write to is no reason to write outside an output. Pure.

use std::collections::BTreeSet;

use crate::artifact::{Artifact, Entry, Node, Record};
use crate::path::{RelPath, escape};

/// Folders above one another; more is an attack or an accident.
pub const MAX_DEPTH: usize = 256;
/// Entries of one record.
pub const MAX_ENTRIES: usize = 1_000_000;
const MAX_LINK: usize = 4096;
const MAX_NAME: usize = 4096;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name of its step or of an artifact is none.
    #[error("`{0}` is no name")]
    Name(String),
    /// Two artifacts have the same name.
    #[error("two outputs are called `{0}`")]
    SameName(String),
    /// It has more entries or more bytes than can be.
    #[error("it is too large: {MAX_ENTRIES} entries at most")]
    TooLarge,
    /// A path that is not normalised, leads out of the artifact, or that this system cannot have.
    #[error("the path `{0}` cannot be stored; give the file another name")]
    Path(String),
    /// Paths that are not sorted, or stand twice.
    #[error("the path `{0}` is out of order")]
    Order(String),
    /// Something below what is no folder.
    #[error("`{0}` lies below something that is not a folder")]
    BelowFile(String),
    /// A link whose target is absolute or no path at all.
    #[error("the symlink `{path}` leads to `{target}`; make the target relative")]
    Link {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
}

/// May `record` be stored, and may it be restored? Where its artifacts' places lie is not known here: whether a link
/// stays in the workspace is for [`link_stays_inside`].
///
/// # Errors
/// The first fault.
pub fn check(record: &Record) -> Result<(), Fault> {
    if record.step.is_empty() || record.step.len() > MAX_NAME || record.step.chars().any(char::is_control) {
        return Err(Fault::Name(escape(record.step.as_bytes())));
    }
    let mut names = BTreeSet::new();
    let (mut entries, mut bytes) = (0_usize, 0_u64);
    for artifact in &record.artifacts[..] {
        let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if artifact.name.is_empty() || artifact.name.len() > MAX_NAME || !artifact.name.chars().all(allowed) {
            return Err(Fault::Name(escape(artifact.name.as_bytes())));
        }
        if !names.insert(&artifact.name) {
            return Err(Fault::SameName(artifact.name.clone()));
        }
        entries += artifact.entries.len();
        for entry in &artifact.entries {
            if let Node::File { size, .. } = entry.node {
                bytes = bytes.checked_add(size).ok_or(Fault::TooLarge)?;
            }
        }
        if entries > MAX_ENTRIES {
            return Err(Fault::TooLarge);
        }
        check_entries(artifact)?;
    }
    Ok(())
}

fn check_entries(artifact: &Artifact) -> Result<(), Fault> {
    let entries = &artifact.entries;
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].path >= pair[1].path) {
        return Err(Fault::Order(pair[1].path.to_string()));
    }
    let is_leaf = |path: &[u8]| {
        let found = entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path));
        found.is_ok_and(|at| entries[at].node != Node::Folder)
    };
    for entry in entries {
        let path = entry.path.as_bytes();
        if !is_plain(path) {
            return Err(Fault::Path(escape(path)));
        }
        let ancestors = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        if !path.is_empty() && std::iter::once(&path[..0]).chain(ancestors).any(is_leaf) {
            return Err(Fault::BelowFile(escape(path)));
        }
        if let Entry { node: Node::Link { target }, .. } = entry
            && !is_relative_target(target)
        {
            return Err(Fault::Link { path: escape(path), target: escape(target) });
        }
    }
    Ok(())
}

/// Normalised, below its root, not too deep, and possible on this system. The root itself is plain.
fn is_plain(path: &[u8]) -> bool {
    path.is_empty() || path.split(|b| *b == b'/').count() <= MAX_DEPTH && path.split(|b| *b == b'/').all(is_name)
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&0) && (!cfg!(windows) || is_windows_name(name))
}

/// Windows reads some names as devices, streams or other names.
fn is_windows_name(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let device = matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered
            .is_some_and(|n| matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"));
    !device && !text.ends_with(['.', ' ']) && !text.contains(|c: char| c < ' ' || r#"<>:"\|?*"#.contains(c))
}

fn is_relative_target(target: &[u8]) -> bool {
    let drive = matches!(target, [drive, b':', ..] if drive.is_ascii_alphabetic());
    !target.is_empty()
        && target.len() <= MAX_LINK
        && !target.contains(&0)
        && target[0] != b'/'
        && !(cfg!(windows) && (drive || target.contains(&b'\\')))
}

/// Does a symlink at `link` (from the workspace root) with this target text stay in the workspace?
///
/// Lexically, and strictly: `..` may stand only at the target's front. After a name it would be resolved from where
/// that name leads, which another link could decide.
pub fn link_stays_inside(link: &RelPath, target: &[u8]) -> bool {
    if !is_relative_target(target) {
        return false;
    }
    let parts = target.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
    let ups = parts.clone().take_while(|part| *part == b"..").count();
    let comes_back = parts.clone().skip(ups).any(|part| part == b"..");
    !comes_back && !link.is_outside() && ups < link.components().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::artifact::{Key, Piece, Production, RunId, Timestamp};
    use crate::digest::Digest;

    fn file(path: &[u8]) -> Entry {
        Entry {
            path: RelPath::root().child(path),
            node: Node::File { digest: Digest([1; 32]), size: 1, executable: false },
        }
    }

    fn link(path: &[u8], target: &[u8]) -> Entry {
        Entry { path: RelPath::root().child(path), node: Node::Link { target: target.to_vec() } }
    }

    fn record(artifacts: Vec<Artifact>) -> Record {
        Record {
            key: Key(Digest([0; 32])),
            production: Production([0; 16]),
            step: "p/s".to_owned(),
            run: RunId(1),
            ended: Timestamp(0),
            duration_ms: 0,
            artifacts: artifacts.into(),
            explanation: Piece { object: Digest([2; 32]), at: 0, len: 0 },
            log: None,
        }
    }

    fn of(entries: Vec<Entry>) -> Result<(), Fault> {
        check(&record(vec![Artifact { name: "out".to_owned(), entries }]))
    }

    #[test]
    fn honest_records_pass() {
        let folder = |path: &[u8]| Entry { path: RelPath::root().child(path), node: Node::Folder };
        assert_eq!(of(vec![]), Ok(()));
        assert_eq!(of(vec![file(b"")]), Ok(()));
        assert_eq!(
            of(vec![folder(b""), folder(b"a"), file(b"a-b"), file(b"a/b"), link(b"l", b"../x"), file(b"\xff")]),
            Ok(())
        );
    }

    #[test]
    fn f_31_paths_that_leave_the_artifact_are_refused() {
        for path in [&b".."[..], b"../x", b"a/../b", b"/etc/passwd", b"a//b", b"a/", b"./a", b"a/.", b"a\0b"] {
            assert!(matches!(of(vec![file(path)]), Err(Fault::Path(_))), "{}", escape(path));
        }
        let deep = vec!["d"; MAX_DEPTH + 1].join("/");
        assert!(of(vec![file(deep.as_bytes())]).is_err());
    }

    #[test]
    fn f42_order_doubles_and_files_under_files_are_refused() {
        assert!(matches!(of(vec![file(b"a"), file(b"a")]), Err(Fault::Order(_))));
        assert!(matches!(of(vec![file(b"b"), file(b"a")]), Err(Fault::Order(_))));
        assert!(matches!(of(vec![file(b"a"), file(b"a-"), file(b"a/b")]), Err(Fault::BelowFile(_))));
        assert!(matches!(of(vec![file(b""), file(b"a")]), Err(Fault::BelowFile(_))));
        assert!(matches!(of(vec![link(b"a", b"b"), file(b"a/x/y")]), Err(Fault::BelowFile(_))));
        let artifact = Artifact { name: "out".to_owned(), entries: vec![] };
        assert!(matches!(check(&record(vec![artifact.clone(), artifact])), Err(Fault::SameName(_))));
    }

    #[test]
    fn f42_sizes_that_overflow_and_names_that_are_none_are_refused() {
        let huge = Entry {
            path: RelPath::root().child(b"a"),
            node: Node::File { digest: Digest([1; 32]), size: u64::MAX, executable: false },
        };
        assert_eq!(of(vec![huge, file(b"b")]), Err(Fault::TooLarge));
        for name in ["", "../x", "a b", "a/b"] {
            assert!(check(&record(vec![Artifact { name: name.to_owned(), entries: vec![] }])).is_err(), "{name:?}");
        }
        assert!(check(&Record { step: "a\x1b[31m".to_owned(), ..record(vec![]) }).is_err());
    }

    #[test]
    fn f44_more_entries_or_deeper_folders_than_anybody_has_are_refused() {
        let many = |count: usize| (0..count).map(|n| file(format!("{n:08}").as_bytes())).collect::<Vec<_>>();
        assert_eq!(of(many(MAX_ENTRIES)), Ok(()));
        assert_eq!(of(many(MAX_ENTRIES + 1)), Err(Fault::TooLarge));
        // Several outputs count together.
        let half = |name: &str| Artifact { name: name.to_owned(), entries: many(MAX_ENTRIES / 2 + 1) };
        assert_eq!(check(&record(vec![half("a"), half("b")])), Err(Fault::TooLarge));
        let deep = |depth: usize| of(vec![file(vec!["d"; depth].join("/").as_bytes())]);
        assert_eq!(deep(MAX_DEPTH), Ok(()));
        assert!(matches!(deep(MAX_DEPTH + 1), Err(Fault::Path(_))));
        assert!(matches!(deep(1_000_000), Err(Fault::Path(_))), "and it is no recursion");
        assert!(matches!(of(vec![link(b"l", &[b'x'; MAX_LINK + 1])]), Err(Fault::Link { .. })));
    }

    #[test]
    fn f_31_links_stay_in_the_workspace() {
        for target in [&b""[..], b"/etc/passwd", b"a\0"] {
            assert!(matches!(of(vec![link(b"l", target)]), Err(Fault::Link { .. })), "{}", escape(target));
        }
        let inside = |link: &str, target: &str| link_stays_inside(&RelPath::new(link).unwrap(), target.as_bytes());
        assert!(inside("dist/l", "x"));
        assert!(inside("dist/l", "./x"));
        assert!(inside("dist/l", "../src/x"));
        assert!(!inside("dist/l", "../../x"));
        assert!(!inside("l", ".."));
        assert!(!inside("dist/l", "x/../../../y"), "another link may stand at `x`");
        assert!(!inside("dist/l", "x/.."));
        assert!(!inside("../l", "x"));
    }

    #[test]
    fn f27_names_that_windows_reads_otherwise() {
        for name in ["CON", "nul.txt", "com1", "a:b", "a.", "a ", "a\\b", "a?"] {
            assert!(!is_windows_name(name.as_bytes()), "{name}");
        }
        for name in ["console", "com", "a.b", "com10", "ä"] {
            assert!(is_windows_name(name.as_bytes()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn f_31_what_passes_can_only_be_written_below_its_place(
            paths in proptest::collection::vec(proptest::collection::vec(proptest::sample::select(b"a./\0\\".to_vec()), 0..8), 0..5)
        ) {
            let mut entries: Vec<_> = paths.iter().map(|path| file(path)).collect();
            entries.sort();
            if of(entries.clone()).is_ok() {
                for entry in entries {
                    let place = RelPath::new("place").unwrap();
                    let whole = place.under(&entry.path);
                    prop_assert!(whole.starts_with(&place));
                    prop_assert_eq!(whole.strip_prefix(&place).unwrap(), entry.path.as_bytes());
                }
            }
        }
    }
}
