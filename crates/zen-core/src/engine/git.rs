//! What git knows of the workspace: the commit that is checked out, which files it tracks, what a revision is. Where there is
//! no git, or no repository, nobody misses it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::EngineError;
use super::history::Checkout;
use crate::path::RelPath;

/// A question to git that is being answered while the run goes on.
pub(super) struct Asked {
    git: Child,
    answer: Receiver<io::Result<String>>,
}

impl Asked {
    /// Asks what is checked out, and whether files that git tracks differ from it. `None` where there is nobody to ask.
    pub(super) fn checkout(root: &Path) -> Option<Self> {
        if !has_repository(root) {
            return None;
        }
        // Neither a lock that the user's own git would meet, nor a daemon that outlives the run.
        let args = ["--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"];
        let mut git = Command::new("git")
            .args(args)
            .args(["--no-ahead-behind", "--untracked-files=no", "--ignore-submodules=dirty"])
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut stdout = git.stdout.take()?;
        let (sender, answer) = channel();
        let reading = std::thread::Builder::new().spawn(move || {
            let mut text = String::new();
            // Whoever no longer waits needs no answer.
            let _ = sender.send(stdout.read_to_string(&mut text).map(|_| text));
        });
        if reading.is_err() {
            end(&mut git);
            return None;
        }
        Some(Self { git, answer })
    }

    /// The answer, if it comes in time: a run does not wait long for something that it does not need.
    pub(super) fn answer(mut self, patience: Duration) -> Option<Checkout> {
        let text = self.answer.recv_timeout(patience);
        let succeeded = match text {
            Ok(_) => self.git.wait().is_ok_and(|status| status.success()),
            Err(_) => false,
        };
        succeeded.then(|| checkout(&text.ok()?.ok()?)).flatten()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        end(&mut self.git);
    }
}

fn end(git: &mut Child) {
    // It has ended already, then.
    let _ = git.kill();
    let _ = git.wait();
}

/// Reads `status --porcelain=v2 --branch`.
fn checkout(status: &str) -> Option<Checkout> {
    let commit = status.lines().find_map(|line| line.strip_prefix("# branch.oid "))?;
    let is_commit = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dirty = status.lines().any(|line| !line.starts_with('#'));
    is_commit.then(|| Checkout { commit: commit.to_owned(), dirty })
}

/// The commit that a revision names; `None` if git knows none.
pub(super) fn resolve(root: &Path, revision: &str) -> Option<String> {
    let named = format!("{revision}^{{commit}}");
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &named];
    let said = Command::new("git").args(args).current_dir(root).stderr(Stdio::null()).output().ok()?;
    let commit = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (said.status.success() && !commit.is_empty()).then_some(commit)
}

/// What git tracks below the root; nothing where there is no repository.
///
/// # Errors
/// There is a repository, and git cannot say.
pub(super) fn tracked(root: &Path) -> Result<BTreeSet<RelPath>, EngineError> {
    if !has_repository(root) {
        return Ok(BTreeSet::new());
    }
    let failed = |why: &str| {
        let why = why.trim();
        EngineError::Usage(format!("nothing was removed: git cannot say which outputs it tracks ({why})"))
    };
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|error| failed(&error.to_string()))?;
    if !listed.status.success() {
        return Err(failed(&String::from_utf8_lossy(&listed.stderr)));
    }
    let paths = listed.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| RelPath::root().child(path)).collect())
}

fn has_repository(root: &Path) -> bool {
    root.ancestors().any(|folder| folder.join(".git").symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_its_commit_and_whether_tracked_files_differ() {
        let clean = "# branch.oid 0123456789abcdef0123456789abcdef01234567\n# branch.head main\n";
        let found = checkout(clean).unwrap();
        assert_eq!((found.commit.len(), found.dirty), (40, false));
        assert!(checkout(&format!("{clean}1 .M N... 100644 100644 100644 a b f\n")).unwrap().dirty);
        assert_eq!(checkout("# branch.oid (initial)\n# branch.head main\n"), None, "there is no commit yet");
        assert_eq!(checkout(""), None);
    }

    #[test]
    fn where_there_is_no_repository_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Asked::checkout(folder.path()).is_none());
        assert_eq!(tracked(folder.path()).unwrap(), BTreeSet::new());
        assert_eq!(resolve(folder.path(), "HEAD"), None);
    }
}
