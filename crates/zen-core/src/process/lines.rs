//! Cuts a stream into whole lines. Knows not where it comes from.

/// A line longer than this is given in pieces.
const LONGEST: usize = 64 << 10;

/// Holds back the last line until its end came.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Gives all lines that `bytes` completes to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = bytes.split_at(end);
        if !whole.is_empty() {
            if self.partial.is_empty() {
                out(whole);
            } else {
                self.partial.extend_from_slice(whole);
                self.flush(out);
            }
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST {
            self.flush(out);
        }
    }

    /// Gives what is held back.
    pub(super) fn flush(&mut self, out: &mut dyn FnMut(&[u8])) {
        if !self.partial.is_empty() {
            out(&self.partial);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_and_lines_stay_whole(chunks in prop::collection::vec("[a\n]{0,5}", 0..20)) {
            let mut lines = Lines::default();
            let mut pieces: Vec<Vec<u8>> = Vec::new();
            for chunk in &chunks {
                lines.push(chunk.as_bytes(), &mut |piece| pieces.push(piece.to_vec()));
            }
            prop_assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
            lines.flush(&mut |piece| pieces.push(piece.to_vec()));
            prop_assert_eq!(pieces.concat(), chunks.concat().into_bytes());
        }
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut lines = Lines::default();
        let mut given = 0;
        for _ in 0..100 {
            lines.push(&[b'.'; 4096], &mut |piece| given += piece.len());
            assert!(lines.partial.len() <= LONGEST);
        }
        assert!(given > 0);
    }
}
