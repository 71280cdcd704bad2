//! Workspace-relative paths: bytes, `/` between components, normalised lexically. Knows no disk.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path relative to the workspace root.
///
/// The bytes are those of the file name as the system has it, so names that are not UTF-8 survive. There is no `.`,
/// no empty component and no trailing `/`; `..` stands only at the front (a path package or a target directory may
/// lie beside the workspace). The empty path is the root itself. Ordering is by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelPath(Box<[u8]>);

/// Why some text is no workspace-relative path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It starts at a file system's root (`/x`, `C:\x`).
    #[error("`{0}` is absolute; write it relative to the folder that the table belongs to")]
    Absolute(String),
    /// It holds a NUL byte.
    #[error("`{0}` holds a NUL byte")]
    Nul(String),
    /// It holds a backslash, which is a separator on Windows alone.
    #[error("`{0}` holds a backslash; separate folders with `/`")]
    Backslash(String),
}

impl RelPath {
    /// The workspace root.
    pub fn root() -> Self {
        Self(Box::default())
    }

    /// Reads `text` as written in a table, relative to the root.
    ///
    /// # Errors
    /// Absolute paths, NUL bytes, and backslashes.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::root().join(text)
    }

    /// Reads `text` as written in a table, relative to this folder. `..` is resolved lexically.
    ///
    /// # Errors
    /// As [`RelPath::new`].
    pub fn join(&self, text: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let text = text.as_ref();
        let shown = || escape(text);
        if text.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        if text.starts_with(b"/") || matches!(text, [drive, b':', ..] if drive.is_ascii_alphabetic()) {
            return Err(PathError::Absolute(shown()));
        }
        if text.contains(&b'\\') {
            return Err(PathError::Backslash(shown()));
        }
        let mut parts: Vec<&[u8]> = self.components().collect();
        push_all(&mut parts, text);
        Ok(Self(parts.join(&b'/').into()))
    }

    /// Appends names that the file system gave (they may hold any byte but `/` and NUL).
    pub fn child(&self, name: &[u8]) -> Self {
        if self.0.is_empty() {
            return Self(name.into());
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// Both put one after the other. `below` may be the root, then this is `self`.
    pub fn under(&self, below: &RelPath) -> Self {
        if below.0.is_empty() {
            return self.clone();
        }
        let mut parts: Vec<&[u8]> = self.components().collect();
        push_all(&mut parts, &below.0);
        Self(parts.join(&b'/').into())
    }

    /// How `path` lies relative to `root`, both absolute and normalised; `None` if they share no root at all
    /// (two drives) or a name cannot be written as bytes.
    pub fn from_absolute(root: &Path, path: &Path) -> Option<Self> {
        if let Ok(below) = path.strip_prefix(root) {
            return path_bytes(below).map(Self);
        }
        let root: Vec<_> = root.components().collect();
        let path: Vec<_> = path.components().collect();
        let common = root.iter().zip(&path).take_while(|(a, b)| a == b).count();
        if common == 0 {
            return None;
        }
        let up = std::iter::repeat_n("..", root.len() - common);
        let down: PathBuf = path[common..].iter().collect();
        let whole: PathBuf = up.map(PathBuf::from).chain([down]).collect();
        path_bytes(&whole).map(Self)
    }

    /// The bytes, `/`-separated.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Is this the workspace root?
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Does it lead out of the workspace (`../x`)?
    pub fn is_outside(&self) -> bool {
        self.components().next() == Some(b"..")
    }

    /// The components, first to last.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The folder that it lies in; `None` for the root and for `..`.
    pub fn parent(&self) -> Option<Self> {
        let name = self.file_name()?;
        let end = self.0.len() - name.len();
        Some(Self(self.0[..end.saturating_sub(1)].into()))
    }

    /// The last component; `None` for the root and for `..`.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back().filter(|name| *name != b"..")
    }

    /// Is this `folder` itself, or below it?
    pub fn starts_with(&self, folder: &RelPath) -> bool {
        self.strip_prefix(folder).is_some()
    }

    /// The rest below `folder` (empty if equal); `None` if it does not lie there.
    pub fn strip_prefix(&self, folder: &RelPath) -> Option<&[u8]> {
        if folder.0.is_empty() {
            return (!self.is_outside()).then_some(&self.0);
        }
        match self.0.strip_prefix(&*folder.0)? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// How to write this path for someone whose working folder is `folder`; `.` for the folder itself.
    pub fn relative_to(&self, folder: &RelPath) -> Vec<u8> {
        let mine: Vec<_> = self.components().collect();
        let base: Vec<_> = folder.components().collect();
        let common = mine.iter().zip(&base).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n(&b".."[..], base.len() - common);
        let parts: Vec<_> = up.chain(mine[common..].iter().copied()).collect();
        if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
    }

    /// The place on disk.
    pub fn to_path(&self, root: &Path) -> PathBuf {
        if self.0.is_empty() { root.to_path_buf() } else { root.join(bytes_path(&self.0)) }
    }
}

fn push_all<'a>(parts: &mut Vec<&'a [u8]>, text: &'a [u8]) {
    for part in text.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
}

/// The bytes of a relative path as the system gives it; `None` where a name is no text on a system without byte names.
pub fn path_bytes(path: &Path) -> Option<Box<[u8]>> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(path.as_os_str().as_bytes().into())
    }
    #[cfg(not(unix))]
    {
        path.to_str().map(|text| text.replace('\\', "/").into_bytes().into())
    }
}

/// The system's path for bytes made by [`path_bytes`] or read from a table.
pub fn bytes_path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Bytes as text for people: what is not printable is escaped, so that a name can never steer a terminal.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || is_bidi(c) { out.extend(c.escape_default()) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl std::borrow::Borrow<[u8]> for RelPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { return f.write_str(&escape(&self.0)) })
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn normalises_lexically() {
        assert_eq!(path("a/./b//c/../d/"), path("a/b/d"));
        assert_eq!(path("a/..").as_bytes(), b"");
        assert_eq!(path("a/../../b").as_bytes(), b"../b");
        assert!(path("../b").is_outside());
        assert_eq!(path("..").join("../x").unwrap().as_bytes(), b"../../x");
    }

    #[test]
    fn refuses_what_is_not_relative() {
        for text in ["/etc", "C:/x", "a\\b", "a\0b"] {
            assert!(RelPath::new(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn relates_paths() {
        assert_eq!(path("a/b/c").strip_prefix(&path("a/b")), Some(&b"c"[..]));
        assert_eq!(path("a/bc").strip_prefix(&path("a/b")), None);
        assert_eq!(path("../x").strip_prefix(&RelPath::root()), None);
        assert_eq!(path("a/b").relative_to(&path("a/c/d")), b"../../b");
        assert_eq!(path("a").relative_to(&path("a")), b".");
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(path("..").parent(), None);
    }

    #[test]
    fn crosses_out_of_the_root() {
        let root = Path::new("/w/ws");
        assert_eq!(RelPath::from_absolute(root, Path::new("/w/ws/a/b")), Some(path("a/b")));
        assert_eq!(RelPath::from_absolute(root, Path::new("/w/t/zen")), Some(path("../t/zen")));
    }

    #[test]
    fn escapes_what_could_steer_a_terminal() {
        assert_eq!(escape(b"a\x1b[31m\xff"), "a\\u{1b}[31m\\xff");
        assert_eq!(escape("\u{202e}x".as_bytes()), "\\u{202e}x");
    }
}
