//! What a step prints, without what would steer the terminal that it is shown on: colours stay, all else that a terminal
//! obeys goes (titles, links, the clipboard, cursor movements).

use anstyle_parse::{Params, Parser, Perform};

/// Tames a stream of bytes, however it is cut.
#[derive(Default)]
pub(crate) struct Tame {
    parser: Parser,
    /// The beginning of a character.
    held: Vec<u8>,
}

impl Tame {
    /// What may be shown of these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Shown(Vec::with_capacity(bytes.len()));
        self.held.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.held);
        let (mut at, mut rest) = (0, bytes.utf8_chunks().peekable());
        while let Some(chunk) = rest.next() {
            chunk.valid().bytes().for_each(|byte| self.parser.advance(&mut shown, byte));
            at += chunk.valid().len() + chunk.invalid().len();
            let is_begun = || std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if rest.peek().is_none() && at == bytes.len() && !chunk.invalid().is_empty() && is_begun() {
                self.held = chunk.invalid().to_vec();
            } else {
                shown.no_text(chunk.invalid());
            }
        }
        shown.0
    }

    /// The beginning of a character that no end came of.
    fn end(self) -> Vec<u8> {
        let mut shown = Shown(Vec::new());
        shown.no_text(&self.held);
        shown.0
    }
}

/// The same of bytes that are whole.
pub(crate) fn tame(bytes: &[u8]) -> Vec<u8> {
    let mut all = Tame::default();
    [all.push(bytes), all.end()].concat()
}

struct Shown(Vec<u8>);

impl Shown {
    /// Bytes that are no text stay as they are, but for those that are control characters in older encodings.
    fn no_text(&mut self, bytes: &[u8]) {
        self.0.extend(bytes.iter().filter(|byte| !(0x80..0xa0).contains(*byte)));
    }
}

impl Perform for Shown {
    fn print(&mut self, c: char) {
        // The second set of control characters, which some terminals obey.
        if !c.is_control() {
            self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\r' | b'\t') {
            self.0.push(byte);
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action != b'm' || ignore || !intermediates.is_empty() {
            return;
        }
        let of = |sub: &[u16]| sub.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
        let params: Vec<String> = params.iter().map(of).collect();
        self.0.extend_from_slice(format!("\u{1b}[{}m", params.join(";")).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        String::from_utf8(tame(text.as_bytes())).unwrap()
    }

    #[test]
    fn f47_colours_stay_and_nothing_else_that_a_terminal_obeys() {
        assert_eq!(shown("a\u{1b}[1;31mred\u{1b}[0m\tü\r\n"), "a\u{1b}[1;31mred\u{1b}[0m\tü\r\n");
        assert_eq!(shown("\u{1b}[38:2:1:2:3mx\u{1b}[m"), "\u{1b}[38:2:1:2:3mx\u{1b}[0m");
        for hostile in [
            "\u{1b}]0;a title\u{7}",
            "\u{1b}]8;;https://evil.example\u{1b}\\",
            "\u{1b}]52;c;bHM=\u{7}",
            "\u{1b}P1$r0m\u{1b}\\",
            "\u{1b}[2J",
            "\u{1b}[1A",
            "\u{1b}[6n",
            "\u{1b}[>4;2m",
            "\u{1b}c",
            "\u{9b}2J",
            "\u{7}\u{8}\u{0}\u{7f}",
        ] {
            let shown = shown(&format!("before{hostile}after"));
            assert!(shown.starts_with("before") && shown.ends_with("after"), "{hostile:?}: {shown:?}");
            assert!(shown.chars().all(|c| !c.is_control()), "{hostile:?}: {shown:?}");
        }
    }

    #[test]
    fn however_it_is_cut_the_same_is_shown() {
        let text = "x\u{1b}[31mü\u{1b}]0;title\u{7}\u{1b}[0m\u{1b}[2Ky\n".as_bytes();
        for text in [text, b"a\xffb \xc3 \xf0\x9f\x98\x80 \xe2\x82"] {
            for at in 0..text.len() {
                let mut stream = Tame::default();
                let parts = [stream.push(&text[..at]), stream.push(&text[at..]), stream.end()];
                assert_eq!(parts.concat(), tame(text), "cut at {at}");
            }
        }
        assert_eq!(tame(b"a\xffb \x9b2J"), b"a\xffb 2J", "what is no text stays");
    }
}
