//! Sweeps by chance: kills at random moments, and edits that hide behind old stamps.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::stage::Stage;
use super::sweep::{Found, Progress, Sweep};

/// Iterations that one item of work has.
const BATCH: u32 = 25;

/// SIGKILL at a random moment of a random command, again and again in the same workspace.
///
/// # Errors
/// What the disk says.
pub(crate) fn kills(sweep: &Sweep) -> io::Result<Found> {
    let batches: Vec<u64> = (0..sweep.length.of(4, 400)).map(|nth| sweep.seed + nth).collect();
    let done = sweep.on_all_stages(&batches, |_, stage, seed, progress| {
        let mut random = fastrand::Rng::with_seed(*seed);
        stage.plant()?;
        let start = Instant::now();
        stage.succeeds("run")?;
        let whole = start.elapsed();
        for nth in 0..BATCH {
            kill_once(stage, &mut random, whole, nth, progress)?;
        }
        Ok(())
    })?;
    Ok(done.found)
}

fn kill_once(
    stage: &Stage,
    random: &mut fastrand::Rng,
    whole: Duration,
    nth: u32,
    progress: &Progress,
) -> io::Result<()> {
    let mine = format!("edit {nth} by hand\n");
    if random.bool() {
        stage.write(["out/tree/copy", "out/tree/mine.txt", "out/file.txt"][random.usize(..3)], &mine)?;
    } else if nth.is_multiple_of(5) {
        stage.write("in/a", &format!("{}\n", random.alphabetic()))?;
    }
    // Some are new, some are known.
    let n = random.u32(1..6) + nth / 5;
    let words = match random.u32(..10) {
        0 => "clean".to_owned(),
        1 => "clean --outputs".to_owned(),
        2 => "clean --max-size 1B".to_owned(),
        _ => format!("run -j2 --set n={n}"),
    };
    let was_written = stage.check_kept([mine.as_str()]).is_ok();
    let mut command = stage.command(&words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
    std::thread::sleep(whole.mul_f64(random.f64() * 1.2));
    child.kill()?;
    child.wait()?;
    stage.wait_for_orphans()?;
    // The same, or another.
    let next = if random.bool() { n } else { random.u32(1..6) };
    progress.check(stage, &format!("{words}, killed, then n={next}"), || {
        if nth % 5 == 4 {
            stage.check_next(next)?;
            stage.succeeds("verify")?;
        } else {
            stage.check_right(next)?;
        }
        stage.check_kept(was_written.then_some(mine.as_str()))
    })
}

/// Edits of the same size whose file then has its old time of modification.
///
/// # Errors
/// What the disk says.
pub(crate) fn edits(sweep: &Sweep) -> io::Result<Found> {
    let batches: Vec<u64> = (0..sweep.length.of(4, 400)).map(|nth| sweep.seed + nth).collect();
    let done = sweep.on_all_stages(&batches, |_, stage, seed, progress| {
        let mut random = fastrand::Rng::with_seed(*seed);
        stage.plant()?;
        stage.succeeds("run")?;
        for _ in 0..BATCH {
            let letter = random.alphabetic();
            let (name, how) = (["in/a", "in/b"][random.usize(..2)], random.u32(..3));
            edit(stage, name, &format!("{letter}\n"), how)?;
            progress
                .check(stage, &format!("{name} edited by way {how}, its old time kept"), || stage.check_right(1))?;
        }
        Ok(())
    })?;
    Ok(done.found)
}

fn edit(stage: &Stage, name: &str, text: &str, how: u32) -> io::Result<()> {
    let path = stage.root.join(name);
    let modified = fs::metadata(&path)?.modified()?;
    let file = match how {
        // In place.
        0 => {
            let mut file = File::options().write(true).open(&path)?;
            file.write_all(text.as_bytes())?;
            file
        }
        // From the start.
        1 => {
            let mut file = File::create(&path)?;
            file.write_all(text.as_bytes())?;
            file
        }
        // Another file in its place.
        _ => {
            let other = path.with_extension("new");
            let mut file = File::create(&other)?;
            file.write_all(text.as_bytes())?;
            file.set_modified(modified)?;
            fs::rename(&other, &path)?;
            file
        }
    };
    file.set_modified(modified)
}
