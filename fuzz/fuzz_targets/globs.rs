//! Globs against a plain matcher that knows only the documented syntax, and what must hold between their questions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zen_core::glob::{PathSet, Pattern, matches_ignoring_case, overlap, overlap_ignoring_case};
use zen_core::path::RelPath;

fuzz_target!(|data: &[u8]| {
    // Lines: a path, then patterns. A first byte below 128: letters of a small alphabet, so that much meets.
    let Some((first, rest)) = data.split_first() else { return };
    let text: String = if *first < 128 {
        rest.iter().map(|byte| char::from(SMALL[usize::from(*byte) % SMALL.len()])).collect()
    } else {
        String::from_utf8_lossy(rest).into_owned()
    };
    let mut lines = text.split('\n');
    let Some(path) = lines.next().and_then(|line| RelPath::new(line).ok()) else { return };
    let texts: Vec<&str> = lines.take(4).collect();
    let patterns: Vec<Pattern> = texts.iter().filter_map(|text| one(text, &path)).collect();
    if path.is_root() || path.is_outside() {
        return;
    }
    for a in &patterns {
        for b in &patterns {
            pair(a, b, &path);
        }
    }
    if let [include, other, excluded @ ..] = &patterns[..] {
        let set = PathSet { include: vec![include.clone()], exclude: excluded.to_vec() };
        // Who excludes all below a path is taken to mean a folder there.
        let is_file_of_that_name = excluded.iter().any(|gone| gone.is_whole_tree() && *gone.prefix() == path);
        if set.matches(&path) && other.matches(&path) && !is_file_of_that_name {
            assert!(set.meets(other).is_some(), "{set:?} and {other:?} both mean {path:?}");
        }
    }
});

const SMALL: &[u8] = b"aabB/./*?[]{},!-\\^\n*/ab";

fn one(text: &str, path: &RelPath) -> Option<Pattern> {
    let pattern = Pattern::new(&RelPath::root(), text).ok()?;
    if path.is_root() || path.is_outside() {
        return Some(pattern);
    }
    let found = pattern.matches(path);
    if let Some(expected) = naive(text, path.as_bytes()) {
        assert_eq!(found, expected, "{text:?} and {path:?}");
    }
    for folder in std::iter::successors(path.parent(), RelPath::parent) {
        if found {
            assert!(pattern.may_match_below(&folder), "{text:?} means {path:?}, which lies below {folder:?}");
        }
        if pattern.matches_below(&folder) {
            assert!(found, "{text:?} means all below {folder:?}, but not {path:?}");
        }
    }
    if found {
        assert!(path.starts_with(pattern.prefix()));
        assert!(matches_ignoring_case(&pattern, path), "{text:?} means {path:?}");
        assert!(overlap(&pattern, &Pattern::tree(path)), "{text:?} meets {path:?}");
    }
    Some(pattern)
}

fn pair(a: &Pattern, b: &Pattern, path: &RelPath) {
    let meet = overlap(a, b);
    assert_eq!(meet, overlap(b, a), "{a:?} and {b:?}: the order must not matter");
    assert!(meet || !(a.matches(path) && b.matches(path)), "{a:?} and {b:?} both mean {path:?}");
    assert!(!meet || overlap_ignoring_case(a, b), "{a:?} and {b:?}");
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(u8),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[…]`: is it negated, and its ranges.
    Class(bool, Vec<(u8, u8)>),
}

/// Does the pattern mean the path? `None` where the documentation does not say.
fn naive(text: &str, path: &[u8]) -> Option<bool> {
    if !text.is_ascii() || !path.is_ascii() {
        return None;
    }
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let is_wild = |text: &str| text.contains(['*', '?', '[', '{']);
    if !is_wild(text) {
        if text.contains(['\\', '}', ']']) {
            return None;
        }
        let all = RelPath::new(text).ok()?;
        let is_folder = text.ends_with('/') || all.is_root();
        return Some(
            all.is_root() || path == all.as_bytes() && !is_folder || path.starts_with(&[all.as_bytes(), b"/"].concat()),
        );
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    // What is escaped in the last name, what is empty, and `.` and `..`, which are resolved in front of wildcards alone.
    if last.contains('\\') || text.split('/').any(|part| matches!(part, "." | "..")) || text.contains("//") {
        return None;
    }
    let all_below = !is_wild(last) && !last.contains(['}', ']']);
    let mut any = false;
    for alternative in expand(text.as_bytes())? {
        let mut components = components(&alternative)?;
        // `/` at the end means all below alone.
        if last.is_empty() {
            components.pop();
        } else {
            any |= is_match(&components, &names);
        }
        if all_below {
            components.push(None);
            any |= is_match(&components, &names);
        }
    }
    Some(any)
}

/// Without braces: every way to choose. `None` for what is no pattern, too many, and `**` at a brace.
fn expand(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let Some(open) = position(text, b'{') else {
        return position(text, b'}').is_none().then(|| vec![text.to_vec()]);
    };
    let (mut depth, mut at, mut cuts) = (0, open, vec![open]);
    let close = loop {
        match text.get(at)? {
            b'\\' => at += 1,
            b'[' => at = class_end(text, at)?,
            b'{' => depth += 1,
            b'}' if depth == 1 => break at,
            b'}' => depth -= 1,
            b',' if depth == 1 => cuts.push(at),
            _ => {}
        }
        at += 1;
    };
    cuts.push(close);
    let (before, after) = (&text[..open], &text[close + 1..]);
    let inner = &text[open..close];
    if before.ends_with(b"*")
        || after.starts_with(b"*")
        || inner.windows(2).any(|pair| pair == b"**")
        || inner.contains(&b'/')
        || before.ends_with(b"\\")
    {
        return None;
    }
    let mut all = Vec::new();
    for cut in cuts.windows(2) {
        let choice = &text[cut[0] + 1..cut[1]];
        all.extend(expand(&[before, choice, after].concat())?);
        if all.len() > 64 {
            return None;
        }
    }
    Some(all)
}

/// The first such byte that is neither escaped nor in a class.
fn position(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => at = class_end(text, at)?,
            byte if *byte == wanted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the class ends that begins here; a `]` that comes first is one of its characters.
fn class_end(text: &[u8], open: usize) -> Option<usize> {
    let first = open + 1 + usize::from(matches!(text.get(open + 1), Some(b'!' | b'^')));
    (first + 1..text.len()).find(|at| text[*at] == b']')
}

/// Name by name; `None` in the place of `**`.
fn components(text: &[u8]) -> Option<Vec<Option<Vec<Part>>>> {
    let (mut all, mut parts, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'/' => all.push(name(std::mem::take(&mut parts))),
            b'\\' => {
                at += 1;
                parts.push(Part::Literal(*text.get(at).filter(|byte| **byte != b'/')?));
            }
            b'?' => parts.push(Part::One),
            b'*' => parts.push(Part::Many),
            b'[' => {
                let close = class_end(text, at)?;
                parts.push(class(&text[at + 1..close])?);
                at = close;
            }
            byte => parts.push(Part::Literal(*byte)),
        }
        at += 1;
    }
    all.push(name(parts));
    Some(all)
}

fn name(parts: Vec<Part>) -> Option<Vec<Part>> {
    (parts != [Part::Many, Part::Many]).then_some(parts)
}

fn class(inner: &[u8]) -> Option<Part> {
    let (negated, mut rest) = match inner {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // What a `\`, a `/` or a `-` at an edge means in a class is not said.
    if rest.iter().any(|byte| matches!(byte, b'\\' | b'/')) || rest.starts_with(b"-") || rest.ends_with(b"-") {
        return None;
    }
    let mut ranges = Vec::new();
    while let [low, after @ ..] = rest {
        (rest, _) = match after {
            [b'-', b'-', ..] | [b'-', _, b'-', ..] => return None,
            [b'-', high, after @ ..] => (after, ranges.push((*low, *high))),
            after => (after, ranges.push((*low, *low))),
        };
    }
    Some(Part::Class(negated, ranges))
}

/// Which ends of `names` the components mean, from the last one on: each step is a row of a table.
fn is_match(components: &[Option<Vec<Part>>], names: &[&[u8]]) -> bool {
    let count = names.len();
    // Does what follows mean the names from here on?
    let mut means: Vec<bool> = (0..=count).map(|at| at == count).collect();
    for (nth, component) in components.iter().enumerate().rev() {
        let is_last = nth + 1 == components.len();
        means = (0..=count)
            .map(|at| match component {
                // At the end it means what lies below, not the folder itself.
                None if is_last => at < count,
                None => means[at..].contains(&true),
                Some(parts) => at < count && means[at + 1] && is_name(parts, names[at]),
            })
            .collect();
    }
    means[0]
}

fn is_name(parts: &[Part], name: &[u8]) -> bool {
    let count = name.len();
    let mut means: Vec<bool> = (0..=count).map(|at| at == count).collect();
    for part in parts.iter().rev() {
        let fits = |byte: &u8| match part {
            Part::Literal(literal) => literal == byte,
            Part::One => true,
            Part::Class(negated, ranges) => ranges.iter().any(|(low, high)| low <= byte && byte <= high) != *negated,
            Part::Many => false,
        };
        means = (0..=count)
            .map(|at| match part {
                Part::Many => means[at..].contains(&true),
                _ => at < count && fits(&name[at]) && means[at + 1],
            })
            .collect();
    }
    means[0]
}
