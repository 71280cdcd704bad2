//! An append-only file of checksummed frames: damage costs the frame that it hits and nothing else. Knows not what
//! the frames mean.
//!
//! A frame is a header of 36 bytes (magic, kind, length of the payload, checksum of the payload, checksum of
//! all that and of the header's own place) and the payload. Its place is in the checksum so that bytes inside a payload
//! that look like a frame are never taken for one after damage. The first frame holds random bytes: they tell this
//! file from the one that a compaction puts in its place. Nothing is synced for an append: what a power cut tears off
//! is cut by the next writer.
#![expect(clippy::disallowed_methods, reason = "the log is a file")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::scan::hash::open_regular;
use crate::scan::own;
use crate::scan::stamp::Stamp;

const MAGIC: [u8; 4] = [0xf5, b'z', b'n', 0x1a];
/// Magic 4, kind 4, length 4, checksum of the payload 16, checksum of the header 8.
const HEADER: usize = 36;
const GENERATION: u32 = 0;
/// The first frame whole: what tells one file from the next.
const IDENTITY: usize = HEADER + 16;

/// Where a frame stands, and of what kind it is. Good until the log is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The writer's number for what it means; never 0.
    pub kind: u32,
    at: usize,
    len: usize,
}

impl Frame {
    /// Bytes in the file, header included.
    pub fn size(&self) -> u64 {
        (HEADER + self.len) as u64
    }

    fn payload(&self) -> Range<usize> {
        self.at + HEADER..self.at + HEADER + self.len
    }
}

/// What a look at the file brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The first look, or the file is another one than before: all earlier [`Frame`]s are void, and `frames` is
    /// everything.
    pub reset: bool,
    /// The frames that came since, in order. Only their headers were verified; see [`FrameLog::payload`].
    pub frames: Vec<Frame>,
}

/// How far a log was read: good for telling later what came since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Tells this file from another in its place.
    identity: Vec<u8>,
    /// Its frames up to here.
    size: u64,
}

/// A log, mirrored in memory as far as it was read.
#[derive(Debug)]
pub struct FrameLog {
    path: PathBuf,
    /// The file up to the end of its last whole frame.
    bytes: Vec<u8>,
    /// How the file stood before it was last read.
    stamp: Option<Stamp>,
}

impl FrameLog {
    /// The log at `path`, which need not exist. Reads nothing yet.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), bytes: Vec::new(), stamp: None }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file, as far as it holds frames.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How far it was read.
    pub fn mark(&self) -> Mark {
        Mark { identity: self.bytes[..self.bytes.len().min(IDENTITY)].to_vec(), size: self.size() }
    }

    /// Is the file on disk still just what it was at the mark? Reads next to nothing of it.
    pub fn is_still_at(&self, mark: &Mark) -> bool {
        let is_it = || -> io::Result<bool> {
            let mut file = open_regular(&self.path)?;
            let mut identity = [0; IDENTITY];
            file.read_exact(&mut identity)?;
            Ok(file.metadata()?.len() == mark.size && identity == *mark.identity)
        };
        is_it().unwrap_or(false)
    }

    /// The frames from a mark to where it was read to; `None` if the mark is that of another file, or of none.
    pub fn since(&self, mark: &Mark) -> Option<Vec<Frame>> {
        let start = usize::try_from(mark.size).ok().filter(|start| *start <= self.bytes.len())?;
        if mark.identity.len() < IDENTITY || !self.bytes.starts_with(&mark.identity) {
            return None;
        }
        let mut frames = Vec::new();
        scan(&self.bytes, start, &mut frames);
        Some(frames)
    }

    /// Reads what was appended since the last look. Needs no lock: a frame that is still being written counts when
    /// it is whole. A file that is not there is an empty one.
    ///
    /// # Errors
    /// What reading met.
    pub fn refresh(&mut self) -> io::Result<Changed> {
        let now = std::fs::symlink_metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata));
        if now.is_some_and(|now| now.is_identity() && now.size == self.size()) && now == self.stamp {
            return Ok(Changed::default());
        }
        match open_regular(&self.path) {
            Ok(mut file) => self.read_on(&mut file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.bytes.clear();
                self.stamp = None;
                Ok(Changed { reset: true, frames: Vec::new() })
            }
            Err(e) => Err(e),
        }
    }

    /// The frame's payload; `None` if it is damaged.
    pub fn payload(&self, frame: Frame) -> Option<&[u8]> {
        let payload = self.bytes.get(frame.payload())?;
        let sum = self.bytes.get(frame.at + 12..frame.at + 28)?;
        (checksum(payload) == *sum).then_some(payload)
    }

    /// The frame's payload, unverified: to index by, not to believe.
    pub fn peek(&self, frame: Frame) -> &[u8] {
        self.bytes.get(frame.payload()).unwrap_or_default()
    }

    /// Takes the writers' lock (waits for it), reads what others appended, and cuts off a torn tail. The folder
    /// must exist; the file need not.
    ///
    /// # Errors
    /// What opening, locking or reading met.
    pub fn write(&mut self) -> io::Result<Writer<'_>> {
        let lock = files::lock_file(&self.path.with_extension("lock"))?;
        let mut file = own::open_or_make(&self.path, OpenOptions::new().read(true).write(true).truncate(false))?;
        let changed = self.read_on(&mut file)?;
        if file.metadata()?.len() > self.size() {
            file.set_len(self.size())?;
        }
        Ok(Writer { log: self, file, changed, _lock: lock })
    }

    /// [`FrameLog::write`] and [`Writer::append`] in one.
    ///
    /// # Errors
    /// As these.
    pub fn append(&mut self, frames: &[(u32, &[u8])]) -> io::Result<Changed> {
        let mut writer = self.write()?;
        writer.append(frames)?;
        Ok(writer.finish())
    }

    fn read_on(&mut self, file: &mut File) -> io::Result<Changed> {
        let known = self.bytes.len().min(IDENTITY);
        let mut identity = [0; IDENTITY];
        let stamp = Stamp::of(&file.metadata()?);
        self.stamp = Some(stamp);
        let same = stamp.size >= self.size() && {
            file.read_exact(&mut identity[..known])?;
            identity[..known] == self.bytes[..known]
        };
        if !same {
            self.bytes.clear();
        }
        let from = self.bytes.len();
        let mut changed = Changed { reset: from == 0, frames: Vec::new() };
        file.seek(SeekFrom::Start(from as u64))?;
        if let Err(e) = file.read_to_end(&mut self.bytes) {
            self.bytes.truncate(from);
            return Err(e);
        }
        let end = scan(&self.bytes, from, &mut changed.frames);
        self.bytes.truncate(end);
        Ok(changed)
    }
}

/// A log whose writers' lock is held, until this is dropped.
#[derive(Debug)]
pub struct Writer<'a> {
    log: &'a mut FrameLog,
    file: File,
    changed: Changed,
    _lock: Option<File>,
}

impl Writer<'_> {
    /// The log as it stands now.
    pub fn log(&self) -> &FrameLog {
        self.log
    }

    /// What came since the last look; taken out, [`Writer::finish`] does not tell it again.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Appends all frames in one write.
    ///
    /// # Errors
    /// What writing met; then nothing was appended.
    pub fn append(&mut self, frames: &[(u32, &[u8])]) -> io::Result<()> {
        let end = self.log.bytes.len();
        let grown = append_to(&mut self.log.bytes, frames).and_then(|()| {
            self.file.seek(SeekFrom::Start(end as u64))?;
            self.file.write_all(&self.log.bytes[end..])?;
            self.log.stamp = Some(Stamp::of(&self.file.metadata()?));
            Ok(())
        });
        if let Err(e) = grown {
            self.log.bytes.truncate(end);
            // If this fails too, the next writer cuts.
            let _ = self.file.set_len(end as u64);
            return Err(e);
        }
        scan(&self.log.bytes, end, &mut self.changed.frames);
        Ok(())
    }

    /// Puts a file with `frames` alone in the place of this one. Synced, since the rename must not come to disk
    /// before the bytes.
    ///
    /// # Errors
    /// What writing met; then the file is as it was.
    pub fn replace(mut self, frames: &[(u32, &[u8])]) -> io::Result<Changed> {
        let mut bytes = Vec::new();
        append_to(&mut bytes, frames)?;
        let path = self.log.path.with_extension("new");
        let mut file = own::open_or_make(&path, OpenOptions::new().write(true).truncate(true))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&path, &self.log.path)?;
        self.log.bytes = bytes;
        self.log.stamp = None;
        self.changed = Changed { reset: true, frames: Vec::new() };
        scan(&self.log.bytes, 0, &mut self.changed.frames);
        Ok(self.finish())
    }

    /// Frees the lock; gives what is new since the last look, own frames included.
    pub fn finish(self) -> Changed {
        self.changed
    }
}

fn append_to(bytes: &mut Vec<u8>, frames: &[(u32, &[u8])]) -> io::Result<()> {
    if bytes.is_empty() {
        let random = [files::random().to_le_bytes(), files::random().to_le_bytes()].concat();
        append_frame(bytes, GENERATION, &random)?;
    }
    frames.iter().try_for_each(|(kind, payload)| append_frame(bytes, *kind, payload))
}

fn append_frame(bytes: &mut Vec<u8>, kind: u32, payload: &[u8]) -> io::Result<()> {
    let len = u32::try_from(payload.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame holds less than 4 GiB"))?;
    let at = bytes.len();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&checksum(payload));
    let sum = header_checksum(at, &bytes[at..]);
    bytes.extend_from_slice(&sum);
    bytes.extend_from_slice(payload);
    Ok(())
}

/// Collects the frames from `at` on; gives the end of the last whole one. What lies behind it may be a frame that is
/// still being written.
fn scan(bytes: &[u8], mut at: usize, frames: &mut Vec<Frame>) -> usize {
    let mut end = at;
    while at < bytes.len() {
        let Some(frame) = frame_at(bytes, at) else {
            match bytes[at + 1..].windows(MAGIC.len()).position(|window| window == MAGIC) {
                Some(skipped) => at += 1 + skipped,
                None => break,
            }
            continue;
        };
        let payload = frame.payload();
        if payload.end > bytes.len()
            || payload.end == bytes.len() && checksum(&bytes[payload.clone()]) != bytes[at + 12..at + 28]
        {
            break;
        }
        if frame.kind != GENERATION {
            frames.push(frame);
        }
        at = payload.end;
        end = at;
    }
    end
}

/// The frame whose header stands whole and right at `at`.
fn frame_at(bytes: &[u8], at: usize) -> Option<Frame> {
    let header = bytes.get(at..at + HEADER)?;
    let number = |from: usize| header[from..from + 4].try_into().map(u32::from_le_bytes).ok();
    if header[..4] != MAGIC || header[28..] != header_checksum(at, &header[..28]) {
        return None;
    }
    Some(Frame { kind: number(4)?, at, len: number(8)? as usize })
}

fn checksum(payload: &[u8]) -> [u8; 16] {
    let mut sum = [0; 16];
    sum.copy_from_slice(&blake3::hash(payload).as_bytes()[..16]);
    sum
}

fn header_checksum(at: usize, header: &[u8]) -> [u8; 8] {
    let mut input = [0; 36];
    input[..8].copy_from_slice(&(at as u64).to_le_bytes());
    input[8..].copy_from_slice(header);
    let mut sum = [0; 8];
    sum.copy_from_slice(&blake3::hash(&input).as_bytes()[..8]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(log: &FrameLog, changed: &Changed) -> Vec<Vec<u8>> {
        changed.frames.iter().filter_map(|f| log.payload(*f)).map(<[u8]>::to_vec).collect()
    }

    fn read(path: &Path) -> Vec<Vec<u8>> {
        let mut log = FrameLog::open(path);
        let changed = log.refresh().unwrap();
        payloads(&log, &changed)
    }

    fn three(path: &Path) -> Vec<Vec<u8>> {
        let frames: Vec<Vec<u8>> = vec![b"one".to_vec(), b"the second".to_vec(), b"3".to_vec()];
        let mut log = FrameLog::open(path);
        for frame in &frames {
            log.append(&[(7, frame)]).unwrap();
        }
        frames
    }

    #[test]
    fn what_was_appended_is_read_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut reader = FrameLog::open(&path);
        assert_eq!(reader.refresh().unwrap().frames, [], "no file is an empty log");
        let frames = three(&path);
        let changed = reader.refresh().unwrap();
        assert_eq!(payloads(&reader, &changed), frames);
        let mut writer = FrameLog::open(&path);
        let changed = writer.append(&[(1, b"x"), (2, b"")]).unwrap();
        assert_eq!(changed.frames.len(), 5, "an append tells what others wrote, too");
        let changed = reader.refresh().unwrap();
        assert!(!changed.reset);
        assert_eq!(payloads(&reader, &changed), [b"x".to_vec(), Vec::new()]);
        assert_eq!(changed.frames.iter().map(|f| f.kind).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_mark_tells_what_came_since() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = FrameLog::open(&path);
        assert_eq!(log.since(&log.mark()), None, "of an empty log nothing can be told");
        three(&path);
        log.refresh().unwrap();
        let mark = log.mark();
        assert_eq!(log.since(&mark), Some(Vec::new()));
        assert!(FrameLog::open(&path).is_still_at(&mark));
        log.append(&[(1, b"x"), (2, b"")]).unwrap();
        assert!(!FrameLog::open(&path).is_still_at(&mark));
        let kinds = |frames: Vec<Frame>| frames.iter().map(|frame| frame.kind).collect::<Vec<_>>();
        assert_eq!(log.since(&mark).map(kinds), Some(vec![1, 2]));
        log.write().unwrap().replace(&[(7, b"one"), (7, b"another"), (7, &[0; 500])]).unwrap();
        assert_eq!(log.since(&mark), None, "it is another file now");
        assert!(!log.is_still_at(&mark));
    }

    #[test]
    fn f44_a_frame_that_declares_more_than_there_is_is_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        for len in [1, 1000, u32::MAX] {
            let path = dir.path().join(len.to_string());
            let frames = three(&path);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = bytes.len();
            // A header that is right in itself.
            bytes.extend([&MAGIC[..], &7_u32.to_le_bytes(), &len.to_le_bytes(), &checksum(b"x")].concat());
            let sum = header_checksum(at, &bytes[at..]);
            bytes.extend(sum);
            std::fs::write(&path, &bytes).unwrap();
            let mut log = FrameLog::open(&path);
            let changed = log.refresh().unwrap();
            assert_eq!(payloads(&log, &changed), frames);
            assert_eq!(log.bytes.len(), at, "no memory was taken for it");
            log.append(&[(7, b"next")]).unwrap();
            assert_eq!(read(&path).last().unwrap(), b"next", "and the next writer cuts it");
        }
    }

    #[test]
    fn f1_a_torn_tail_is_cut_by_the_next_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let frames = three(&path);
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            for zeros in [0, 5, 100] {
                let mut torn = whole[..len].to_vec();
                torn.extend(vec![0; zeros]);
                std::fs::write(&path, &torn).unwrap();
                let before = read(&path);
                assert!(frames.starts_with(&before), "cut at {len}: what is left must be the beginning");
                FrameLog::open(&path).append(&[(7, b"new")]).unwrap();
                let after = read(&path);
                assert_eq!(after.split_last().unwrap(), (&b"new".to_vec(), &before[..]), "cut at {len}");
            }
        }
    }

    #[test]
    fn f41_a_flipped_byte_loses_one_frame_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let frames = three(&path);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= mask;
                std::fs::write(&path, &bytes).unwrap();
                let left = read(&path);
                assert!(left.len() >= 2, "byte {at}: {} frames left", left.len());
                assert!(left.iter().all(|f| frames.contains(f)), "byte {at}: an invented frame");
                FrameLog::open(&path).append(&[(7, b"new")]).unwrap();
                assert_eq!(read(&path).last().unwrap(), b"new", "byte {at}: the log must go on");
                assert!(read(&path).len() > 2, "byte {at}: the append must lose nothing");
            }
        }
    }

    #[test]
    fn a_frame_inside_a_payload_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, outer) = (dir.path().join("i.log"), dir.path().join("o.log"));
        three(&inner);
        let mut log = FrameLog::open(&outer);
        log.append(&[(7, &std::fs::read(&inner).unwrap()), (7, b"after")]).unwrap();
        let mut bytes = std::fs::read(&outer).unwrap();
        bytes[IDENTITY + 1] ^= 1;
        std::fs::write(&outer, &bytes).unwrap();
        assert_eq!(read(&outer), [b"after".to_vec()]);
    }

    #[test]
    fn readers_see_a_replaced_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        three(&path);
        let mut reader = FrameLog::open(&path);
        reader.refresh().unwrap();
        let mut writer = FrameLog::open(&path);
        let changed = writer
            .write()
            .unwrap()
            .replace(&[(9, b"only, and long enough to outgrow what was there: it is longer")])
            .unwrap();
        assert!(changed.reset && changed.frames.len() == 1);
        let changed = reader.refresh().unwrap();
        assert!(changed.reset);
        assert_eq!(changed.frames.len(), 1);
        std::fs::remove_file(&path).unwrap();
        assert!(reader.refresh().unwrap().reset, "a removed file is an empty log");
    }

    #[test]
    fn f8_writers_do_not_lose_each_others_frames() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    let mut log = FrameLog::open(path);
                    for n in 0..50_u8 {
                        log.append(&[(7, &[writer, n]), (7, &[writer, n, 1])]).unwrap();
                        if n % 20 == 19 {
                            let mut writer = log.write().unwrap();
                            writer.take_changed();
                            let mut all = FrameLog::open(path);
                            let changed = all.refresh().unwrap();
                            let frames: Vec<_> =
                                changed.frames.iter().map(|f| (f.kind, all.payload(*f).unwrap())).collect();
                            writer.replace(&frames).unwrap();
                        }
                    }
                });
            }
        });
        let mut all = read(&path);
        assert_eq!(all.len(), 400);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 400);
    }
}
