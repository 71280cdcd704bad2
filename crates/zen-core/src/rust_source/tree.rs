//! The module tree of a crate: where the file of a `mod` lies, by the compiler's rules. Knows no names but modules'.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outline::{Item, Kind, Module, Outline, SyntaxError};
use super::{Library, Problem, Read, Reading, Unreadable};
use crate::digest::Digest;
use crate::path::RelPath;

/// Modules and `include!`s deeper than this are taken for a circle.
const DEEPEST: usize = 64;

/// Where the files of submodules lie.
#[derive(Debug, Clone)]
struct Folder {
    path: RelPath,
    /// The folder within it that bears the module's name, for the submodules of `name.rs`.
    below: Option<String>,
}

impl Folder {
    fn of_file(file: &RelPath) -> Self {
        Self { path: file.parent().unwrap_or_else(RelPath::root), below: None }
    }

    /// Where `name.rs` and `name/` lie.
    fn of_names(&self) -> RelPath {
        self.below.iter().fold(self.path.clone(), |path, below| path.child(below.as_bytes()))
    }
}

/// Items that stand together, and where.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) outline: Arc<Outline>,
    pub(super) file: RelPath,
    folder: Folder,
}

/// A module. One `mod` may be several: alternatives of a `cfg`.
#[derive(Debug)]
pub(super) struct Place {
    /// Its names from the crate root, which has none.
    pub(super) way: Vec<String>,
    /// The `cfg`s on the way.
    pub(super) cfg: Vec<Digest>,
    /// Of the tokens of its `mod`, without the content.
    pub(super) header: Option<Digest>,
    pub(super) above: Option<Arc<Place>>,
    /// Its own content first, then what it includes by `include!`.
    pub(super) parts: Vec<Part>,
}

impl Place {
    /// All items, with the part that each stands in.
    pub(super) fn items(&self) -> impl Iterator<Item = (&Part, &Item)> {
        self.parts.iter().flat_map(|part| part.outline.items.iter().map(move |item| (part, item)))
    }

    /// The crate root.
    pub(super) fn root(self: &Arc<Self>) -> Arc<Self> {
        let mut place = self;
        while let Some(above) = &place.above {
            place = above;
        }
        Arc::clone(place)
    }
}

/// What stands behind one `mod`.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) places: Vec<Arc<Place>>,
    /// The files that it could lie in.
    pub(super) looked_for: Vec<RelPath>,
    /// Does the step at hand make one of them?
    pub(super) is_own: bool,
}

/// The files of a crate, read as they are needed.
pub(super) struct Tree<'t> {
    library: &'t mut Library,
    read: Read<'t>,
    /// What was looked at.
    pub(super) files: BTreeMap<RelPath, Option<Digest>>,
}

impl<'t> Tree<'t> {
    pub(super) fn new(library: &'t mut Library, read: Read<'t>) -> Self {
        Self { library, read, files: BTreeMap::new() }
    }

    /// The crate whose root is `file`; `None` if nothing is there.
    pub(super) fn root(&mut self, file: &RelPath) -> Result<Option<Arc<Place>>, Problem> {
        let Content::Outline(outline) = self.content(file)? else { return Ok(None) };
        let first = Part { outline, file: file.clone(), folder: Folder::of_file(file) };
        Ok(Some(Arc::new(Place {
            way: Vec::new(),
            cfg: first.outline.cfg.clone(),
            header: None,
            above: None,
            parts: self.with_included(first)?,
        })))
    }

    /// The module that `item` of `place`, in `part`, declares.
    pub(super) fn open(
        &mut self,
        place: &Arc<Place>,
        part: &Part,
        item: &Item,
        module: &Module,
    ) -> Result<Opened, Problem> {
        let name = item.names.first().map_or("", String::as_str);
        let mut opened = Opened { places: Vec::new(), looked_for: Vec::new(), is_own: false };
        let mut firsts = Vec::new();
        if let Some(outline) = &module.inline {
            for folder in inline_folders(part, name, module)? {
                firsts.push(Part { outline: Arc::clone(outline), file: part.file.clone(), folder });
            }
        } else {
            for (file, folder) in candidates(part, name, module)? {
                match self.content(&file)? {
                    Content::Outline(outline) => firsts.push(Part { outline, file: file.clone(), folder }),
                    Content::Own => opened.is_own = true,
                    Content::Absent => {}
                }
                opened.looked_for.push(file);
            }
        }
        let way: Vec<String> = place.way.iter().cloned().chain([name.to_owned()]).collect();
        if way.len() > DEEPEST {
            return Err(circle(&part.file));
        }
        for first in firsts {
            opened.places.push(Arc::new(Place {
                cfg: place.cfg.iter().chain(&item.cfg).chain(&first.outline.cfg).copied().collect(),
                way: way.clone(),
                header: Some(item.tokens),
                above: Some(Arc::clone(place)),
                parts: self.with_included(first)?,
            }));
        }
        Ok(opened)
    }

    /// A module's content, and what it includes, which stands in the same module.
    fn with_included(&mut self, first: Part) -> Result<Vec<Part>, Problem> {
        let mut parts = vec![first];
        let mut at = 0;
        while at < parts.len() {
            let part = parts[at].clone();
            for item in &part.outline.items {
                let Kind::Call { include: Some(Some(path)), .. } = &item.kind else { continue };
                let file = joined(&part.file.parent().unwrap_or_else(RelPath::root), path, &part.file)?;
                // What is not there is missed by the compiler as well, if it comes to it.
                if let Content::Outline(outline) = self.content(&file)? {
                    parts.push(Part { outline, folder: Folder::of_file(&file), file });
                }
            }
            at += 1;
            if at > DEEPEST {
                return Err(circle(&part.file));
            }
        }
        Ok(parts)
    }

    fn content(&mut self, file: &RelPath) -> Result<Content, Problem> {
        let reading = (self.read)(file);
        let reading = reading.map_err(|Unreadable { reason, help }| Problem::Refused { reason, help })?;
        let text = match reading {
            Reading::Text(text) => text,
            Reading::Own => return Ok(Content::Own),
            Reading::NotYet => return Err(Problem::NotYet(file.clone())),
            Reading::Made(None) => return Ok(Content::Absent),
            Reading::Made(Some(text)) => return parsed(file, self.library.outline(&text).1),
            Reading::Absent => {
                self.files.insert(file.clone(), None);
                return Ok(Content::Absent);
            }
        };
        let (digest, outline) = self.library.outline(&text);
        self.files.insert(file.clone(), Some(digest));
        parsed(file, outline)
    }
}

fn parsed(file: &RelPath, outline: Result<Arc<Outline>, SyntaxError>) -> Result<Content, Problem> {
    outline.map(Content::Outline).map_err(|error| Problem::Syntax {
        file: file.clone(),
        line: error.line,
        message: error.message,
    })
}

enum Content {
    Outline(Arc<Outline>),
    Absent,
    Own,
}

/// Where the submodules of an inline module lie: `#[path]` names the folder.
fn inline_folders(part: &Part, name: &str, module: &Module) -> Result<Vec<Folder>, Problem> {
    let mut folders = Vec::new();
    for path in &module.paths {
        folders.push(Folder { path: joined(&part.folder.path, path, &part.file)?, below: None });
    }
    if !module.is_elsewhere {
        folders.push(Folder { path: part.folder.of_names().child(name.as_bytes()), below: None });
    }
    Ok(folders)
}

/// The files that `mod name;` may mean, each with where its own submodules lie.
fn candidates(part: &Part, name: &str, module: &Module) -> Result<Vec<(RelPath, Folder)>, Problem> {
    let mut found = Vec::new();
    for path in &module.paths {
        let file = joined(&part.folder.path, path, &part.file)?;
        let folder = Folder::of_file(&file);
        found.push((file, folder));
    }
    if !module.is_elsewhere {
        let base = part.folder.of_names();
        let beside = base.child(format!("{name}.rs").as_bytes());
        let within = base.child(name.as_bytes()).child(b"mod.rs");
        found.push((beside, Folder { path: base, below: Some(name.to_owned()) }));
        let folder = Folder::of_file(&within);
        found.push((within, folder));
    }
    Ok(found)
}

fn joined(folder: &RelPath, path: &str, file: &RelPath) -> Result<RelPath, Problem> {
    folder.join(path).map_err(|error| Problem::Refused {
        reason: format!("`{file}` names a file that cannot be followed: {error}"),
        help: "write the path in the sources relative to the file, with `/`".to_owned(),
    })
}

fn circle(file: &RelPath) -> Problem {
    Problem::Refused {
        reason: format!("the modules of `{file}` go round in a circle"),
        help: "a file cannot be a module of itself".to_owned(),
    }
}
