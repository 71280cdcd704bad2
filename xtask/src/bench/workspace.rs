//! The workspace that is measured: packages in layers, each a chain of steps over files of its own. The same size gives
//! the same bytes. Knows nothing of clocks.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Size;

/// Bytes of an input file.
const FILE_BYTES: usize = 4096;
/// Packages stand in that many layers; the first step of each reads the last one of two packages of the layer below.
const LAYERS: usize = 5;

/// Writes the workspace into the empty folder `root`.
///
/// # Errors
/// What the disk says.
pub(crate) fn write(root: &Path, size: Size) -> io::Result<()> {
    fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n")?;
    for package in 0..size.packages {
        let folder = root.join(format!("packages/p{package:04}"));
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), format!("//! Package {package} of the benchmark.\n"))?;
        fs::write(folder.join("Cargo.toml"), manifest(package, size))?;
        for step in 0..size.steps {
            fs::create_dir_all(folder.join(format!("in/s{step}")))?;
            for file in 0..size.files {
                fs::write(input(root, package, step, file), content(package, step, file))?;
            }
        }
    }
    Ok(())
}

/// One input file of one step.
pub(crate) fn input(root: &Path, package: usize, step: usize, file: usize) -> PathBuf {
    root.join(format!("packages/p{package:04}/in/s{step}/f{file:04}.txt"))
}

/// Gives every input the time of now, and leaves its bytes alone.
///
/// # Errors
/// What the disk says.
pub(crate) fn touch_all(root: &Path, size: Size) -> io::Result<()> {
    let now = SystemTime::now();
    for package in 0..size.packages {
        for step in 0..size.steps {
            for file in 0..size.files {
                File::options().append(true).open(input(root, package, step, file))?.set_modified(now)?;
            }
        }
    }
    Ok(())
}

fn manifest(package: usize, size: Size) -> String {
    let mut text = format!(
        "[package]\nname = \"p{package:04}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         description = \"Package {package} of the benchmark\"\n"
    );
    for step in 0..size.steps {
        let upstream = upstream(package, step, size);
        let inputs: Vec<_> = upstream.iter().enumerate().map(|(at, up)| format!("d{at} = \"{up}\"")).collect();
        let words: String = (0..upstream.len()).map(|at| format!(" {{{{ inputs.d{at} }}}}")).collect();
        // A checksum, so that a change of any input goes on to what follows, and outputs stay small.
        let _ = write!(
            text,
            "\n[package.metadata.zen.pipelines.bench.steps.s{step}]\n\
             run = \"cat in/s{step}/*.txt{words} | cksum > {{{{ outputs.sum }}}}\"\n\
             files = [\"in/s{step}/**\"]\n\
             inputs = {{ {} }}\n\
             outputs.sum = \"out/s{step}.txt\"\n",
            inputs.join(", ")
        );
    }
    text
}

fn upstream(package: usize, step: usize, size: Size) -> Vec<String> {
    let width = (size.packages / LAYERS).max(1);
    match step {
        0 if package >= width => {
            let below = (package / width - 1) * width;
            let mut two = vec![package % width, (package + 1) % width];
            two.sort_unstable();
            two.dedup();
            two.into_iter().map(|at| format!("p{:04}:bench/s{}.sum", below + at, size.steps - 1)).collect()
        }
        0 => Vec::new(),
        _ => vec![format!("s{}.sum", step - 1)],
    }
}

fn content(package: usize, step: usize, file: usize) -> String {
    let line = format!("package {package}, step {step}, file {file}: some text to fill the file with\n");
    let mut text = line.repeat(FILE_BYTES / line.len() + 1);
    text.truncate(FILE_BYTES);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { packages: 10, steps: 2, files: 3 };

    #[test]
    fn layers_read_the_layer_below() {
        assert_eq!(upstream(0, 0, SIZE), [""; 0]);
        assert_eq!(upstream(0, 1, SIZE), ["s0.sum"]);
        assert_eq!(upstream(2, 0, SIZE), ["p0000:bench/s1.sum", "p0001:bench/s1.sum"]);
    }

    #[test]
    fn the_workspace_has_the_size_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), SIZE).unwrap();
        let last = fs::read(input(folder.path(), 9, 1, 2)).unwrap();
        assert_eq!(last.len(), FILE_BYTES);
        assert_ne!(last, fs::read(input(folder.path(), 9, 1, 1)).unwrap(), "no two files are the same");
        assert!(!input(folder.path(), 9, 1, 3).exists());
        touch_all(folder.path(), SIZE).unwrap();
        assert_eq!(last, fs::read(input(folder.path(), 9, 1, 2)).unwrap(), "a touch changes no byte");
    }
}
