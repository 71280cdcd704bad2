//! What a user wrote by hand, each text once, and where all of it is. Knows not what zen does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::harness::Workspace;

/// The texts that must be somewhere.
#[derive(Default)]
pub struct Canaries {
    alive: BTreeSet<String>,
    written: usize,
}

impl Canaries {
    fn next(&mut self) -> String {
        self.written += 1;
        let text = format!("canary {}\n", self.written);
        self.alive.insert(text.clone());
        text
    }

    /// What the user removes himself, if it is nowhere else.
    pub fn removes(&mut self, workspace: &Workspace, path: &Path) {
        let before = found(workspace);
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            fs::remove_dir_all(path).expect("it can be removed");
        } else {
            // Nothing may be there.
            let _ = fs::remove_file(path);
        }
        let after = found(workspace);
        self.alive.retain(|text| !before.contains_key(text) || after.contains_key(text));
    }

    /// Writes a file; not below one that is a file or a link.
    pub fn writes(&mut self, workspace: &Workspace, path: &str) {
        let path = workspace.path(path);
        let mut folders = path.ancestors().skip(1).take_while(|folder| *folder != workspace.root);
        if folders.any(|folder| folder.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir())) {
            return;
        }
        self.removes(workspace, &path);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("folders can be made");
        fs::write(path, self.next()).expect("it can be written");
    }

    /// Puts a link to a file or folder of the user's own in a place.
    pub fn links(&mut self, workspace: &Workspace, path: &str, to_folder: bool) {
        let path = workspace.path(path);
        self.removes(workspace, &path);
        let theirs = workspace.path(&format!("theirs/{}", self.written));
        let file = if to_folder { theirs.join("within") } else { theirs.clone() };
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("folders can be made");
        fs::write(&file, self.next()).expect("it can be written");
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("folders can be made");
        symlink(theirs, path).expect("a link can be made");
    }

    /// Changes the mode of what is there.
    pub fn changes_mode(&self, workspace: &Workspace, path: &str, mode: u32) {
        // Nothing may be there.
        let _ = fs::set_permissions(workspace.path(path), fs::Permissions::from_mode(mode));
    }

    /// What was in `replaced/` alone is no more, as the user asked for.
    pub fn cleans_replaced(&mut self, before: &BTreeMap<String, Vec<PathBuf>>, workspace: &Workspace) {
        let folder = workspace.path("target/zen/replaced");
        self.alive.retain(|text| before.get(text).is_none_or(|at| !at.iter().all(|path| path.starts_with(&folder))));
    }

    /// The texts that are not where the user would find them: in the workspace, or in `replaced/`. After a run that was
    /// killed zen may hold them elsewhere in its folder.
    pub fn missing(&self, workspace: &Workspace, was_killed: bool) -> Vec<String> {
        let found = found(workspace);
        let (zen, replaced) = (workspace.path("target/zen"), workspace.path("target/zen/replaced"));
        let is_good = |path: &PathBuf| was_killed || !path.starts_with(&zen) || path.starts_with(&replaced);
        let is_missing = |text: &&String| !found.get(*text).is_some_and(|at| at.iter().any(is_good));
        self.alive.iter().filter(is_missing).map(|text| format!("{text:?} at {:?}", found.get(text))).collect()
    }
}

/// Where each canary is, outside of the store.
pub fn found(workspace: &Workspace) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let store = workspace.path("target/zen/v1");
    for path in workspace.files_below("").into_iter().filter(|path| !path.starts_with(&store)) {
        if path.is_symlink() {
            continue;
        }
        if let Ok(text) = fs::read_to_string(&path)
            && text.starts_with("canary ")
        {
            found.entry(text).or_default().push(path);
        }
    }
    found
}
