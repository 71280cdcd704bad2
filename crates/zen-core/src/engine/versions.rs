//! Which contents each output has had in this workspace, numbered in the order in which they came. Kept in a log in the
//! zen folder; losing it costs the numbers alone.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::{StepEntry, StepOutcome};
use super::session::{Progress, World};
use crate::artifact::{Artifact, Key, RunId, Timestamp};
use crate::model::StepMap;
use crate::store::log::FrameLog;

const VERSION: u32 = 1;
/// Versions of one output that are kept when the log is written anew …
const KEPT: usize = 200;
/// … which happens when one has this many.
const MANY: usize = 2 * KEPT;

/// One content of one output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1 on; the same content again is the same version.
    pub number: u32,
    /// The content.
    pub artifact: Artifact,
    /// The run that made it.
    pub run: RunId,
    /// What it was made from, where that could be computed.
    pub key: Option<Key>,
    /// When it was made.
    pub ended: Timestamp,
}

/// The versions of a workspace's outputs.
#[derive(Debug)]
pub(super) struct Versions {
    log: FrameLog,
    /// The steps that are asked for; `None`: all.
    only: Option<HashSet<String>>,
    /// Step and output → versions, oldest first.
    pub(super) known: BTreeMap<(String, String), Vec<Version>>,
}

impl Versions {
    /// Those in a zen folder; none if there are none.
    ///
    /// # Errors
    /// What reading met.
    pub(super) fn open(zen_dir: &Path) -> io::Result<Self> {
        Self::read(zen_dir, None)
    }

    fn read(zen_dir: &Path, only: Option<HashSet<String>>) -> io::Result<Self> {
        let mut versions = Self { log: FrameLog::open(zen_dir.join(FILE)), only, known: BTreeMap::new() };
        versions.refresh()?;
        Ok(versions)
    }

    fn refresh(&mut self) -> io::Result<()> {
        let changed = self.log.refresh()?;
        if changed.reset {
            self.known.clear();
        }
        for frame in changed.frames.into_iter().filter(|frame| frame.kind == VERSION) {
            let step = || postcard::take_from_bytes::<&str>(self.log.peek(frame)).map_or("", |(step, _)| step);
            if self.only.as_ref().is_some_and(|only| !only.contains(step())) {
                continue;
            }
            // A frame that is damaged, or that another version wrote, says nothing.
            let payload = self.log.payload(frame).map(postcard::from_bytes::<(String, Version)>);
            if let Some(Ok((step, version))) = payload {
                self.known.entry((step, version.artifact.name.clone())).or_default().push(version);
            }
        }
        Ok(())
    }

    /// Numbers the contents that were not there before.
    fn add(&mut self, found: Vec<(String, Version)>) -> io::Result<()> {
        self.refresh()?;
        let mut payloads = Vec::new();
        for (step, mut version) in found {
            let versions = self.known.entry((step.clone(), version.artifact.name.clone())).or_default();
            let digest = version.artifact.digest();
            if versions.iter().any(|known| known.artifact.digest() == digest) {
                continue;
            }
            version.number = versions.last().map_or(1, |last| last.number + 1);
            payloads.push(postcard::to_stdvec(&(&step, &version)).map_err(io::Error::other)?);
            versions.push(version);
        }
        if payloads.is_empty() {
            return Ok(());
        }
        self.log.append(&frames(&payloads))?;
        if self.known.values().any(|versions| versions.len() >= MANY) { self.forget_old() } else { Ok(()) }
    }

    fn forget_old(&mut self) -> io::Result<()> {
        if self.only.take().is_some() {
            self.known.clear();
            self.log = FrameLog::open(self.log.path());
            self.refresh()?;
        }
        let mut payloads = Vec::new();
        for ((step, _), versions) in &mut self.known {
            versions.drain(..versions.len().saturating_sub(KEPT));
            for version in versions {
                payloads.push(postcard::to_stdvec(&(&step, &version)).map_err(io::Error::other)?);
            }
        }
        self.log.write()?.replace(&frames(&payloads)).map(drop)
    }
}

/// The log's name in the zen folder.
const FILE: &str = "artifacts.log";

fn frames(payloads: &[Vec<u8>]) -> Vec<(u32, &[u8])> {
    payloads.iter().map(|payload| (VERSION, &payload[..])).collect()
}

/// Notes what a run made and put back. A run in which all was fresh has nothing new, unless the log was lost.
pub(super) fn note(
    world: &World<'_>,
    progress: &Progress,
    steps: &StepMap<StepEntry>,
    run: Option<RunId>,
) -> io::Result<()> {
    let is_lost = world.zen_dir.join(FILE).symlink_metadata().is_err();
    let is_new = |outcome: StepOutcome| match outcome {
        StepOutcome::Ran | StepOutcome::Restored => true,
        StepOutcome::Fresh => is_lost,
        StepOutcome::Failed | StepOutcome::Skipped => false,
    };
    let mut found = Vec::new();
    for id in &world.selection.order {
        let (Some(entry), Some(settled)) = (steps.get(id), progress.settled.get(id)) else { continue };
        if !is_new(entry.outcome) {
            continue;
        }
        let run = settled.record.as_ref().map(|record| record.run).or(run).unwrap_or(RunId::NONE);
        let ended = settled.record.as_ref().map_or(world.now, |record| record.ended);
        for artifact in &settled.artifacts[..] {
            let version = Version { number: 0, artifact: artifact.clone(), run, key: settled.key, ended };
            found.push((entry.step.clone(), version));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let steps = found.iter().map(|(step, _)| step.clone()).collect();
    Versions::read(&world.zen_dir, Some(steps))?.add(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Entry, Node};
    use crate::digest::Digest;
    use crate::path::RelPath;

    fn version(content: u32) -> (String, Version) {
        let node = Node::File { digest: Digest::of(&content.to_le_bytes()), size: 1, executable: false };
        let entries = vec![Entry { path: RelPath::root(), node }];
        let artifact = Artifact { name: "o".into(), entries };
        let (number, run, key, ended) = (0, RunId(u64::from(content)), None, Timestamp(0));
        ("p/s".into(), Version { number, artifact, run, key, ended })
    }

    fn numbers(folder: &Path) -> Vec<(u32, u64)> {
        let versions = Versions::open(folder).unwrap();
        versions.known.into_values().flatten().map(|version| (version.number, version.run.0)).collect()
    }

    #[test]
    fn a_new_content_is_a_new_version_and_an_old_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for content in [7, 8, 7, 9] {
            Versions::open(folder.path()).unwrap().add(vec![version(content)]).unwrap();
        }
        assert_eq!(numbers(folder.path()), [(1, 7), (2, 8), (3, 9)]);
    }

    #[test]
    fn the_log_does_not_grow_for_ever_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let all = (0..MANY as u32 + 3).map(version).collect::<Vec<_>>();
        Versions::open(folder.path()).unwrap().add(vec![("p/other".into(), version(1).1)]).unwrap();
        for some in all.chunks(MANY) {
            let only = Some(HashSet::from(["p/s".to_owned()]));
            Versions::read(folder.path(), only).unwrap().add(some.to_vec()).unwrap();
        }
        assert_eq!(Versions::open(folder.path()).unwrap().known.len(), 2, "the other step's are there as well");
        let numbers = numbers(folder.path());
        assert_eq!((numbers.len(), numbers.last()), (1 + KEPT + 3, Some(&(MANY as u32 + 3, MANY as u64 + 2))));
    }
}
