//! The artifacts of a workspace by name and version: what there is, what is in place, and getting the bytes of one.
//! Changes nothing in the workspace.

use std::path::Path;

use super::settle::explanation_of;
use super::versions::Versions;
use super::{Definitions, EngineError, Project};
use crate::artifact::{Artifact, Key, Node};
use crate::key::{Component, content_input};
use crate::model::{ArtifactRef, Place, StepId, split_id};
use crate::path::RelPath;
use crate::place::{Places, Replaced, RestoreError};
use crate::scan::Scanner;
use crate::scan::cache::StatCache;
use crate::store::Objects;
use crate::store::local::LocalStore;
use crate::suggest;

pub use super::versions::Version;

/// One output of one step, with all contents that it has had here.
#[derive(Debug, Clone)]
pub struct Named {
    /// `pipeline/step`
    pub step: String,
    /// The output's name.
    pub output: String,
    /// Where it lies; `None`: the tables no longer define it.
    pub place: Option<Place>,
    /// Oldest first; never none.
    pub versions: Vec<Version>,
    /// The index of the version that is in place, if one is.
    pub current: Option<usize>,
}

impl Named {
    /// `pipeline/step.output`
    pub fn id(&self) -> String {
        format!("{}.{}", self.step, self.output)
    }

    /// The version that is in place, else the newest.
    pub fn usual(&self) -> &Version {
        &self.versions[self.current.unwrap_or(self.versions.len() - 1)]
    }

    /// Is this version what lies in its place now?
    pub fn is_in_place(&self, version: &Version) -> bool {
        self.current.is_some_and(|at| self.versions[at].number == version.number)
    }

    /// Does `name` mean it? An id, or a part of it that says enough: `step.output`, `output`, `step`.
    fn is_called(&self, name: &str) -> bool {
        let (_, step) = split_id(&self.step).unwrap_or(("", &self.step));
        let unpackaged = self.step.split_once(':').map_or(&*self.step, |(_, rest)| rest);
        let steps = [&*self.step, unpackaged, step];
        name == self.output
            || steps.contains(&name)
            || name
                .strip_suffix(&self.output)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|s| steps.contains(&s))
    }
}

/// Why there is no such artifact, or no bytes of it.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// No artifact is called so.
    #[error("there is no artifact `{name}`")]
    Unknown {
        /// As typed.
        name: String,
        /// What to do.
        help: String,
    },
    /// Several are.
    #[error("several artifacts are called `{name}`")]
    Several {
        /// As typed.
        name: String,
        /// Their ids.
        choices: Vec<String>,
    },
    /// It has no such version.
    #[error("`{id}` has no version {version}; it has {}", .known.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))]
    NoVersion {
        /// The artifact.
        id: String,
        /// As typed.
        version: String,
        /// Those that there are.
        known: Vec<u32>,
    },
    /// A path within it that is not there, or is no file.
    #[error("`{id}` has no file `{path}`")]
    NoFile {
        /// The artifact.
        id: String,
        /// As typed.
        path: String,
        /// The first files that there are.
        files: Vec<String>,
    },
    /// It is more than one file, or none, and no path says which.
    #[error("`{id}` is not one file; name one of those in it")]
    WhichFile {
        /// The artifact.
        id: String,
        /// The first files that there are.
        files: Vec<String>,
    },
    /// Its bytes are neither in place nor in the store.
    #[error("the bytes of `{id}` version {version} are no longer in the store")]
    Lost {
        /// The artifact.
        id: String,
        /// Its number.
        version: u32,
    },
    /// Where it is to be written, something is.
    #[error("`{0}` exists")]
    Exists(String),
    /// Writing met this.
    #[error("it cannot be written: {0}")]
    Write(String),
}

/// All artifacts that this workspace has had, sorted by step and output.
///
/// # Errors
/// The zen folder cannot be read.
pub fn catalog(project: &Project, definitions: &Definitions) -> Result<Vec<Named>, EngineError> {
    let zen_dir = project.workspace.zen_dir();
    let failed = |source| EngineError::ZenFolder { folder: zen_dir.clone(), source };
    let versions = Versions::open(&zen_dir).map_err(failed)?;
    let scanner = Scanner::new(&project.workspace.root, StatCache::open(&zen_dir.join("stat-cache")));
    let places = places(project, &scanner);
    let model = &definitions.model;
    let named = versions.known.into_iter().map(|((step, output), versions)| {
        let defined = model.steps.iter().find(|defined| defined.display_id == step);
        let declared = defined.and_then(|step| step.outputs.iter().find(|declared| declared.name == output));
        let place = declared.map(|output| output.place.clone());
        // What cannot be looked at is not what is in place.
        let is_there = |version: &Version| {
            place.as_ref().is_some_and(|place| places.matches(place, &version.artifact).unwrap_or(false))
        };
        let current = versions.iter().rposition(is_there);
        Named { step, output, place, versions, current }
    });
    Ok(named.collect())
}

fn places<'a>(project: &'a Project, scanner: &'a Scanner) -> Places<'a> {
    let workspace = &project.workspace;
    Places {
        root: &workspace.root,
        zen: &workspace.layout.zen_dir,
        target: &workspace.layout.target_dir,
        digests: scanner,
    }
}

/// Those that `name` means.
///
/// # Errors
/// None is.
pub fn named<'a>(all: &'a [Named], name: &str) -> Result<Vec<&'a Named>, ArtifactError> {
    let found: Vec<&Named> = all.iter().filter(|artifact| artifact.is_called(name)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<String> = all.iter().flat_map(|artifact| [artifact.id(), artifact.output.clone()]).collect();
    let help = match suggest::nearest(name, ids.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if all.is_empty() => "no step with outputs has run here yet".to_owned(),
        None => {
            suggest::help(name, all.iter().map(Named::id).collect::<Vec<_>>().iter().map(String::as_str), "artifacts")
        }
    };
    Err(ArtifactError::Unknown { name: name.to_owned(), help })
}

/// The one artifact and version that `NAME[@VERSION]` means; without a version the one in place, else the newest.
///
/// # Errors
/// No such artifact or version, or several artifacts.
pub fn one<'a>(all: &'a [Named], text: &str) -> Result<(&'a Named, &'a Version), ArtifactError> {
    let (name, version) = text.rsplit_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let artifact = match *named(all, name)? {
        [artifact] => artifact,
        ref several => match several.iter().find(|artifact| artifact.id() == name) {
            Some(exact) => exact,
            None => {
                let choices = several.iter().map(|artifact| artifact.id()).collect();
                return Err(ArtifactError::Several { name: name.to_owned(), choices });
            }
        },
    };
    let Some(written) = version else { return Ok((artifact, artifact.usual())) };
    let number = written.strip_prefix('v').unwrap_or(written).parse::<u32>().ok();
    let found = artifact.versions.iter().find(|version| Some(version.number) == number);
    found.map(|version| (artifact, version)).ok_or_else(|| ArtifactError::NoVersion {
        id: artifact.id(),
        version: written.to_owned(),
        known: artifact.versions.iter().map(|version| version.number).collect(),
    })
}

/// How many records of a step are looked through for uses of an artifact.
const RECORDS: usize = 200;

/// The steps whose recorded keys hold this version, each with the key; sorted. Those that take it by its identity, or
/// that the tables no longer define, are not found.
pub fn users(definitions: &Definitions, store: &LocalStore, artifact: &Named, version: &Version) -> Vec<(String, Key)> {
    let model = &definitions.model;
    let is_maker = |step: &StepId| model.step(*step).display_id == artifact.step;
    let Some(maker) = model.step_ids().find(is_maker) else { return Vec::new() };
    let Some(at) = model.step(maker).outputs.iter().position(|output| output.name == artifact.output) else {
        return Vec::new();
    };
    let held = content_input(model.step(maker).outputs[at].place_in_keys(), version.artifact.digest());
    let this = ArtifactRef { step: maker, output: at };
    let mut users = Vec::new();
    for step in model.steps.iter().filter(|step| step.inputs.iter().any(|input| input.artifacts().contains(&this))) {
        for record in store.records.latest_of_step(&step.display_id, RECORDS) {
            let explanation = explanation_of(store, &record).unwrap_or_default();
            let mut inputs = explanation.items.iter().filter(|item| item.component == Component::Inputs);
            if inputs.any(|item| item.digest == held) {
                users.push((step.display_id.clone(), record.key));
            }
        }
    }
    users.sort_unstable();
    users
}

/// The bytes of the artifact's only file, or of the file `path` in it.
///
/// # Errors
/// No such file, or its bytes are gone.
pub fn bytes(
    artifact: &Named,
    version: &Version,
    path: Option<&str>,
    store: &dyn Objects,
    root: &Path,
) -> Result<Vec<u8>, ArtifactError> {
    let files = || version.artifact.entries.iter().filter(|entry| matches!(entry.node, Node::File { .. }));
    let found = match path {
        Some(wanted) => files().find(|entry| entry.path.as_bytes() == wanted.as_bytes()),
        None => files().next().filter(|_| files().count() == 1),
    };
    let Some(entry) = found else {
        let files = files().map(|entry| entry.path.to_string()).take(12).collect();
        let id = artifact.id();
        return Err(match path {
            Some(path) => ArtifactError::NoFile { id, path: path.to_owned(), files },
            None => ArtifactError::WhichFile { id, files },
        });
    };
    let Node::File { digest, .. } = entry.node else {
        return Err(ArtifactError::Lost { id: artifact.id(), version: version.number });
    };
    if let Ok(bytes) = store.read(digest) {
        return Ok(bytes);
    }
    // What an uncached step made is in its place alone.
    let in_place = artifact.place.as_ref().map(|place| place.root().under(&entry.path).to_path(root));
    let read = in_place.and_then(|path| std::fs::read(path).ok());
    let read = read.filter(|bytes| crate::digest::Digest::of(bytes) == digest);
    read.ok_or_else(|| ArtifactError::Lost { id: artifact.id(), version: version.number })
}

/// Writes a version to `to` (absolute), where nothing may be.
///
/// # Errors
/// Something is there, the bytes are gone, or writing failed.
pub fn export(artifact: &Named, version: &Version, to: &Path, store: &dyn Objects) -> Result<(), ArtifactError> {
    let shown = to.display().to_string();
    let unwritable = |error: &dyn std::error::Error| ArtifactError::Write(super::job::chain(error));
    if to.symlink_metadata().is_ok() {
        return Err(ArtifactError::Exists(shown));
    }
    let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else { return Err(ArtifactError::Exists(shown)) };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(&error))?;
    let path = RelPath::root().child(name.as_encoded_bytes());
    // An artifact of a glob has files alone, below the glob's prefix.
    let place = match version.artifact.entries.first() {
        Some(first) if first.path.is_root() => Place::Path { path, folder: false },
        _ => Place::Glob(crate::glob::Pattern::tree(&path)),
    };
    // A file of this name there is none: nothing of this is remembered.
    let scanner = Scanner::new(folder, StatCache::open(&folder.join(".zen-tmp-no-cache")));
    let places = Places { root: folder, zen: &RelPath::root(), target: &RelPath::root(), digests: &scanner };
    let content = Artifact { name: version.artifact.name.clone(), entries: version.artifact.entries.clone() };
    let mut replaced = Replaced::new("export".to_owned());
    match places.restore(&place, &content, store, &|_, _| false, &mut replaced) {
        Ok(_) => Ok(()),
        Err(RestoreError::Lost(_)) => Err(ArtifactError::Lost { id: artifact.id(), version: version.number }),
        Err(error) => Err(unwritable(&error)),
    }
}
