//! What a step printed, with the time of each piece: text first, so that the object in the store reads well, then the times.

use serde::{Deserialize, Serialize};

use crate::artifact::Timestamp;

/// The last bytes of an object that holds times. What was stored before there were any is text alone.
const MAGIC: &[u8; 8] = b"\0zenlog1";

/// The output of a step, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    text: Vec<u8>,
    times: Times,
}

/// The output of a step that goes on.
#[derive(Debug)]
pub struct Capture {
    captured: Captured,
    /// Where the last mark is, and its time.
    last: (u64, u64),
}

/// When pieces of text came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    /// What the marks count from.
    since: Timestamp,
    /// Bytes and milliseconds since the mark before: the text from there on came then.
    marks: Vec<(u64, u64)>,
}

/// One line, with its end if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// As it came.
    pub text: &'a [u8],
    /// When its first byte came; `None` where that was not kept.
    pub at: Option<Timestamp>,
}

impl Capture {
    /// Nothing yet; times will count from `since`.
    pub fn new(since: Timestamp) -> Self {
        let times = Times { since, marks: Vec::new() };
        Self { captured: Captured { text: Vec::new(), times }, last: (0, 0) }
    }

    /// Some more text, so many milliseconds after the beginning. A time before that of the text before counts as that.
    pub fn push(&mut self, bytes: &[u8], after_ms: u64) {
        if bytes.is_empty() {
            return;
        }
        let Captured { text, times } = &mut self.captured;
        let (offset, last) = self.last;
        if times.marks.is_empty() || after_ms > last {
            self.last = (text.len() as u64, after_ms.max(last));
            times.marks.push((self.last.0 - offset, self.last.1 - last));
        }
        text.extend_from_slice(bytes);
    }

    /// Takes it, as it is stored; `None` where there is nothing. What follows begins anew.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let fresh = Self::new(self.captured.times.since);
        let Captured { mut text, times } = std::mem::replace(self, fresh).captured;
        let times = postcard::to_stdvec(&times).ok().filter(|_| !text.is_empty())?;
        let length = u32::try_from(times.len()).ok()?;
        // In place: it may be large.
        text.extend_from_slice(&times);
        text.extend_from_slice(&length.to_le_bytes());
        text.extend_from_slice(MAGIC);
        Some(text)
    }
}

impl Captured {
    /// All of it, as it came.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// From what was stored. Whatever it is, it is some text.
    pub fn decode(mut bytes: Vec<u8>) -> Self {
        match times(&bytes) {
            Some((at, times)) => {
                bytes.truncate(at);
                Self { text: bytes, times }
            }
            None => Self { text: bytes, times: Times { since: Timestamp(0), marks: Vec::new() } },
        }
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut marks = self.marks().peekable();
        let mut at = None;
        let mut end = 0;
        self.text.split_inclusive(|byte| *byte == b'\n').map(move |text| {
            let begin = end;
            end += text.len();
            while let Some((_, time)) = marks.next_if(|(start, _)| *start <= begin) {
                at = Some(time);
            }
            Line { text, at }
        })
    }

    /// From which byte on the text came when.
    fn marks(&self) -> impl Iterator<Item = (usize, Timestamp)> {
        let mut sum = (0_u64, 0_u64);
        self.times.marks.iter().map(move |(bytes, millis)| {
            sum = (sum.0.saturating_add(*bytes), sum.1.saturating_add(*millis));
            let since = i64::try_from(sum.1).unwrap_or(i64::MAX);
            let start = usize::try_from(sum.0).unwrap_or(usize::MAX);
            (start, Timestamp(self.times.since.0.saturating_add(since)))
        })
    }
}

/// Where the text of an object ends, and what follows.
fn times(bytes: &[u8]) -> Option<(usize, Times)> {
    let (rest, length) = bytes.strip_suffix(MAGIC)?.split_last_chunk::<4>()?;
    let at = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
    Some((at, postcard::from_bytes(&rest[at..]).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_the_time_of_its_first_byte() {
        let mut capture = Capture::new(Timestamp(1000));
        for (text, at) in [("a\nb", 5), ("c\nd\n", 7), ("e", 7), ("f\n", 9), ("g", 9)] {
            capture.push(text.as_bytes(), at);
        }
        let stored = capture.take().unwrap();
        assert!(stored.starts_with(b"a\nbc\nd\n"), "it reads well as it is");
        let captured = Captured::decode(stored);
        let line = |line: Line<'_>| (String::from_utf8_lossy(line.text).into_owned(), line.at.map(|at| at.0));
        let expected = [("a\n", 1005), ("bc\n", 1005), ("d\n", 1007), ("ef\n", 1007), ("g", 1009)];
        let found: Vec<_> = captured.lines().map(line).collect();
        assert_eq!(found, expected.map(|(text, at)| (text.to_owned(), Some(at))));
    }

    #[test]
    fn what_has_no_times_is_text() {
        for bytes in [&b"x\ny"[..], b"", b"\0zenlog1", b"\xff\xff\xff\xff\0zenlog1", b"x\n\x01\0\0\0\0zenlog1"] {
            let found = Captured::decode(bytes.to_vec());
            assert_eq!(found.text(), bytes);
            assert!(found.lines().all(|line| line.at.is_none()));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_was_printed(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), 0_u64..5), 0..9),
            ends_like_one in any::<bool>(),
        ) {
            let mut capture = Capture::new(Timestamp(0));
            let (mut at, mut all) = (0, Vec::new());
            for (bytes, later) in &pieces {
                at += later;
                capture.push(bytes, at);
                all.extend_from_slice(bytes);
            }
            if ends_like_one {
                capture.push(MAGIC, at);
                all.extend_from_slice(MAGIC);
            }
            let Some(stored) = capture.take() else {
                prop_assert!(all.is_empty());
                return Ok(());
            };
            let again = Captured::decode(stored);
            prop_assert_eq!(again.text(), &all[..]);
            prop_assert_eq!(again.lines().flat_map(|line| line.text.to_vec()).collect::<Vec<_>>(), all);
            prop_assert!(again.lines().all(|line| line.at.is_some()));
        }
    }
}
