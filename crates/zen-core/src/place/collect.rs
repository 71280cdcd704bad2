//! What a step made, as an artifact. Knows not what it is kept for.

use rayon::prelude::*;

use super::{FEW, PlaceError, Places};
use crate::artifact::{Artifact, Node};
use crate::model::{Output, Place};
use crate::path::RelPath;
use crate::store::Objects;

impl Places<'_> {
    /// The artifact at an output's place; its files go into `objects`, if there is one.
    ///
    /// # Errors
    /// It is not there and not optional, it is not what was declared, as [`Places::inspect`], or the store did
    /// not take it ([`PlaceError::NotStored`]).
    pub fn collect(&self, output: &Output, objects: Option<&dyn Objects>) -> Result<Artifact, PlaceError> {
        let place = || match &output.place {
            Place::Path { path, .. } => path.to_string(),
            Place::Glob(pattern) => pattern.to_string(),
        };
        let entries = self.inspect(&output.place)?.unwrap_or_default();
        // A folder that is empty is there: it is an entry itself.
        if entries.is_empty() && !output.optional {
            return Err(PlaceError::Missing { name: output.name.clone(), place: place() });
        }
        if let (Place::Path { folder: true, .. }, Some(first)) = (&output.place, entries.first())
            && first.node != Node::Folder
        {
            return Err(PlaceError::NotAFolder { name: output.name.clone(), place: place() });
        }
        let artifact = Artifact { name: output.name.clone(), entries };
        if let Some(objects) = objects {
            self.store(output.place.root(), &artifact, objects)?;
        }
        Ok(artifact)
    }

    fn store(&self, root: &RelPath, artifact: &Artifact, objects: &dyn Objects) -> Result<(), PlaceError> {
        let files: Vec<_> = artifact
            .entries
            .iter()
            .filter_map(|entry| match entry.node {
                Node::File { digest, size, .. } => Some((&entry.path, (digest, size))),
                Node::Link { .. } | Node::Folder => None,
            })
            .collect();
        let wanted: Vec<_> = files.iter().map(|(_, object)| *object).collect();
        let there = objects.contains(&wanted);
        files.par_iter().with_min_len(FEW).zip(there).filter(|(_, there)| !there).try_for_each(|((path, object), _)| {
            let path = root.under(path);
            let disk = self.disk(&path);
            let put =
                objects.put_file(&disk).map_err(|source| PlaceError::NotStored { path: path.to_string(), source })?;
            if put == *object { Ok(()) } else { Err(PlaceError::Changed { path: path.to_string() }) }
        })
    }
}
