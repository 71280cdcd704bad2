//! Can one path match two patterns? A walk over the product of their automata, byte by byte. Knows no disk.
//!
//! The automaton of a glob is compiled from the very regex that its matcher runs, so the two cannot drift apart.

use std::borrow::Cow;
use std::collections::HashSet;

use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

use super::{Pattern, Rest, Wild, parse};
use crate::path::RelPath;

/// Can any path match both? Exact.
pub fn overlap(a: &Pattern, b: &Pattern) -> bool {
    if !nested(&a.prefix, &b.prefix) {
        return false;
    }
    (a.is_whole_tree() && b.is_whole_tree())
        || common_path(&Side::new(a, Case::Kept), &Side::new(b, Case::Kept), Case::Kept).is_some()
}

/// Can any path match one, and a path that differs from it by case alone the other? Then a file system that folds case
/// sees one file. Literal text folds as Unicode does, what a wildcard stands for as ASCII does.
pub fn overlap_ignoring_case(a: &Pattern, b: &Pattern) -> bool {
    let (side_a, side_b) = (Side::new(a, Case::Folded), Side::new(b, Case::Folded));
    if !starts_with(&side_a.literal, &side_b.literal) && !starts_with(&side_b.literal, &side_a.literal) {
        return false;
    }
    (a.is_whole_tree() && b.is_whole_tree()) || common_path(&side_a, &side_b, Case::Folded).is_some()
}

/// Does `pattern` match `path`, or a path that differs from it by case alone?
pub fn matches_ignoring_case(pattern: &Pattern, path: &RelPath) -> bool {
    let (side, exact) =
        (Side::new(pattern, Case::Folded), Side { literal: fold_case(path).into(), tail: Tail::Nothing });
    (starts_with(&exact.literal, &side.literal)) && common_path(&side, &exact, Case::Folded).is_some()
}

/// `path` as a file system that folds case would compare it.
pub(crate) fn fold_case(path: &RelPath) -> Vec<u8> {
    if path.as_bytes().is_ascii() {
        return path.as_bytes().to_ascii_lowercase();
    }
    let mut out = Vec::with_capacity(path.as_bytes().len());
    for chunk in path.as_bytes().utf8_chunks() {
        out.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Folded,
}

fn nested(a: &RelPath, b: &RelPath) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// [`RelPath::starts_with`] for folded bytes.
fn starts_with(path: &[u8], folder: &[u8]) -> bool {
    if folder.is_empty() {
        return path != b".." && !path.starts_with(b"../");
    }
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A pattern as an automaton: its literal prefix, then what follows.
struct Side<'a> {
    literal: Cow<'a, [u8]>,
    tail: Tail<'a>,
}

enum Tail<'a> {
    Nothing,
    Tree,
    Below,
    Glob(Cow<'a, NFA>),
}

/// Where a [`Side`] stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    /// So many bytes of the literal are read.
    Literal(usize),
    /// In the glob's automaton.
    Wild(StateID),
    /// Anything may follow.
    Anything,
}

enum Move {
    Free(At),
    Bytes(u8, u8, At),
}

impl<'a> Side<'a> {
    fn new(pattern: &'a Pattern, case: Case) -> Self {
        let literal = match case {
            Case::Kept => Cow::Borrowed(pattern.prefix.as_bytes()),
            Case::Folded => Cow::Owned(fold_case(&pattern.prefix)),
        };
        let tail = match &pattern.rest {
            Rest::Tree => Tail::Tree,
            Rest::Below => Tail::Below,
            Rest::Glob(wild) => Tail::Glob(match folded(wild, case) {
                Some(nfa) => Cow::Owned(nfa),
                None => Cow::Borrowed(wild.automaton.get_or_init(|| compile(wild.glob().regex()))),
            }),
        };
        Self { literal, tail }
    }

    fn moves(&self, at: At, out: &mut Vec<Move>) {
        out.clear();
        match at {
            At::Literal(read) if read < self.literal.len() => {
                out.push(Move::Bytes(self.literal[read], self.literal[read], At::Literal(read + 1)));
            }
            At::Literal(_) => {
                let next = match &self.tail {
                    Tail::Nothing => return,
                    Tail::Tree | Tail::Below => At::Anything,
                    Tail::Glob(nfa) => At::Wild(nfa.start_anchored()),
                };
                out.push(if self.literal.is_empty() { Move::Free(next) } else { Move::Bytes(b'/', b'/', next) });
            }
            At::Anything => out.push(Move::Bytes(0, u8::MAX, At::Anything)),
            At::Wild(id) => self.wild_moves(id, out),
        }
    }

    fn wild_moves(&self, id: StateID, out: &mut Vec<Move>) {
        let Tail::Glob(nfa) = &self.tail else { return };
        match nfa.state(id) {
            State::ByteRange { trans } => out.push(Move::Bytes(trans.start, trans.end, At::Wild(trans.next))),
            State::Sparse(sparse) => {
                out.extend(sparse.transitions.iter().map(|t| Move::Bytes(t.start, t.end, At::Wild(t.next))));
            }
            State::Dense(dense) => out.extend(
                (0..=u8::MAX).filter_map(|b| dense.matches_byte(b).map(|next| Move::Bytes(b, b, At::Wild(next)))),
            ),
            // The only assertions in a glob's regex are `^` in front and `$` at the end, where they always hold:
            // the walk starts at the start and accepts at the end.
            State::Look { next, .. } | State::Capture { next, .. } => out.push(Move::Free(At::Wild(*next))),
            State::Union { alternates } => out.extend(alternates.iter().map(|next| Move::Free(At::Wild(*next)))),
            State::BinaryUnion { alt1, alt2 } => {
                out.extend([Move::Free(At::Wild(*alt1)), Move::Free(At::Wild(*alt2))]);
            }
            State::Fail | State::Match { .. } => {}
        }
    }

    fn accepts(&self, at: At) -> bool {
        match (at, &self.tail) {
            (At::Literal(read), Tail::Tree | Tail::Nothing) => read == self.literal.len(),
            (At::Anything, _) => true,
            (At::Wild(id), Tail::Glob(nfa)) => matches!(nfa.state(id), State::Match { .. }),
            _ => false,
        }
    }
}

/// The automaton of the glob in lower case, if that is not what its own automaton with ASCII folding says already.
fn folded(wild: &Wild, case: Case) -> Option<NFA> {
    let text = &*wild.text;
    if case == Case::Kept || text.is_ascii() {
        return None;
    }
    let mut lower = String::with_capacity(text.len());
    for c in text.chars() {
        // ASCII stays as written: the walk folds it, ranges of classes included.
        if c.is_ascii() { lower.push(c) } else { lower.extend(c.to_lowercase()) }
    }
    parse(&lower).ok().map(|glob| compile(glob.regex()))
}

/// With the settings under which globset compiles it.
fn compile(regex: &str) -> NFA {
    NFA::compiler()
        .configure(NFA::config().utf8(false).which_captures(WhichCaptures::None))
        .syntax(syntax::Config::new().utf8(false).dot_matches_new_line(true))
        .build(regex)
        .expect("globset writes regexes that compile")
}

/// What was read of the current component: keeps the walk to paths that can be, without empty names, `.` and `..`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Empty,
    Dot,
    DotDot,
    Proper,
}

impl Name {
    fn read(self, byte: u8) -> Option<Self> {
        match (byte, self) {
            (0, _) => None,
            (b'/', Self::Proper) => Some(Self::Empty),
            (b'/', _) => None,
            (b'.', Self::Empty) => Some(Self::Dot),
            (b'.', Self::Dot) => Some(Self::DotDot),
            _ => Some(Self::Proper),
        }
    }
}

struct Node {
    a: At,
    b: At,
    name: Name,
    parent: usize,
    read: Option<(u8, u8)>,
}

/// A shortest path that both accept, as each of them spells it.
fn common_path(a: &Side<'_>, b: &Side<'_>, case: Case) -> Option<(Vec<u8>, Vec<u8>)> {
    let start = Node { a: At::Literal(0), b: At::Literal(0), name: Name::Empty, parent: 0, read: None };
    let mut seen = HashSet::from([(start.a, start.b, start.name)]);
    let mut nodes = vec![start];
    let (mut moves_a, mut moves_b) = (Vec::new(), Vec::new());
    let mut next = 0;
    while next < nodes.len() {
        let Node { a: at_a, b: at_b, name, .. } = nodes[next];
        if name == Name::Proper && a.accepts(at_a) && b.accepts(at_b) {
            return Some(spell(&nodes, next));
        }
        let mut visit = |a: At, b: At, name: Name, read| {
            if seen.insert((a, b, name)) {
                nodes.push(Node { a, b, name, parent: next, read });
            }
        };
        a.moves(at_a, &mut moves_a);
        b.moves(at_b, &mut moves_b);
        for step in &moves_a {
            if let Move::Free(to) = step {
                visit(*to, at_b, name, None);
            }
        }
        for step in &moves_b {
            if let Move::Free(to) = step {
                visit(at_a, *to, name, None);
            }
        }
        for step_a in &moves_a {
            let Move::Bytes(low_a, high_a, to_a) = step_a else { continue };
            for step_b in &moves_b {
                let Move::Bytes(low_b, high_b, to_b) = step_b else { continue };
                for (byte_a, byte_b) in common_bytes((*low_a, *high_a), (*low_b, *high_b), case) {
                    if let Some(name) = name.read(byte_a) {
                        visit(*to_a, *to_b, name, Some((byte_a, byte_b)));
                    }
                }
            }
        }
        next += 1;
    }
    None
}

/// One byte of each sort that [`Name`] tells apart, out of what both ranges allow.
fn common_bytes(a: (u8, u8), b: (u8, u8), case: Case) -> impl Iterator<Item = (u8, u8)> {
    let holds = |range: (u8, u8), byte: u8| range.0 <= byte && byte <= range.1;
    let (low, high) = (a.0.max(b.0), a.1.min(b.1));
    let special = [b'/', b'.'].into_iter().filter(move |byte| low <= *byte && *byte <= high);
    let plain = if holds((low, high), b'x') {
        Some(b'x')
    } else {
        (low.max(1)..=high).find(|byte| !matches!(byte, b'/' | b'.'))
    };
    let mixed = (case == Case::Folded && plain.is_none())
        .then(|| {
            (b'a'..=b'z')
                .flat_map(|lower| [(lower, lower.to_ascii_uppercase()), (lower.to_ascii_uppercase(), lower)])
                .find(|(x, y)| holds(a, *x) && holds(b, *y))
        })
        .flatten();
    special.chain(plain).map(|byte| (byte, byte)).chain(mixed)
}

fn spell(nodes: &[Node], last: usize) -> (Vec<u8>, Vec<u8>) {
    let mut at = last;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    while at != 0 {
        if let Some((byte_a, byte_b)) = nodes[at].read {
            a.push(byte_a);
            b.push(byte_b);
        }
        at = nodes[at].parent;
    }
    a.reverse();
    b.reverse();
    (a, b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::glob::PathSet;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(&RelPath::root(), text).unwrap()
    }

    fn meet(a: &str, b: &str) -> bool {
        let (a, b) = (pattern(a), pattern(b));
        assert_eq!(overlap(&a, &b), overlap(&b, &a), "{a} and {b}: the order must not matter");
        overlap(&a, &b)
    }

    #[test]
    fn trees_overlap_when_one_holds_the_other() {
        assert!(meet("src", "src/gen"));
        assert!(meet("src/", "src"));
        assert!(meet(".", "src"));
        assert!(!meet("src", "src2"));
        assert!(!meet("src/a", "src/b"));
    }

    #[test]
    fn globs_overlap_when_a_path_matches_both() {
        assert!(meet("src/**/*.rs", "src/gen"));
        assert!(meet("src/**/*.rs", "src/gen/api.rs"));
        assert!(meet("src/**/*.rs", "src/api.rs"));
        assert!(!meet("src/*.rs", "src/api.txt/"), "a folder below which nothing is `src/*.rs`");
        assert!(!meet("src/*.rs", "src/api.txt"));
        assert!(meet("*.csv", "data.*"));
        assert!(!meet("a*.csv", "b*.csv"));
        assert!(meet("{a,b}/x?", "[bc]/*y"));
        assert!(!meet("{a,b}/x?", "[cd]/*y"));
        assert!(meet("**/gen/**", "crates/*/src/*.rs"), "by `crates/gen/src/x.rs`");
        assert!(!meet("**/gen/**", "crates/a/src/*.rs"));
    }

    #[test]
    fn f_9_f19_f26_case_alone_does_not_keep_outputs_apart() {
        let folded = |a, b| overlap_ignoring_case(&pattern(a), &pattern(b));
        assert!(!meet("Out/a.txt", "out/A.txt"));
        assert!(folded("Out/a.txt", "out/A.txt"));
        assert!(folded("out/*.TXT", "OUT/a.txt"));
        assert!(folded("Ärger/Übel.txt", "ärger/übel*"));
        assert!(folded("x/*Ü.txt", "X/aü.txt"));
        assert!(folded("[A-C].txt", "b.txt"));
        assert!(!folded("out/a", "out/b"));
        assert!(!folded("out", "out2"));
        let matches = |text, path: &str| matches_ignoring_case(&pattern(text), &RelPath::new(path).unwrap());
        assert!(matches("Out/*.TXT", "out/a.txt") && !matches("Out/*.TXT", "out/a.csv"));
        assert!(matches("Out", "out/a.txt") && !matches("Out/a.txt", "out"));
    }

    #[test]
    fn places_beside_the_workspace_meet_only_each_other() {
        let beside = Pattern::tree(&RelPath::new("../target/zen/out").unwrap());
        let below = Pattern::tree(&RelPath::new("../target/zen/out/a").unwrap());
        assert!(overlap(&beside, &below) && overlap_ignoring_case(&beside, &below));
        for text in ["**/*.csv", ".", "**", "?*/**"] {
            assert!(!overlap(&beside, &pattern(text)) && !overlap_ignoring_case(&pattern(text), &beside), "{text}");
        }
    }

    #[test]
    fn an_excluded_tree_takes_the_overlap_away() {
        let set = |include: &[&str], exclude: &[&str]| PathSet {
            include: include.iter().map(|text| pattern(text)).collect(),
            exclude: exclude.iter().map(|text| pattern(text)).collect(),
        };
        let output = pattern("src/gen");
        assert!(set(&["src/**"], &[]).meets(&output).is_some());
        assert!(set(&["src/**"], &["src/gen"]).meets(&output).is_none());
        assert!(set(&["src/**"], &["src/gen/**"]).meets(&output).is_none());
        assert!(set(&["src/**"], &["src/gen/old"]).meets(&output).is_some());
        assert!(set(&["src/**"], &["**/*.txt"]).meets(&output).is_some());
        assert!(set(&["src/**"], &["**/gen/**"]).meets(&output).is_none());
        assert!(set(&["src/**"], &["src/*/*/**"]).meets(&output).is_some());
        assert!(set(&["src/**"], &["**/*.gen.rs"]).meets(&pattern("src/**/*.gen.rs")).is_some());
        assert!(set(&["src/**"], &["src/**/*.gen.rs"]).meets(&pattern("src/**/*.gen.rs")).is_none());
        assert!(set(&["src/**/*.rs", "src/gen/x"], &["src/other"]).meets(&output).is_some());
        assert!(set(&["src/gen/x/**"], &["src/gen/x"]).meets(&output).is_none());
    }

    /// Globs over a small alphabet, so that they meet often.
    fn globs() -> impl Strategy<Value = String> {
        let parts = [
            "a", "b", "ab", "*", "**", "?", "[ab]", "[!a]", "{a,b}", "{a,ab}*", "a*", "*b", "**", ".a", "*.b", "{,a}b",
            "B", "A*", "[A-B]", "{a,**}", "{a/b,b}", "a**",
        ];
        let part = proptest::sample::select(parts.to_vec());
        (proptest::collection::vec(part, 1..4), any::<bool>())
            .prop_map(|(parts, folder)| parts.join("/") + if folder { "/" } else { "" })
            .prop_filter("some joins are no patterns", |text| Pattern::new(&RelPath::root(), text).is_ok())
    }

    fn small_paths() -> Vec<RelPath> {
        let names: [&[u8]; 9] = [b"a", b"b", b"ab", b"ba", b".a", b"a.b", b"B", b"Ab", b"aab"];
        let mut all = Vec::new();
        let mut level = vec![RelPath::root()];
        for _ in 0..3 {
            level = level.iter().flat_map(|path| names.iter().map(|name| path.child(name))).collect();
            all.extend(level.iter().cloned());
        }
        all
    }

    fn path_of(bytes: &[u8]) -> RelPath {
        bytes.split(|b| *b == b'/').fold(RelPath::root(), |path, name| {
            assert!(!name.is_empty() && name != b"." && name != b"..", "a name that can be: {name:?}");
            path.child(name)
        })
    }

    proptest! {
        #[test]
        fn f_10_f19_whatever_matches_both_is_an_overlap(a in globs(), b in globs()) {
            let (a, b) = (pattern(&a), pattern(&b));
            let common = small_paths().into_iter().find(|path| a.matches(path) && b.matches(path));
            if let Some(path) = common {
                prop_assert!(overlap(&a, &b), "{path} matches both");
                prop_assert!(overlap_ignoring_case(&a, &b), "{path} matches both");
            }
        }

        #[test]
        fn f19_every_overlap_has_a_path_to_show(a in globs(), b in globs()) {
            let (a, b) = (pattern(&a), pattern(&b));
            for case in [Case::Kept, Case::Folded] {
                let found = common_path(&Side::new(&a, case), &Side::new(&b, case), case);
                let told = if case == Case::Kept { overlap(&a, &b) } else { overlap_ignoring_case(&a, &b) };
                prop_assert_eq!(found.is_some(), told, "prefixes alone must never decide otherwise");
                let Some((of_a, of_b)) = found else { continue };
                prop_assert!(of_a.eq_ignore_ascii_case(&of_b));
                // In the folded walk prefixes are in lower case, so only the unfolded one can be shown to the matchers.
                if case == Case::Kept {
                    prop_assert_eq!(&of_a, &of_b);
                    prop_assert!(a.matches(&path_of(&of_a)), "{:?}", String::from_utf8_lossy(&of_a));
                    prop_assert!(b.matches(&path_of(&of_b)), "{:?}", String::from_utf8_lossy(&of_b));
                }
            }
        }

        #[test]
        fn f_9_f19_paths_that_differ_by_case_alone_are_an_overlap(a in globs(), b in globs()) {
            let (a, b) = (pattern(&a), pattern(&b));
            let folded: HashSet<Vec<u8>> =
                small_paths().iter().filter(|path| a.matches(path)).map(fold_case).collect();
            for path in small_paths() {
                let known = folded.contains(&fold_case(&path));
                prop_assert!(!known || matches_ignoring_case(&a, &path), "{path}");
                prop_assert!(!known || !b.matches(&path) || overlap_ignoring_case(&a, &b), "{path}");
            }
        }
    }
}
