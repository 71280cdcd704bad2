//! Power cuts: ext4 and xfs in files of their own, shut down in the middle of a run as if the machine had lost its power.
//! Needs root, loop mounts, and `xfs_io`, whose `shutdown` asks either file system for it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::stage::Stage;
use super::sweep::{Found, Progress, Sweep};

/// A file system in a file.
#[derive(Debug, Clone, Copy)]
struct Disk {
    kind: &'static str,
    /// What was in the journal is written before the power goes, or it is not.
    keeps_journal: bool,
}

const DISKS: [Disk; 4] = [
    Disk { kind: "ext4", keeps_journal: true },
    Disk { kind: "ext4", keeps_journal: false },
    Disk { kind: "xfs", keeps_journal: true },
    Disk { kind: "xfs", keeps_journal: false },
];

/// Cuts that one file system lives through before a new one is made.
const CUTS: u32 = 5;

/// A mounted disk. It is unmounted when it is dropped.
#[derive(Debug)]
struct Mount {
    image: PathBuf,
    at: PathBuf,
}

/// Can this machine do it?
///
/// # Errors
/// What is missing.
pub(crate) fn require(folder: &Path) -> io::Result<()> {
    let folder = folder.join("trial");
    DISKS.iter().step_by(2).try_for_each(|disk| Mount::new(&folder, *disk)?.cut(true))
}

/// Cuts the power of each disk at random moments of random runs.
///
/// # Errors
/// That the machine cannot do it, or what the disk says.
pub(crate) fn run(sweep: &Sweep) -> io::Result<Found> {
    let rounds = sweep.length.of(1, 25);
    let items: Vec<(usize, Disk)> = (0..rounds).flat_map(|_| DISKS).enumerate().collect();
    let done = sweep.on_all_stages(&items, |_, outer, (nth, disk), progress| {
        let mut random = fastrand::Rng::with_seed(sweep.seed + *nth as u64);
        let mut mount = Mount::new(&sweep.folder.join(format!("disk-{nth}")), *disk)?;
        let stage = Stage::new(&mount.at, &outer.program)?;
        stage.succeeds("run")?;
        mount.sync()?;
        for cut in 0..CUTS {
            cut_once(&mut mount, *disk, &stage, cut, &mut random, progress)?;
        }
        Ok(())
    })?;
    Ok(done.found)
}

fn cut_once(
    mount: &mut Mount,
    disk: Disk,
    stage: &Stage,
    cut: u32,
    random: &mut fastrand::Rng,
    progress: &Progress,
) -> io::Result<()> {
    // What the user has written and what was made before is on the disk; what an editor wrote last is not.
    let mine = format!("edit {cut} by hand\n");
    stage.write("out/tree/copy", &mine)?;
    if random.bool() {
        mount.sync()?;
    }
    let is_kept = random.bool();
    if is_kept {
        mount.sync()?;
    }
    match random.u32(..3) {
        0 => {}
        1 => stage.write("in/a", &format!("{}\n", random.alphabetic()))?,
        _ => {
            let text = format!("{}\n", random.alphabetic());
            File::options().write(true).open(stage.root.join("in/b"))?.write_all(text.as_bytes())?;
        }
    }
    let n = random.u32(1..5);
    let mut command = stage.command(&format!("run -j2 --set n={n}"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
    std::thread::sleep(Duration::from_micros(random.u64(..120_000)));
    mount.cut(disk.keeps_journal)?;
    child.kill()?;
    child.wait()?;
    stage.wait_for_orphans()?;
    mount.again()?;
    // A folder of the user's that was lost with the power is the user's to make anew, and a source too.
    for (path, text) in [("in/a", "a\n"), ("in/b", "b\n")] {
        if !stage.root.join(path).exists() {
            stage.write(path, text)?;
        }
    }
    let next = random.u32(1..5);
    let how = if disk.keeps_journal { "kept" } else { "lost" };
    progress.check(stage, &format!("{}, journal {how}: n={n} cut, then n={next}", disk.kind), || {
        stage.check_next(next)?;
        stage.check_next(n)?;
        stage.check_kept(is_kept.then_some(mine.as_str()))
    })
}

impl Mount {
    fn new(folder: &Path, disk: Disk) -> io::Result<Self> {
        let (image, at) = (folder.with_extension("img"), folder.to_owned());
        fs::create_dir_all(&at)?;
        // Less is too little for xfs.
        File::create(&image)?.set_len(310 << 20)?;
        call("mkfs", &["-t", disk.kind, "-q"], &[&image])?;
        let mount = Self { image, at };
        call("mount", &["-o", "loop"], &[&mount.image, &mount.at])?;
        Ok(mount)
    }

    /// From now on nothing reaches the disk.
    fn cut(&self, keeps_journal: bool) -> io::Result<()> {
        let command = if keeps_journal { "shutdown -f" } else { "shutdown" };
        call("xfs_io", &["-x", "-c", command], &[&self.at])
    }

    fn sync(&self) -> io::Result<()> {
        call("sync", &["-f"], &[&self.at])
    }

    /// The machine starts again.
    fn again(&mut self) -> io::Result<()> {
        self.unmount()?;
        call("mount", &["-o", "loop"], &[&self.image, &self.at])
    }

    /// A child that another thread has just forked may have a file of it open for a moment.
    fn unmount(&self) -> io::Result<()> {
        let mut tries = 100;
        loop {
            match call("umount", &[], &[&self.at]) {
                Err(_) if tries > 0 => tries -= 1,
                done => return done,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(e) = self.unmount() {
            eprintln!("warning: {e}");
        } else if let Err(e) = fs::remove_file(&self.image) {
            eprintln!("warning: {}: {e}", self.image.display());
        }
    }
}

fn call(program: &str, options: &[&str], paths: &[&Path]) -> io::Result<()> {
    let output = Command::new(program).args(options).args(paths).stdin(Stdio::null()).output();
    let output = output.map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} {}: {}", options.join(" "), said.trim())))
}
