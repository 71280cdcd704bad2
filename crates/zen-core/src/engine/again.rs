//! Does a step make the same again? It is run in a copy of the workspace, and what it makes there is compared with what its
//! record holds, byte by byte.
#![expect(clippy::disallowed_methods, reason = "an edge: copies the workspace and reads what was made in the copy")]

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::Project;
use crate::artifact::{Artifact, Entry, Node, Record};
use crate::model::Step;
use crate::path::{RelPath, escape};
use crate::place::symlink;
use crate::store::{FetchError, Objects};

/// A copy of a workspace, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// A copy of what lies below the root would lack it.
    #[error(
        "package `{package}` lies outside of the workspace root, at `{dir}`: a copy of the workspace would lack it"
    )]
    Outside {
        /// The package.
        package: String,
        /// Its folder.
        dir: RelPath,
    },
    /// What copying met.
    #[error("the workspace cannot be copied to the system's temporary folder: {0}")]
    Io(#[from] io::Error),
}

/// The first thing that a step made otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The output.
    pub output: String,
    /// Where it lies in the workspace.
    pub path: RelPath,
    /// What is different.
    pub what: Differs,
}

/// How it differs from what the record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// It was made then, and not now.
    NotMade,
    /// It was not made then.
    New,
    /// It was a file, and is a folder, for example.
    Kind,
    /// Its executable bit.
    Executable,
    /// What the symlink says.
    Target,
    /// The first byte that is another one, counted from 0; `None` where the file had ended.
    Byte {
        /// Where.
        at: u64,
        /// Then.
        old: Option<u8>,
        /// Now.
        new: Option<u8>,
    },
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let byte = |byte: &Option<u8>| match byte {
            Some(byte @ b' '..=b'~') => format!("0x{byte:02x} ({})", char::from(*byte)),
            Some(byte) => format!("0x{byte:02x}"),
            None => "the end".to_owned(),
        };
        match self {
            Self::NotMade => f.write_str("was not made again"),
            Self::New => f.write_str("was not made then"),
            Self::Kind => f.write_str("is of another kind now"),
            Self::Executable => f.write_str("has another executable bit now"),
            Self::Target => f.write_str("leads elsewhere now"),
            Self::Byte { at, old, new } => write!(f, "byte {at}: {} → {}", byte(old), byte(new)),
        }
    }
}

impl Scratch {
    /// Copies all of a workspace but the target folder, the zen folder, the store and `.git`; by reflink where the file
    /// system can.
    ///
    /// # Errors
    /// See [`ScratchError`].
    pub fn copy_of(project: &Project, store: &Path) -> Result<Self, ScratchError> {
        let workspace = &project.workspace;
        if let Some(package) = workspace.layout.packages.iter().find(|package| package.dir.is_outside()) {
            return Err(ScratchError::Outside { package: package.name.clone(), dir: package.dir.clone() });
        }
        let (target, git) = (workspace.target_dir.clone(), workspace.root.join(".git"));
        let left_out = [target, workspace.zen_dir(), store.to_owned(), git];
        let folder = tempfile::Builder::new().prefix("cargo-zen-").tempdir()?;
        copy(&workspace.root, &folder.path().join("workspace"), &left_out)?;
        Ok(Self { folder })
    }

    /// The copy's root.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// The first difference between what a record holds and what the step made now, in this copy.
    ///
    /// # Errors
    /// What reading met; the store has lost what the record holds.
    pub fn first_difference(
        &self,
        step: &Step,
        record: &Record,
        made: &[Artifact],
        store: &dyn Objects,
    ) -> io::Result<Option<Difference>> {
        for ((output, then), now) in step.outputs.iter().zip(&record.artifacts[..]).zip(made) {
            let root = output.place.root();
            let Some((path, pair)) = first_pair(&then.entries, &now.entries) else { continue };
            let path = root.under(&path);
            let what = match pair {
                (Some(_), None) => Differs::NotMade,
                (None, _) => Differs::New,
                (
                    Some(Node::File { digest, size, executable: then }),
                    Some(Node::File { digest: new, executable: now, .. }),
                ) => {
                    if digest == new && then != now {
                        Differs::Executable
                    } else {
                        let old = self.folder.path().join("recorded");
                        store.fetch(*digest, *size, &old).map_err(|error| match error {
                            FetchError::Io(error) => error,
                            lost => io::Error::other(lost),
                        })?;
                        first_byte(&old, &path.to_path(&self.root()))?
                    }
                }
                (Some(Node::Link { .. }), Some(Node::Link { .. })) => Differs::Target,
                _ => Differs::Kind,
            };
            return Ok(Some(Difference { output: output.name.clone(), path, what }));
        }
        Ok(None)
    }
}

/// Both are sorted by path.
type Pair<'e> = (Option<&'e Node>, Option<&'e Node>);

fn first_pair<'e>(then: &'e [Entry], now: &'e [Entry]) -> Option<(RelPath, Pair<'e>)> {
    let (mut then, mut now) = (then.iter().peekable(), now.iter().peekable());
    loop {
        match (then.peek(), now.peek()) {
            (None, None) => return None,
            (Some(old), Some(new)) if old.path == new.path => {
                if old.node != new.node {
                    return Some((old.path.clone(), (Some(&old.node), Some(&new.node))));
                }
                then.next();
                now.next();
            }
            (Some(old), new) if new.is_none_or(|new| old.path < new.path) => {
                return Some((old.path.clone(), (Some(&old.node), None)));
            }
            (_, Some(new)) => return Some((new.path.clone(), (None, Some(&new.node)))),
            (Some(old), None) => return Some((old.path.clone(), (Some(&old.node), None))),
        }
    }
}

fn first_byte(old: &Path, new: &Path) -> io::Result<Differs> {
    let (mut old, mut new) = (BufReader::new(File::open(old)?).bytes(), BufReader::new(File::open(new)?).bytes());
    for at in 0.. {
        let (old, new) = (old.next().transpose()?, new.next().transpose()?);
        if old != new || old.is_none() {
            return Ok(Differs::Byte { at, old, new });
        }
    }
    unreachable!("a file ends")
}

/// FIFOs, sockets and devices have no bytes.
fn copy(from: &Path, to: &Path, left_out: &[PathBuf]) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let copied = if left_out.contains(&from) {
            Ok(())
        } else if kind.is_dir() {
            copy(&from, &to, left_out)
        } else if kind.is_symlink() {
            fs::read_link(&from).and_then(|target| symlink(&target, &to))
        } else if kind.is_file() {
            reflink_copy::reflink_or_copy(&from, &to).map(drop)
        } else {
            Ok(())
        };
        copied.map_err(|error| {
            io::Error::new(error.kind(), format!("`{}`: {error}", escape(from.as_os_str().as_encoded_bytes())))
        })?;
    }
    Ok(())
}
