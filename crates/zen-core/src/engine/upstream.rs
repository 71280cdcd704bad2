//! What a step reads of other steps' outputs: in place before it starts, the same until it ends. Knows no command.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::job::{Ended, Job, Message, Say, Stop, Work};
use super::session::{Settled, World, linked};
use crate::artifact::{Artifact, Node};
use crate::digest::Digest;
use crate::graph::EdgeKind;
use crate::model::StepId;
use crate::path::RelPath;
use crate::scan::stamp::Stamp;

/// How the files that a step reads of others' outputs were, and what links among them lead to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Borrowed {
    files: BTreeMap<RelPath, Option<(u64, u64, i64)>>,
    linked: Vec<(RelPath, Option<Digest>)>,
}

impl Work<'_> {
    /// Puts back the outputs of upstream steps that are not where they belong, or no longer what they were.
    pub(super) fn put_upstream_in_place(&self, job: &Job, say: Say<'_>) -> Result<(), Stop> {
        for (upstream, settled) in &job.upstream {
            // What has no record cannot be put back: that it changed is found when the step has run.
            let may_stay = settled.in_place && (settled.record.is_none() || self.is_as_settled(*upstream, settled));
            if may_stay {
                continue;
            }
            match self.put_in_place(*upstream, &settled.artifacts, settled.in_place, say) {
                Ok(true) if !settled.in_place => say(Message::PutBack(*upstream)),
                Ok(_) => {}
                Err(Stop::Ended(Ended::Lost(what))) => {
                    return Err(Stop::Ended(Ended::UpstreamLost { upstream: *upstream, what }));
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// Puts a cached step's outputs back, unless another worker has. The step's own worker and those of the steps that
    /// read them may all want that at the same time. With `again`, they were in place once, and were changed since.
    pub(super) fn put_in_place(
        &self,
        step: StepId,
        artifacts: &[Artifact],
        again: bool,
        say: Say<'_>,
    ) -> Result<bool, Stop> {
        let cell = {
            let mut cells = self.in_place.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(step).or_default())
        };
        let mut in_place = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_place && !again {
            return Ok(false);
        }
        self.restore(self.step(step), artifacts, say)?;
        *in_place = true;
        Ok(true)
    }

    fn is_as_settled(&self, step: StepId, settled: &Settled) -> bool {
        let places = self.world.places();
        let mut pairs = self.step(step).outputs.iter().zip(&settled.artifacts[..]);
        pairs.all(|(output, artifact)| places.matches(&output.place, artifact).unwrap_or(false))
    }

    /// States everything that the step reads of others' outputs; `None` if something is not what it was settled as.
    pub(super) fn borrowed(&self, job: &Job) -> Result<Borrowed, RelPath> {
        let mut borrowed = Borrowed::default();
        for (upstream, settled) in job.upstream.iter().filter(|(upstream, _)| is_read(self.world, job.step, *upstream))
        {
            let outputs = &self.step(*upstream).outputs;
            if !self.is_as_settled(*upstream, settled) {
                return Err(outputs.first().map_or_else(RelPath::root, |output| output.place.root().clone()));
            }
            for (output, artifact) in outputs.iter().zip(&settled.artifacts[..]) {
                for entry in artifact.entries.iter().filter(|entry| entry.node != Node::Folder) {
                    let path = output.place.root().under(&entry.path);
                    let stated = path.to_path(&self.world.project.workspace.root).symlink_metadata();
                    // The inode's own stamp moves when somebody links to it, which changes nothing.
                    let stamp = stated.ok().map(|metadata| Stamp::of(&metadata));
                    borrowed.files.insert(path, stamp.map(|stamp| (stamp.ino, stamp.size, stamp.mtime)));
                }
                borrowed.linked.extend(linked(self.world, &output.place, artifact));
            }
        }
        Ok(borrowed)
    }
}

/// Does the step read what the other made? Not if it only waits for it.
fn is_read(world: &World<'_>, step: StepId, upstream: StepId) -> bool {
    let mut edges = world.definitions.graph.upstream(step).iter().filter(|edge| edge.from == upstream);
    edges.any(|edge| edge.kind != EdgeKind::After)
}

impl Borrowed {
    /// The first file that is not as it was.
    pub(super) fn first_difference(&self, after: &Borrowed) -> Option<RelPath> {
        let files =
            self.files.iter().find(|(path, stamp)| after.files.get(*path) != Some(*stamp)).map(|(path, _)| path);
        let links = self.linked.iter().zip(&after.linked).find(|(a, b)| a != b).map(|(link, _)| &link.0);
        files.or(links).cloned()
    }
}
