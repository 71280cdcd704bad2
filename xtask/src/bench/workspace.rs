//! The workspaces that are measured: packages of real small crates, each with steps over files of their own, and the
//! same work as a `build.ninja`. The same plan gives the same bytes. Knows nothing of clocks, and runs nothing.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of an input file.
const FILE_BYTES: usize = 4096;
/// Packages stand in that many layers; the first step of each reads the last one of two packages of the layer below.
const LAYERS: usize = 5;

/// How large a workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) packages: usize,
    /// Steps of each package.
    pub(crate) steps: usize,
    /// Input files of each step.
    pub(crate) files: usize,
}

impl Size {
    pub(crate) fn all_steps(self) -> usize {
        self.packages * self.steps
    }

    pub(crate) fn all_files(self) -> usize {
        self.all_steps() * self.files
    }
}

/// Who reads whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A chain in each package, packages in layers.
    Layered,
    /// All steps read the first one.
    Wide,
    /// One chain through all packages.
    Deep,
    /// In each package all but the last step read the first one, and the last one reads them all.
    Diamond,
}

/// What the workspace's steps are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) size: Size,
    pub(crate) shape: Shape,
}

/// A plan on disk.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) plan: Plan,
    /// Where each step that runs leaves a line: beside the workspace, not in it.
    pub(crate) log: PathBuf,
}

/// The hidden sub-command of this program that every step runs.
pub(crate) const WORK: &str = "bench-work";

impl Plan {
    /// The numbers of the steps that step `at` reads. They are smaller than `at`.
    pub(crate) fn upstream(&self, at: usize) -> Vec<usize> {
        let Size { packages, steps, .. } = self.size;
        let (package, step) = (at / steps, at % steps);
        let first = package * steps;
        match self.shape {
            Shape::Layered if step == 0 => {
                let width = (packages / LAYERS).max(1);
                let Some(below) = (package / width).checked_sub(1).map(|layer| layer * width) else {
                    return Vec::new();
                };
                let mut two = vec![package % width, (package + 1) % width];
                two.sort_unstable();
                two.dedup();
                two.into_iter().map(|nth| (below + nth + 1) * steps - 1).collect()
            }
            Shape::Layered => vec![at - 1],
            Shape::Wide => (at > 0).then_some(0).into_iter().collect(),
            Shape::Deep => at.checked_sub(1).into_iter().collect(),
            Shape::Diamond if step == 0 => Vec::new(),
            Shape::Diamond if step == steps - 1 && steps > 2 => (first + 1..at).collect(),
            Shape::Diamond => vec![first],
        }
    }

    /// How many steps a change of step `at`'s output reaches, itself included.
    pub(crate) fn downstream(&self, at: usize) -> usize {
        let mut reached = vec![false; self.size.all_steps()];
        for step in at..reached.len() {
            reached[step] = step == at || self.upstream(step).iter().any(|up| reached[*up]);
        }
        reached.into_iter().filter(|hit| *hit).count()
    }

    /// `p0001` and `s2` of a step.
    pub(crate) fn names(&self, at: usize) -> (String, String) {
        (format!("p{:04}", at / self.size.steps), format!("s{}", at % self.size.steps))
    }
}

impl Tree {
    /// Writes the workspace into a new folder `root`; its steps run `program`.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn write(root: PathBuf, plan: Plan, program: &Path) -> io::Result<Self> {
        let tree = Self { log: root.with_extension("log"), root, plan };
        fs::create_dir_all(&tree.root)?;
        fs::write(&tree.log, "")?;
        fs::write(tree.root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n")?;
        for package in 0..plan.size.packages {
            let mut text = crate_manifest(package);
            for at in package * plan.size.steps..(package + 1) * plan.size.steps {
                text.push_str(&tree.step_table(at, program));
            }
            write_crate(&tree.root, package, &text)?;
        }
        for at in 0..plan.size.all_steps() {
            fs::create_dir_all(tree.inputs(at))?;
            for file in 0..plan.size.files {
                fs::write(tree.input(at, file), content(at, file, 0, 0))?;
            }
        }
        Ok(tree)
    }

    /// Writes the same work for ninja and n2.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn write_ninja(&self, program: &Path) -> io::Result<()> {
        let mut text = "rule step\n  command = $cmd\n".to_owned();
        for at in 0..self.plan.size.all_steps() {
            let (package, step) = self.plan.names(at);
            let inputs = format!("packages/{package}/in/{step}");
            let read: String = (0..self.plan.size.files).map(|file| format!(" {inputs}/{}", file_name(file))).collect();
            let upstream: String =
                self.plan.upstream(at).iter().map(|up| format!(" {}", self.output_name(*up))).collect();
            let (output, program, log) = (self.output_name(at), program.display(), self.log.display());
            let _ = write!(
                text,
                "build {output}: step{read}{upstream}\n  cmd = {program} {WORK} {log} {output} {inputs}{upstream}\n"
            );
        }
        fs::write(self.root.join("build.ninja"), text)
    }

    /// The folder of a step's inputs.
    pub(crate) fn inputs(&self, at: usize) -> PathBuf {
        let (package, step) = self.plan.names(at);
        self.root.join(format!("packages/{package}/in/{step}"))
    }

    /// One input file of a step.
    pub(crate) fn input(&self, at: usize, file: usize) -> PathBuf {
        self.inputs(at).join(file_name(file))
    }

    /// The output of a step.
    pub(crate) fn output(&self, at: usize) -> PathBuf {
        self.root.join(self.output_name(at))
    }

    fn output_name(&self, at: usize) -> String {
        let (package, step) = self.plan.names(at);
        format!("packages/{package}/out/{step}.txt")
    }

    /// Gives an input the bytes of a version; `comment` is in the line that the work leaves out.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn change(&self, at: usize, file: usize, version: usize, comment: usize) -> io::Result<()> {
        fs::write(self.input(at, file), content(at, file, version, comment))
    }

    /// Gives every input the time of now, and leaves its bytes alone.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn touch_all(&self) -> io::Result<()> {
        let now = SystemTime::now();
        for at in 0..self.plan.size.all_steps() {
            for file in 0..self.plan.size.files {
                File::options().append(true).open(self.input(at, file))?.set_modified(now)?;
            }
        }
        Ok(())
    }

    /// Removes all outputs.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn drop_outputs(&self) -> io::Result<()> {
        for package in 0..self.plan.size.packages {
            remove(&self.root.join(format!("packages/p{package:04}/out")))?;
        }
        Ok(())
    }

    /// Takes away what a tool keeps, and all outputs. They are moved, not removed: where many files were removed a moment ago
    /// ext4 makes new ones slowly, which no first run ever meets.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn make_cold(&self, kept: &[&str]) -> io::Result<()> {
        let away = self.root.with_extension("away");
        let number = fs::read_dir(&away).map_or(0, Iterator::count);
        let away = away.join(number.to_string());
        fs::create_dir_all(&away)?;
        let outputs = (0..self.plan.size.packages).map(|package| format!("packages/p{package:04}/out"));
        for (at, gone) in outputs.chain(kept.iter().map(|kept| (*kept).to_owned())).enumerate() {
            match fs::rename(self.root.join(gone), away.join(at.to_string())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn step_table(&self, at: usize, program: &Path) -> String {
        let (package, step) = self.plan.names(at);
        let (mut declared, mut words) = (String::new(), String::new());
        for (nth, up) in self.plan.upstream(at).into_iter().enumerate() {
            let (there, other) = self.plan.names(up);
            let from = if there == package { String::new() } else { format!("{there}:bench/") };
            let comma = if nth == 0 { "" } else { ", " };
            let _ = write!(declared, "{comma}d{nth} = \"{from}{other}.sum\"");
            let _ = write!(words, ", \"{{{{ inputs.d{nth} }}}}\"");
        }
        format!(
            "\n[package.metadata.zen.pipelines.bench.steps.{step}]\n\
             run = [{program:?}, \"{WORK}\", {log:?}, \"{{{{ outputs.sum }}}}\", \"in/{step}\"{words}]\n\
             files = [\"in/{step}/**\"]\n\
             inputs = {{ {declared} }}\n\
             outputs.sum = \"out/{step}.txt\"\n",
            log = self.log,
        )
    }
}

/// Writes a package that is a small crate, with this manifest.
///
/// # Errors
/// What the disk says.
pub(crate) fn write_crate(root: &Path, package: usize, manifest: &str) -> io::Result<()> {
    let folder = root.join(format!("packages/p{package:04}"));
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), format!("//! Package {package} of the benchmark.\n"))?;
    fs::write(folder.join("Cargo.toml"), manifest)
}

/// The manifest of such a package, without steps.
pub(crate) fn crate_manifest(package: usize) -> String {
    format!(
        "[package]\nname = \"p{package:04}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         description = \"Package {package} of the benchmark\"\n"
    )
}

fn file_name(file: usize) -> String {
    format!("f{file:04}.txt")
}

/// A comment's line, then text that no other file has. The same length for versions and comments below ten.
fn content(at: usize, file: usize, version: usize, comment: usize) -> String {
    let line = format!("version {version} of file {file} of step {at}: some text to fill the file with\n");
    let mut text = format!("# comment {comment}\n");
    while text.len() < FILE_BYTES {
        text.push_str(&line);
    }
    text.truncate(FILE_BYTES);
    text
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { packages: 10, steps: 3, files: 2 };

    fn plan(shape: Shape) -> Plan {
        Plan { size: SIZE, shape }
    }

    #[test]
    fn layers_read_the_layer_below() {
        let plan = plan(Shape::Layered);
        assert_eq!(plan.upstream(0), [0; 0]);
        assert_eq!(plan.upstream(1), [0]);
        assert_eq!(plan.upstream(6), [2, 5], "the first step of p0002 reads the last ones of p0000 and p0001");
        assert_eq!(plan.downstream(29), 1, "nobody reads the last step");
        assert_eq!(plan.downstream(0), 3 + 8 * 3, "the first one reaches all layers above, and not its neighbour");
    }

    #[test]
    fn other_shapes_are_what_they_are_called() {
        assert_eq!([0, 1, 29].map(|at| plan(Shape::Wide).upstream(at)), [vec![], vec![0], vec![0]]);
        assert_eq!([0, 1, 29].map(|at| plan(Shape::Deep).upstream(at)), [vec![], vec![0], vec![28]]);
        assert_eq!([3, 4, 5].map(|at| plan(Shape::Diamond).upstream(at)), [vec![], vec![3], vec![4]]);
        for shape in [Shape::Layered, Shape::Wide, Shape::Deep, Shape::Diamond] {
            for at in 0..SIZE.all_steps() {
                assert!(plan(shape).upstream(at).iter().all(|up| *up < at), "{shape:?}: {at} reads earlier steps");
            }
        }
    }

    #[test]
    fn the_workspace_has_the_size_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::write(folder.path().join("tree"), plan(Shape::Layered), Path::new("work")).unwrap();
        let last = fs::read(tree.input(29, 1)).unwrap();
        assert_eq!(last.len(), FILE_BYTES);
        assert_ne!(last, fs::read(tree.input(29, 0)).unwrap(), "no two files are the same");
        assert!(!tree.input(29, 2).exists());
        tree.touch_all().unwrap();
        assert_eq!(last, fs::read(tree.input(29, 1)).unwrap(), "a touch changes no byte");
        tree.write_ninja(Path::new("work")).unwrap();
        let ninja = fs::read_to_string(tree.root.join("build.ninja")).unwrap();
        assert_eq!(ninja.matches("\nbuild ").count(), SIZE.all_steps());
    }

    #[test]
    fn versions_and_comments_have_one_length_and_other_bytes() {
        let text = content(3, 1, 0, 0);
        for other in [content(3, 1, 1, 0), content(3, 1, 0, 1)] {
            assert_eq!(text.len(), other.len());
            assert_ne!(text, other);
        }
    }
}
