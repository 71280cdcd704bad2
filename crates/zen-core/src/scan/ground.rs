//! What a walk's answer rests on beside the stamps of what it found: folders that were listed, names that were looked
//! for. While all of it is as it was, another walk would find the same. Knows not what it was looked at for.

use std::collections::BTreeMap;
use std::fs::Metadata;

use super::stamp::Stamp;
use crate::path::RelPath;

/// All of it, for all sets of a walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// Folders whose names were read.
    pub listed: Vec<Listed>,
    /// Paths that were looked for by their names.
    pub probed: Vec<Probed>,
    /// What stood above these on the way from the root; `None`: nothing.
    pub above: BTreeMap<RelPath, Option<Stood>>,
}

/// A folder that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where.
    pub folder: RelPath,
    /// As stated after it was listed.
    pub stamp: Stamp,
    /// For which sets, ascending.
    pub sets: Vec<u32>,
}

/// A path that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Where.
    pub path: RelPath,
    /// What was there; `None`: nothing.
    pub stood: Option<Stood>,
    /// For which sets.
    pub sets: Vec<u32>,
}

/// Something that stood at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// As stated.
    pub stamp: Stamp,
    /// Is it a folder? Then what is in it says nothing here.
    pub is_folder: bool,
    /// Is it a link?
    pub is_link: bool,
}

impl Stood {
    /// Of metadata that was read without following links.
    pub fn of(metadata: &Metadata) -> Self {
        Self { stamp: Stamp::of(metadata), is_folder: metadata.is_dir(), is_link: metadata.is_symlink() }
    }
}
