//! The scenario of one step with one large input and one large output: hashing, copying, and how much memory it takes.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::super::check::wrong;
use super::super::floors;
use super::super::machine::free_bytes;
use super::super::report::{Row, Target};
use super::super::work;
use super::super::workspace::{self, WORK};
use super::super::zen::Said;
use super::{Bench, Outcome};

const MIB: u64 = 1 << 20;
/// MiB that a run may hold at once, however large the files are.
const PEAK_MIB: f64 = 64.0;

/// The one step's files.
struct Files {
    root: PathBuf,
    input: PathBuf,
    output: PathBuf,
    /// Where the step leaves a line, beside the workspace.
    log: PathBuf,
    bytes_out: u64,
    digest: blake3::Hash,
}

pub(super) fn big(bench: &Bench<'_>) -> io::Result<Outcome> {
    let bytes_in = bench.options.big_mib * MIB;
    let bytes_out = bytes_in / 4;
    let room = 4 * (bytes_in + bytes_out);
    let free = free_bytes(&bench.folder)?;
    if free < room {
        return Ok(Outcome::LeftOut(format!("big: {} MiB are free, not {}", free / MIB, room / MIB)));
    }
    let files = write(bench, bytes_in, bytes_out)?;
    let spare = bench.folder.join("spare");
    let [cold, alone] = bench.in_turn(|_| {
        files.forget()?;
        let cold = files.run(bench, "big, cold", 1)?;
        let mut command = Command::new(bench.program);
        command.args([WORK, "--big"]).args([&files.log, &spare, &files.input]).arg(bytes_out.to_string());
        let alone = floors::time_of(&mut command)?;
        fs::remove_file(&spare)?;
        Ok([cold, alone])
    })?;
    files.check("big, cold")?;
    files.run(bench, "big, the run after", 0)?;

    let [noop] = bench.in_many_turns(|_| Ok([files.run(bench, "big, no-op", 0)?]))?;
    let mut how = "";
    let [touched, hash] = bench.in_turn(|_| {
        File::options().append(true).open(&files.input)?.set_modified(SystemTime::now())?;
        let touched = files.run(bench, "big, touched", 0)?;
        let (hash, by) = floors::hash_one(&files.input)?;
        how = by;
        Ok([touched, hash])
    })?;
    let [restored, copied] = bench.in_turn(|_| {
        fs::remove_file(&files.output)?;
        let restored = files.run(bench, "big, restored", 0)?;
        files.check("big, restored")?;
        let copied = floors::copy(&files.output, &spare)?;
        fs::remove_file(&spare)?;
        Ok([restored, copied])
    })?;

    let mut rows = vec![
        Row::times("big, cold", &cold, Target::None).beside("the step's command alone", &alone),
        Row::times("big, no-op", &noop, Target::Most(10.0)),
        // 0.8 times the floor's speed.
        Row::times("big, hash", &touched, Target::Times(1.25)).beside(how, &hash),
        Row::times("big, restore", &restored, Target::None).beside("cp of the output", &copied),
    ];
    rows.extend(peaks(bench, &files)?);
    Ok(Outcome::Rows(rows))
}

/// Peak memory of the runs that read or write most.
fn peaks(bench: &Bench<'_>, files: &Files) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut peak = |what: &str, ran: usize| {
        if let Some((mib, said)) = bench.zen.peak_mib(&files.root)? {
            expect(&format!("big, {what}"), said, ran)?;
            rows.push(Row::mebibytes(format!("big, peak memory, {what}"), mib, Target::Most(PEAK_MIB)));
        }
        io::Result::Ok(())
    };
    peak("no-op", 0)?;
    File::options().append(true).open(&files.input)?.set_modified(SystemTime::now())?;
    peak("hash", 0)?;
    fs::remove_file(&files.output)?;
    peak("restore", 0)?;
    files.forget()?;
    peak("cold", 1)?;
    Ok(rows)
}

impl Files {
    fn run(&self, bench: &Bench<'_>, when: &str, ran: usize) -> io::Result<Duration> {
        let run = bench.zen.run(&self.root, &[])?;
        expect(when, run.said, ran)?;
        Ok(run.time)
    }

    /// Removes the output, and what `cargo zen` knows of it.
    fn forget(&self) -> io::Result<()> {
        for gone in [self.root.join("target"), self.root.join("packages/p0000/out")] {
            if gone.exists() {
                fs::remove_dir_all(gone)?;
            }
        }
        Ok(())
    }

    /// Compares each byte of the output with what the input gives.
    fn check(&self, when: &str) -> io::Result<()> {
        let mut file = BufReader::new(File::open(&self.output)?);
        let mut there = Vec::new();
        for chunk in work::stream(&self.digest, self.bytes_out) {
            there.resize(chunk.len(), 0);
            file.read_exact(&mut there)?;
            if there != chunk {
                return Err(wrong(format!("{when}: the output has wrong bytes")));
            }
        }
        if file.read(&mut [0])? == 0 { Ok(()) } else { Err(wrong(format!("{when}: the output is too long"))) }
    }
}

fn expect(when: &str, said: Said, ran: usize) -> io::Result<()> {
    let right = said == Said { ran, cached: 1 - ran };
    if right { Ok(()) } else { Err(wrong(format!("{when}: {ran} steps were to run; it said {said:?}"))) }
}

/// Writes the workspace; the input's bytes follow from its size.
fn write(bench: &Bench<'_>, bytes_in: u64, bytes_out: u64) -> io::Result<Files> {
    let root = bench.folder.join("zen");
    let package = root.join("packages/p0000");
    let input = package.join("in/big.bin");
    fs::create_dir_all(package.join("in"))?;
    fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n")?;
    let log = bench.folder.join("zen.log");
    workspace::write_crate(&root, 0, &manifest(bench.program, &log, bytes_out))?;
    let mut file = File::create(&input)?;
    for chunk in work::stream(&blake3::hash(&bytes_in.to_le_bytes()), bytes_in) {
        file.write_all(&chunk)?;
    }
    let digest = work::digest(&input)?;
    Ok(Files { root, output: package.join("out/big.bin"), input, log, bytes_out, digest })
}

fn manifest(program: &Path, log: &Path, bytes_out: u64) -> String {
    format!(
        "{}\n[package.metadata.zen.pipelines.bench.steps.big]\n\
         run = [{program:?}, \"{WORK}\", \"--big\", {log:?}, \"{{{{ outputs.big }}}}\", \"in/big.bin\", \"{bytes_out}\"]\n\
         files = [\"in/big.bin\"]\noutputs.big = \"out/big.bin\"\n",
        workspace::crate_manifest(0)
    )
}
