//! Sets of paths as tables write them: globs, plain paths, directories, `!` exclusions. Knows no disk.

mod overlap;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use globset::{Glob, GlobBuilder, GlobMatcher};
use regex_automata::nfa::thompson::NFA;
use serde::{Deserialize, Serialize};

use crate::diag::Span;
use crate::path::{PathError, RelPath, escape};
pub(crate) use overlap::fold_case;
pub use overlap::{matches_ignoring_case, overlap, overlap_ignoring_case};

/// Bytes of a glob: no path is longer.
const MAX_LENGTH: usize = 4096;
/// Braces in one another.
const MAX_DEPTH: usize = 32;
/// So much is shown of a glob that is too long.
const SHOWN: usize = 80;

/// One glob or plain path, relative to the workspace root.
///
/// A plain path (no wildcard) means itself and all below it; so does one that ends in `/`. In a glob `*`, `?`,
/// `[…]` and `{…}` stay within one component, and `**` crosses components. Hidden files match like any other.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pattern {
    text: String,
    prefix: RelPath,
    rest: Rest,
    span: Option<Span>,
}

/// What follows the literal prefix.
#[derive(Clone, Serialize, Deserialize)]
enum Rest {
    /// Nothing: the prefix itself and all below it.
    Tree,
    /// `/` or `/**`: all below the prefix.
    Below,
    /// Something that only a matcher can tell.
    Glob(#[serde(with = "wild")] Arc<Wild>),
}

/// A glob that parses. What it compiles to is made when first asked for: a table of 5,000 globs that a memo answers for
/// costs no regex.
struct Wild {
    text: String,
    glob: OnceLock<Glob>,
    matcher: OnceLock<GlobMatcher>,
    automaton: OnceLock<NFA>,
}

impl Wild {
    fn new(text: String) -> Self {
        Self { text, glob: OnceLock::new(), matcher: OnceLock::new(), automaton: OnceLock::new() }
    }

    fn glob(&self) -> &Glob {
        self.glob.get_or_init(|| parse(&self.text).expect("nothing else is made into one, and written down"))
    }

    fn matcher(&self) -> &GlobMatcher {
        self.matcher.get_or_init(|| self.glob().compile_matcher())
    }
}

/// A glob is written down as its text.
mod wild {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Wild;

    pub(super) fn serialize<S: Serializer>(wild: &Arc<Wild>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&wild.text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Wild>, D::Error> {
        Ok(Arc::new(Wild::new(String::deserialize(deserializer)?)))
    }
}

/// Why some text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not a workspace-relative path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It leads out of the workspace.
    #[error("`{0}` leads out of the workspace")]
    Outside(String),
    /// Not a glob.
    #[error("`{text}` is not a glob: {reason}")]
    Syntax {
        /// As written.
        text: String,
        /// What the parser says.
        reason: String,
    },
}

impl Pattern {
    /// Reads `text` as written in a table whose paths are relative to `base`.
    ///
    /// # Errors
    /// Absolute paths, paths that leave the workspace, malformed globs.
    pub fn new(base: &RelPath, text: &str) -> Result<Self, PatternError> {
        let wild = text.split('/').position(is_wild);
        let (literal, rest) = match wild {
            None => (text.to_owned(), None),
            Some(at) => {
                let parts: Vec<_> = text.split('/').collect();
                (parts[..at].join("/"), Some(parts[at..].join("/")))
            }
        };
        if literal.is_empty() && text.starts_with('/') {
            return Err(PathError::Absolute(text.to_owned()).into());
        }
        let prefix = base.join(unescape(&literal).as_bytes())?;
        if prefix.is_outside() {
            return Err(PatternError::Outside(text.to_owned()));
        }
        let shown = escape(prefix.as_bytes());
        let joined = |rest: &str| if shown.is_empty() { rest.to_owned() } else { format!("{shown}/{rest}") };
        let (text, rest) = match rest.as_deref() {
            None if text.ends_with('/') || prefix.is_root() => (joined(""), Rest::Below),
            None => (shown, Rest::Tree),
            Some("**" | "**/*" | "**/") => (joined("**"), Rest::Below),
            Some(rest) => {
                let glob = rest.strip_suffix('/').map_or_else(|| rest.to_owned(), |dir| format!("{dir}/**"));
                if glob.split('/').any(|part| part == "..") {
                    return Err(PatternError::Syntax {
                        text: text.to_owned(),
                        reason: "`..` after a wildcard".to_owned(),
                    });
                }
                if is_too_much(&glob) {
                    return Err(PatternError::Syntax {
                        text: text.chars().take(SHOWN).collect(),
                        reason: format!("more than {MAX_LENGTH} bytes, or {MAX_DEPTH} braces in one another"),
                    });
                }
                let wild = Wild::new(with_all_below(&glob));
                let parsed = parse(&wild.text).map_err(|error| PatternError::Syntax {
                    text: text.to_owned(),
                    reason: error.kind().to_string(),
                })?;
                let _ = wild.glob.set(parsed);
                (joined(&glob), Rest::Glob(Arc::new(wild)))
            }
        };
        Ok(Self { text, prefix, rest, span: None })
    }

    /// Says where it is written; no part of what it means or equals.
    #[must_use]
    pub fn written_at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Where it is written, if it is.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The pattern that means exactly `path` and all below it.
    pub fn tree(path: &RelPath) -> Self {
        let text = escape(path.as_bytes());
        Self { text, prefix: path.clone(), rest: if path.is_root() { Rest::Below } else { Rest::Tree }, span: None }
    }

    /// The folder (or plain path) below which everything that matches lies.
    pub fn prefix(&self) -> &RelPath {
        &self.prefix
    }

    /// Has it no wildcard and no `/` at its end? Then it names one file or directory.
    pub fn is_plain(&self) -> bool {
        matches!(self.rest, Rest::Tree)
    }

    /// Does it mean all below its prefix, whatever the names?
    pub fn is_whole_tree(&self) -> bool {
        !matches!(self.rest, Rest::Glob(_))
    }

    /// Does it mean `path`, a file or a link?
    pub fn matches(&self, path: &RelPath) -> bool {
        let Some(below) = path.strip_prefix(&self.prefix) else { return false };
        match &self.rest {
            Rest::Tree => true,
            Rest::Below => !below.is_empty(),
            Rest::Glob(wild) => !below.is_empty() && wild.matcher().is_match(crate::path::bytes_path(below)),
        }
    }

    /// May something below the folder `path` match? `true` in doubt.
    pub fn may_match_below(&self, path: &RelPath) -> bool {
        let Some(below) = path.strip_prefix(&self.prefix) else { return self.prefix.starts_with(path) };
        let Some(wild) = self.wild() else { return true };
        let mut parts = wild.split('/');
        for name in below.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            match parts.next() {
                None => return false,
                // Braces may hold a `/`, so that components cannot be told apart.
                Some(part) if part == "**" || part.contains(['{', '}', '\\']) => return true,
                Some(part) if !is_wild(part) && part.as_bytes() != name => return false,
                Some(_) => {}
            }
        }
        parts.next().is_some()
    }

    /// Does it mean everything below the folder `path`? Only whole trees are known to.
    pub fn matches_below(&self, path: &RelPath) -> bool {
        self.is_whole_tree() && path.starts_with(&self.prefix)
    }

    /// The part after the prefix, as the glob engine reads it; `None` for plain paths and whole trees.
    pub fn wild(&self) -> Option<&str> {
        match &self.rest {
            Rest::Glob(wild) => Some(&wild.text),
            Rest::Tree | Rest::Below => None,
        }
    }
}

/// A glob whose last component is a plain name means all below it where that is a directory, as a plain path does.
fn with_all_below(glob: &str) -> String {
    let last = glob.rsplit('/').next().unwrap_or(glob);
    if is_wild(last) || last.contains(['}', ']']) {
        return glob.to_owned();
    }
    // A comma outside of braces is a plain one. What is escaped and what stands in a class is no brace.
    let mut depth = 0_u32;
    let mut escaped = String::with_capacity(glob.len() + 4);
    let mut rest = glob.chars();
    while let Some(c) = rest.next() {
        let as_it_is = match c {
            '\\' => rest.as_str().chars().next().map_or(0, char::len_utf8),
            '[' => class_length(rest.as_str()),
            _ => 0,
        };
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => escaped.push('\\'),
            _ => {}
        }
        escaped.push(c);
        let (kept, after) = rest.as_str().split_at(as_it_is);
        escaped.push_str(kept);
        rest = after.chars();
    }
    format!("{{{escaped},{escaped}/**}}")
}

/// How far a class goes on behind its `[`. A `]` that comes first is one of its characters.
fn class_length(text: &str) -> usize {
    let negation = usize::from(text.starts_with(['!', '^']));
    let first = text[negation..].chars().next().map_or(0, char::len_utf8);
    text[negation + first..].find(']').map_or(text.len(), |at| negation + first + at + 1)
}

/// Globs that are longer, or whose braces stand deeper in one another, are refused: no matcher can be made of some.
fn is_too_much(glob: &str) -> bool {
    let (mut depth, mut deepest) = (0_usize, 0);
    for c in glob.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    glob.len() > MAX_LENGTH || deepest > MAX_DEPTH
}

fn parse(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).empty_alternates(true).build()
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.prefix == other.prefix
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.prefix.hash(state);
    }
}

/// A list of patterns from one place: what any of `include` matches and none of `exclude` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PathSet {
    /// As written, in order.
    pub include: Vec<Pattern>,
    /// The `!` ones.
    pub exclude: Vec<Pattern>,
}

impl PathSet {
    /// Does it mean `path`?
    pub fn matches(&self, path: &RelPath) -> bool {
        self.include.iter().any(|p| p.matches(path)) && !self.excludes(path)
    }

    /// Is `path`, or a folder that it lies in, excluded?
    pub fn excludes(&self, path: &RelPath) -> bool {
        if self.exclude.is_empty() {
            return false;
        }
        let mut way = std::iter::successors(Some(path.clone()), RelPath::parent);
        way.any(|path| self.exclude.iter().any(|pattern| pattern.matches(&path)))
    }

    /// The first pattern of it that has a path in common with `other`.
    pub fn meets(&self, other: &Pattern) -> Option<&Pattern> {
        self.include.iter().find(|include| overlap(include, other) && !self.leaves_out(include, other))
    }

    /// Does one exclusion take away all that `include` and `other` have in common? Told of excluded trees, of globs
    /// that end in `/**` and of the very glob that `other` is; else the answer errs towards no. Who excludes all below a
    /// path (`!gen/`) is taken to mean a folder there, not a file of that name.
    pub fn leaves_out(&self, include: &Pattern, other: &Pattern) -> bool {
        let deeper = if include.prefix.starts_with(&other.prefix) { &include.prefix } else { &other.prefix };
        self.exclude.iter().any(|gone| match gone.wild() {
            None => deeper.starts_with(&gone.prefix),
            // If such a glob matches one path in a folder, whatever it is called, it matches all below that folder.
            Some(wild) => gone == other || (wild.ends_with("/**") && gone.matches(&deeper.child(b"any"))),
        })
    }

    /// Has it nothing to find?
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(&RelPath::root(), pattern).unwrap().matches(&RelPath::new(path).unwrap())
    }

    #[test]
    fn a_plain_path_means_itself_and_all_below() {
        assert!(matches("src", "src/a/b.rs"));
        assert!(matches("src/a.rs", "src/a.rs"));
        assert!(!matches("src", "src2/a.rs"));
        assert!(!matches("src/", "src"));
        assert!(matches(".", "anything/at.all"));
    }

    #[test]
    fn a_comma_in_a_name_is_a_plain_one_behind_any_wildcard() {
        for (pattern, path) in [("*[{]/a,b", "x{/a,b"), ("*\\{/a,b", "x{/a,b"), ("[]{]/a,b", "{/a,b/below")] {
            assert!(matches(pattern, path), "{pattern}");
            assert!(!matches(pattern, "b") && !matches(pattern, "b/x") && !matches(pattern, "x{/a"), "{pattern}");
        }
    }

    #[test]
    fn a_glob_that_no_matcher_can_be_made_of_is_refused() {
        for depth in [33, 300, 100_000] {
            let text = format!("*{}a{}", "{".repeat(depth), "}".repeat(depth));
            assert!(Pattern::new(&RelPath::root(), &text).is_err(), "{depth} braces in one another");
        }
        assert!(Pattern::new(&RelPath::root(), &"?".repeat(1 << 20)).is_err());
        assert!(matches(&format!("{}a{}", "{".repeat(32), "}".repeat(32)), "a"));
        assert!(matches(&"?".repeat(4096), &"x".repeat(4096)));
    }

    #[test]
    fn nothing_is_a_choice_as_well() {
        assert!(matches("src/lib{,_test}.rs", "src/lib.rs") && matches("src/lib{,_test}.rs", "src/lib_test.rs"));
        assert!(matches("{a,b,}b", "b") && matches("{a,b,}b", "ab") && !matches("{a,b,}b", "a"));
        assert!(matches("x{,/sub}/*.c", "x/a.c") && matches("x{,/sub}/*.c", "x/sub/a.c"));
    }

    #[test]
    fn wildcards_stay_within_a_component() {
        assert!(matches("data/*.csv", "data/a.csv"));
        assert!(!matches("data/*.csv", "data/sub/a.csv"));
        assert!(matches("data/**/*.csv", "data/a.csv"));
        assert!(matches("data/**/*.csv", "data/x/y/a.csv"));
        assert!(matches("**/*.rs", ".hidden/a.rs"));
        assert!(matches("{a,b}/x", "b/x"));
        assert!(matches("crates/*/src/", "crates/a/src/lib.rs"));
        assert!(matches("crates/*/src", "crates/a/src/lib.rs"), "a directory means all below it");
        assert!(matches("*/a,b", "x/a,b/c") && !matches("*/a,b", "x/a"));
        assert!(!matches("data/*", "data/sub/a.csv"), "a wildcard at the end means files");
    }

    #[test]
    fn a_base_with_wildcards_in_its_name_is_literal() {
        let base = RelPath::root().child(b"a[1]");
        let pattern = Pattern::new(&base, "*.txt").unwrap();
        assert!(pattern.matches(&base.child(b"x.txt")));
        assert!(!pattern.matches(&RelPath::new("a1/x.txt").unwrap()));
    }

    #[test]
    fn an_excluded_folder_is_excluded_with_all_below() {
        let pattern = |text| Pattern::new(&RelPath::root(), text).unwrap();
        let set = PathSet { include: vec![pattern("**")], exclude: vec![pattern("*/target"), pattern("**/tmp*")] };
        assert!(!set.matches(&RelPath::new("a/target/x/y").unwrap()));
        assert!(!set.matches(&RelPath::new("a/b/tmp1/x").unwrap()));
        assert!(set.matches(&RelPath::new("a/b/target").unwrap()));
    }

    #[test]
    fn names_that_are_not_text_match() {
        let pattern = Pattern::new(&RelPath::root(), "d/*.bin").unwrap();
        assert!(pattern.matches(&RelPath::new("d").unwrap().child(b"bad\xff.bin")));
    }

    #[test]
    fn refuses_what_leaves_the_workspace() {
        for text in ["../x", "/etc/*", "a/../../b/**", "*/../x", "[a"] {
            assert!(Pattern::new(&RelPath::root(), text).is_err(), "{text} must be refused");
        }
    }
}
