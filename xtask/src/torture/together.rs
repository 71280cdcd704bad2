//! Many at once: equal work in one workspace and in several with one store, and runs while others clean, collect and remove.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::stage::{Stage, refusal};
use super::sweep::{Found, Length, Progress, Sweep};

/// After that long a command hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `clean` and `verify --repair` exit with where the store is in use, or cannot be had.
const IN_USE: i32 = 103;

/// Steps of the stage's pipeline.
const STEPS: usize = 3;

/// Processes that all ask for the same, which nobody has made yet: each step runs once.
///
/// # Errors
/// What the disk says.
pub(crate) fn rounds(sweep: &Sweep) -> io::Result<Found> {
    let (rounds, processes) = sweep.length.of((6, 8), (500, 16));
    // All processors are needed for one round.
    let one = [()];
    let done = sweep.on_all_stages(&one, |_, first, (), progress| {
        // Several workspaces with one store, and one with its own.
        let others: Vec<Stage> = (1..4).map(|nth| sweep.stage(nth)).collect::<io::Result<_>>()?;
        let shared = sweep.folder.join("shared-store");
        for round in 0..rounds {
            let n = 1000 + round;
            let alone = [first];
            let all: Vec<&Stage> = alone.into_iter().chain(&others).collect();
            let (stages, store) = if round % 2 == 0 { (&alone[..], None) } else { (&all[..], Some(shared.as_path())) };
            stages.iter().try_for_each(|stage| fs::write(stage.log(), ""))?;
            let words = format!("run -j2 --set n={n}");
            let command = |nth: usize| {
                let mut command = stages[nth % stages.len()].command(&words);
                command.env("STAGE_LOG", first.log());
                store.map(|store| command.env("ZEN_STORE_DIR", store));
                command
            };
            let all_right = all_end(&words, (0..processes).map(command));
            progress.check(
                first,
                &format!("round {round}: {processes} processes in {} workspaces", stages.len()),
                || {
                    all_right?;
                    stages.iter().try_for_each(|stage| stage.check_outputs(n))?;
                    let ran = fs::read_to_string(first.log())?.lines().count();
                    if ran == STEPS {
                        Ok(())
                    } else {
                        Err(io::Error::other(format!("{ran} steps ran, and there are {STEPS}")))
                    }
                },
            )?;
        }
        Ok(())
    })?;
    Ok(done.found)
}

/// Runs while others clean, collect, verify and remove.
///
/// # Errors
/// What the disk says.
pub(crate) fn disorder(sweep: &Sweep) -> io::Result<Found> {
    let batches: Vec<u64> = (0..sweep.length.of(2, 40)).map(|nth| sweep.seed + nth).collect();
    let rounds = match sweep.length {
        Length::Short => 8,
        Length::Long => 25,
    };
    let done = sweep.on_all_stages(&batches, |_, stage, seed, progress| {
        let mut random = fastrand::Rng::with_seed(*seed);
        stage.plant()?;
        for _ in 0..rounds {
            disorder_once(stage, &mut random, progress)?;
        }
        Ok(())
    })?;
    Ok(done.found)
}

fn disorder_once(stage: &Stage, random: &mut fastrand::Rng, progress: &Progress) -> io::Result<()> {
    let mut n = || random.u32(1..5);
    let runs = [n(), n()].map(|n| format!("run -j2 --set n={n}"));
    let others = ["clean", "clean --max-size 1B", "clean --expired", "verify --repair", "remove", "remove"];
    let others = [others[random.usize(..others.len())], others[random.usize(..others.len())]];
    let words: Vec<&str> = runs.iter().map(String::as_str).chain(others).collect();
    let commands = words.iter().map(|words| match *words {
        "remove" => {
            let mut command = Command::new("rm");
            // What appears again while it removes is no fault of it.
            command.args(["-rf", "target/zen"]).current_dir(&stage.root);
            command
        }
        words => stage.command(words),
    });
    let ended = all_end(&words.join(" ∥ "), commands);
    progress.check(stage, &words.join(" ∥ "), || {
        ended?;
        (1..5).try_for_each(|n| stage.check_right(n))
    })
}

/// Starts all of them, and waits. `rm` may fail, and what wants the store to itself may say that it is in use; nothing else may fail,
/// nor hang.
fn all_end(what: &str, commands: impl Iterator<Item = Command>) -> io::Result<()> {
    let mut children: Vec<(bool, Child)> = Vec::new();
    for mut command in commands {
        let is_run = command.get_args().nth(1).is_some_and(|word| word == "run");
        children.push((is_run, command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?));
    }
    let end = Instant::now() + PATIENCE;
    let mut wrong = Ok(());
    for (is_run, mut child) in children {
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                wrong = Err(io::Error::other(format!("{what}: one hangs")));
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let is_bad = !output.status.success()
            && (is_run || output.status.code().is_none_or(|code| ![1, IN_USE].contains(&code)));
        if wrong.is_ok() && (is_bad || said.contains("panicked")) {
            wrong = Err(refusal(what, &output));
        }
    }
    wrong
}
