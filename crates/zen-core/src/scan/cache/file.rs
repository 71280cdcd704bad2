//! The file of the stat cache: its bytes. Knows not when an entry may be believed, but for a power cut's sake.
//!
//! ```text
//! magic, checksum of the head | head: boot, time, generation, the pieces | pieces | what came later, each with a head
//! ```
//!
//! A piece is 1,024 sorted entries with a checksum of their own, read when one of them is asked for.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::super::hash::open_regular;
use super::super::own;
use super::super::stamp::Stamp;
use crate::digest::Digest;

const MAGIC: &[u8; 8] = b"zenstat3";
/// Magic, length of the head, its checksum.
const START: usize = 8 + 4 + 32;
/// Boot, time, generation, number of pieces.
const HEAD: usize = 36 + 8 + 4 + 4;
/// First identity, number of entries, checksum.
const PIECE: usize = 16 + 4 + 32;
/// Number of entries, checksum of all that follows, boot, time.
const LATER: usize = 4 + 32 + 36 + 8;
/// Entries of one piece.
const SHARE: usize = 1024;
/// A power cut may lose what was written this long before it: 120 s.
const UNSYNCED: i64 = 120_000_000_000;

const ENTRY: usize = 8 + 8 + 8 + 4 + 4 + 8 + 8 + 32;

/// Device, inode (these two so that bytes sort as numbers), size, mode, generation, mtime, ctime, digest.
pub(super) type Entry = [u8; ENTRY];

/// The sorted part.
#[derive(Debug, Default)]
pub(super) struct Base {
    file: Option<Mutex<File>>,
    generation: u32,
    /// Entries from here on are not believed: the machine was started anew since.
    limit: Option<i64>,
    pieces: Vec<Piece>,
    /// Nothing that was put behind it is damaged.
    is_whole: bool,
}

#[derive(Debug)]
struct Piece {
    first: [u8; 16],
    /// Where it lies in the file.
    at: u64,
    count: usize,
    checksum: [u8; 32],
    read: OnceLock<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    entries: Vec<u8>,
    used: Vec<AtomicBool>,
}

impl Base {
    /// The sorted part of the file, none of it read yet, and the entries that came later; `None` if there is no such file
    /// or its head is damaged.
    pub(super) fn open(path: &Path, boot: &[u8; 36]) -> Option<(Self, Vec<Entry>)> {
        let mut file = open_regular(path).ok()?;
        let mut start = [0; START];
        file.read_exact(&mut start).ok()?;
        let length = number(&start[8..12]) as usize;
        let whole = file.metadata().ok()?.len();
        if start[..8] != *MAGIC || length < HEAD || whole < (START + length) as u64 {
            return None;
        }
        let mut head = vec![0; length];
        file.read_exact(&mut head).ok()?;
        if Digest::of(&head).0 != start[12..] || head.len() != HEAD + number(&head[48..52]) as usize * PIECE {
            return None;
        }
        let mut at = (START + length) as u64;
        let pieces = head[HEAD..].chunks_exact(PIECE).map(|bytes| {
            let mut piece = Piece {
                first: [0; 16],
                at,
                count: number(&bytes[16..20]) as usize,
                checksum: [0; 32],
                read: OnceLock::new(),
            };
            piece.first.copy_from_slice(&bytes[..16]);
            piece.checksum.copy_from_slice(&bytes[20..]);
            at += (piece.count * ENTRY) as u64;
            piece
        });
        let pieces: Vec<Piece> = pieces.collect();
        // Nobody is to make us ask for memory that the file does not have bytes for.
        if at > whole || pieces.iter().any(|piece| piece.count > SHARE) {
            return None;
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        let limit = limit(&head[..44], boot);
        let generation = number(&head[44..48]);
        let (later, is_whole) = later(&bytes, boot);
        Some((Self { file: Some(Mutex::new(file)), generation, limit, pieces, is_whole }, later))
    }

    /// Is there a file, and would what is put behind it be read?
    pub(super) fn takes_more(&self) -> bool {
        self.file.is_some() && self.is_whole
    }

    /// Counts the times that it was written.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.count).sum()
    }

    /// The digest that goes with a stamp; it is used then.
    pub(super) fn get(&self, stamp: &Stamp) -> Option<Digest> {
        let wanted = key(stamp);
        let piece = self.pieces.partition_point(|piece| piece.first <= wanted).checked_sub(1)?;
        let Loaded { entries, used } = self.read(&self.pieces[piece]);
        let entry = |at: usize| &entries[at * ENTRY..(at + 1) * ENTRY];
        let (mut low, mut high) = (0, used.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if entry(middle)[..16] < wanted[..] { low = middle + 1 } else { high = middle }
        }
        if low == used.len() {
            return None;
        }
        let (known, digest) = split(entry(low).try_into().ok()?);
        let is_it = known == *stamp && self.limit.is_none_or(|limit| known.newest() < limit);
        is_it.then(|| {
            used[low].store(true, Ordering::Relaxed);
            digest
        })
    }

    /// The entries that go on into the next file: used ones as of `generation`, others if they were not idle for longer
    /// than `idle` generations.
    pub(super) fn kept(&self, generation: u32, idle: u32, is_superseded: impl Fn(&(u64, u64)) -> bool) -> Vec<Entry> {
        let mut kept = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            let Loaded { entries, used } = self.read(piece);
            for (bytes, used) in entries.chunks_exact(ENTRY).zip(used) {
                let mut entry = [0; ENTRY];
                entry.copy_from_slice(bytes);
                let (stamp, _) = split(&entry);
                if is_superseded(&stamp.identity()) || self.limit.is_some_and(|limit| stamp.newest() >= limit) {
                    continue;
                }
                if used.load(Ordering::Relaxed) {
                    entry[28..32].copy_from_slice(&generation.to_le_bytes());
                } else if generation.wrapping_sub(number(&entry[28..32])) > idle {
                    continue;
                }
                kept.push(entry);
            }
        }
        kept
    }

    /// A piece's entries; none of one that is damaged.
    fn read<'p>(&self, piece: &'p Piece) -> &'p Loaded {
        piece.read.get_or_init(|| {
            let read = || {
                let mut file = self.file.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
                let mut entries = vec![0; piece.count * ENTRY];
                file.seek(SeekFrom::Start(piece.at)).ok()?;
                file.read_exact(&mut entries).ok()?;
                (Digest::of(&entries).0 == piece.checksum).then_some(entries)
            };
            let entries = read().unwrap_or_default();
            let used = entries.chunks_exact(ENTRY).map(|_| AtomicBool::new(false)).collect();
            Loaded { entries, used }
        })
    }
}

/// The entries of all that was put behind the sorted part, up to the first damage, as far as they may be believed; and
/// whether there is none.
fn later(mut bytes: &[u8], boot: &[u8; 36]) -> (Vec<Entry>, bool) {
    let mut entries = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(LATER) {
        let Some(length) = (number(&head[..4]) as usize).checked_mul(ENTRY).filter(|length| *length <= rest.len())
        else {
            break;
        };
        let (body, next) = rest.split_at(length);
        if sum(&head[36..], body).0 != head[4..36] {
            break;
        }
        let limit = limit(&head[36..], boot);
        entries.extend(body.chunks_exact(ENTRY).filter_map(|bytes| {
            let entry: Entry = bytes.try_into().ok()?;
            limit.is_none_or(|limit| split(&entry).0.newest() < limit).then_some(entry)
        }));
        bytes = next;
    }
    (entries, bytes.is_empty())
}

/// What was written under another boot is believed only if it was old by then. `head`: boot and time.
fn limit(head: &[u8], boot: &[u8; 36]) -> Option<i64> {
    (head[..36] != *boot).then(|| long(&head[36..44]).cast_signed().saturating_sub(UNSYNCED))
}

fn sum(head: &[u8], body: &[u8]) -> Digest {
    Digest::of(&[head, body].concat())
}

/// Puts entries behind all others.
///
/// # Errors
/// What writing met.
pub(super) fn append(path: &Path, boot: &[u8; 36], written: i64, entries: &[Entry]) -> io::Result<()> {
    let head = [&boot[..], &written.to_le_bytes()].concat();
    let body = entries.concat();
    let bytes = [&(entries.len() as u32).to_le_bytes()[..], &sum(&head, &body).0, &head, &body].concat();
    own::append(path)?.write_all(&bytes)
}

/// Writes the whole file, in one step. `entries` are sorted.
///
/// # Errors
/// What writing met.
pub(super) fn write(path: &Path, boot: &[u8; 36], written: i64, generation: u32, entries: &[Entry]) -> io::Result<()> {
    let body = entries.concat();
    let mut head = Vec::new();
    head.extend_from_slice(boot);
    head.extend_from_slice(&written.to_le_bytes());
    head.extend_from_slice(&generation.to_le_bytes());
    head.extend_from_slice(&(entries.len().div_ceil(SHARE) as u32).to_le_bytes());
    for piece in body.chunks(SHARE * ENTRY) {
        head.extend_from_slice(&piece[..16]);
        head.extend_from_slice(&((piece.len() / ENTRY) as u32).to_le_bytes());
        head.extend_from_slice(&Digest::of(piece).0);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix("stat-").tempfile_in(folder)?;
    let mut writer = file.as_file();
    writer.write_all(&[MAGIC, &(head.len() as u32).to_le_bytes()[..], &Digest::of(&head).0, &head].concat())?;
    writer.write_all(&body)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// An entry as it lies in the file.
pub(super) fn entry(stamp: &Stamp, digest: &Digest, generation: u32) -> Entry {
    let mut entry = [0; ENTRY];
    entry[..16].copy_from_slice(&key(stamp));
    entry[16..24].copy_from_slice(&stamp.size.to_le_bytes());
    entry[24..28].copy_from_slice(&stamp.mode.to_le_bytes());
    entry[28..32].copy_from_slice(&generation.to_le_bytes());
    entry[32..40].copy_from_slice(&stamp.mtime.to_le_bytes());
    entry[40..48].copy_from_slice(&stamp.ctime.to_le_bytes());
    entry[48..].copy_from_slice(&digest.0);
    entry
}

/// The stamp and the digest of an entry.
pub(super) fn split(entry: &Entry) -> (Stamp, Digest) {
    let big = |at: usize| long(&entry[at..at + 8]).swap_bytes();
    let stamp = Stamp {
        dev: big(0),
        ino: big(8),
        size: long(&entry[16..24]),
        mode: number(&entry[24..28]),
        mtime: long(&entry[32..40]).cast_signed(),
        ctime: long(&entry[40..48]).cast_signed(),
    };
    let mut digest = [0; 32];
    digest.copy_from_slice(&entry[48..]);
    (stamp, Digest(digest))
}

fn key(stamp: &Stamp) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&stamp.dev.to_be_bytes());
    key[8..].copy_from_slice(&stamp.ino.to_be_bytes());
    key
}

fn number(bytes: &[u8]) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[..4]);
    u32::from_le_bytes(number)
}

fn long(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(number)
}
