//! What every step of the benchmark does, as a hidden sub-command: a digest of its inputs goes into its output, and a
//! line into a log. Knows no plan; that a peer and `cargo zen` run the same bytes is the point.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes that are read or written at once.
const CHUNK: usize = 64 * 1024;

/// Does one step's work: `LOG OUTPUT INPUTS UPSTREAM…`, or `--big LOG OUTPUT INPUT BYTES`.
///
/// # Errors
/// Words that are no work, or what the disk says.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let done = match words {
        ["--big", log, output, input, bytes] => {
            let bytes = bytes.parse().map_err(|_| format!("error: `{bytes}` is no number of bytes"))?;
            big(Path::new(output), Path::new(input), bytes).and_then(|()| note(Path::new(log)))
        }
        [log, output, inputs, upstream @ ..] => {
            step(Path::new(output), Path::new(inputs), upstream).and_then(|()| note(Path::new(log)))
        }
        _ => return Err("error: no work".to_owned()),
    };
    done.map_err(|e| format!("error: {}: {e}", words.join(" ")))
}

/// The text of an output: a digest of the files in `inputs`, sorted, without a comment in the first line; then of what
/// the outputs upstream hold.
///
/// # Errors
/// What the disk says.
pub(crate) fn sum(inputs: &Path, upstream: &[Vec<u8>]) -> io::Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(inputs)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(without_comment(&fs::read(file)?));
    }
    for text in upstream {
        hasher.update(text);
    }
    Ok(format!("{}\n", hasher.finalize()))
}

/// The first bytes of the large output that belongs to a digest of the large input; `bytes` in all follow from it.
pub(crate) fn stream(digest: &blake3::Hash, bytes: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut reader = blake3::Hasher::new_keyed(digest.as_bytes()).finalize_xof();
    let mut left = bytes;
    std::iter::from_fn(move || {
        let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        reader.fill(&mut chunk);
        left -= chunk.len() as u64;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The digest of a large file, read in pieces.
///
/// # Errors
/// What the disk says.
pub(crate) fn digest(file: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(file)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&chunk[..read]),
        };
    }
}

fn step(output: &Path, inputs: &Path, upstream: &[&str]) -> io::Result<()> {
    let upstream = upstream.iter().map(fs::read).collect::<io::Result<Vec<_>>>()?;
    make_folder(output)?;
    fs::write(output, sum(inputs, &upstream)?)
}

fn big(output: &Path, input: &Path, bytes: u64) -> io::Result<()> {
    make_folder(output)?;
    let mut file = File::create(output)?;
    stream(&digest(input)?, bytes).try_for_each(|chunk| file.write_all(&chunk))
}

fn make_folder(output: &Path) -> io::Result<()> {
    output.parent().map_or(Ok(()), fs::create_dir_all)
}

fn note(log: &Path) -> io::Result<()> {
    File::options().append(true).create(true).open(log)?.write_all(b"ran\n")
}

fn without_comment(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) if bytes.starts_with(b"#") => &bytes[end + 1..],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_no_part_of_the_sum_and_upstream_is() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = folder.path().join("in");
        fs::create_dir(&inputs).unwrap();
        let sum_of = |text: &str, upstream: &[&str]| {
            fs::write(inputs.join("a"), text).unwrap();
            let upstream: Vec<Vec<u8>> = upstream.iter().map(|text| text.as_bytes().to_vec()).collect();
            sum(&inputs, &upstream).unwrap()
        };
        let one = sum_of("# 1\ntext\n", &[]);
        assert_eq!(one, sum_of("# 2\ntext\n", &[]));
        assert_ne!(one, sum_of("# 1\nother\n", &[]));
        assert_ne!(one, sum_of("# 1\ntext\n", &["up"]));
    }

    #[test]
    fn the_large_output_has_the_bytes_that_were_asked_for() {
        let bytes = CHUNK as u64 * 2 + 5;
        let sizes: Vec<usize> = stream(&blake3::hash(b"input"), bytes).map(|chunk| chunk.len()).collect();
        assert_eq!(sizes, [CHUNK, CHUNK, 5]);
    }

    #[test]
    fn a_step_leaves_its_output_and_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(at("in")).unwrap();
        fs::write(at("in/a"), "text").unwrap();
        run(&[&at("log"), &at("out/sum"), &at("in")]).unwrap();
        assert_eq!(fs::read_to_string(at("out/sum")).unwrap(), sum(Path::new(&at("in")), &[]).unwrap());
        assert_eq!(fs::read_to_string(at("log")).unwrap(), "ran\n");
        assert!(run(&[]).is_err());
    }
}
