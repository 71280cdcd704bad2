//! Takes secrets out of what a program prints, in the shapes in which programs print them. Knows not where they come from.

use std::collections::BTreeSet;
use std::fmt::Write;

use aho_corasick::{AhoCorasick, MatchKind};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";
/// What is shorter than this is looked for as it is, and not in other shapes: too much else looks the same.
const SHORT: usize = 4;
/// A part of a secret's Base64, or of one of several lines, is looked for if it is no shorter than this.
const PART: usize = 6;
/// After so many characters tools break lines of Base64.
const WRAPS: [usize; 2] = [64, 76];

/// RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What JavaScript's `encodeURIComponent` leaves as it is besides.
const COMPONENT: &AsciiSet = &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// Hides secrets in a stream of bytes, however it is cut.
#[derive(Debug)]
pub struct Redactor {
    /// `None`: there is nothing to hide.
    shapes: Option<AhoCorasick>,
    longest: usize,
    /// What may be the beginning of a secret.
    held: Vec<u8>,
}

impl Redactor {
    /// Of these values.
    pub fn new<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut shapes: BTreeSet<Vec<u8>> = BTreeSet::new();
        values.for_each(|value| add_shapes(value, &mut shapes));
        let longest = shapes.iter().map(Vec::len).max().unwrap_or(0);
        let machine = (longest > 0)
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&shapes))
            .map(|built| built.expect("a few kilobytes of patterns are not too many"));
        Self { shapes: machine, longest, held: Vec::new() }
    }

    /// Passes on what is known to hold no secret, or what stands in its place. The end of an unfinished line waits.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        if self.shapes.is_none() {
            return out(bytes);
        }
        self.held.extend_from_slice(bytes);
        // No shape goes over the end of a line, and none that begins before this is still incomplete.
        let line = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.pass_on(line.max((self.held.len() + 1).saturating_sub(self.longest)), out);
    }

    /// Passes on what was still held.
    pub fn end(&mut self, out: &mut dyn FnMut(&[u8])) {
        self.pass_on(self.held.len(), out);
    }

    /// The same of a text that is whole.
    pub fn text(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::new();
        self.push(bytes, &mut |bytes| clean.extend_from_slice(bytes));
        self.end(&mut |bytes| clean.extend_from_slice(bytes));
        clean
    }

    fn pass_on(&mut self, until: usize, out: &mut dyn FnMut(&[u8])) {
        let Some(shapes) = &self.shapes else { return };
        let (mut clean, mut done) = (Vec::new(), 0);
        for found in shapes.find_iter(&self.held).take_while(|found| found.start() < until) {
            clean.extend_from_slice(&self.held[done..found.start()]);
            clean.extend_from_slice(MASK);
            done = found.end();
        }
        let until = until.max(done);
        clean.extend_from_slice(&self.held[done..until]);
        self.held.drain(..until);
        if !clean.is_empty() {
            out(&clean);
        }
    }
}

/// A value, each of its lines, and both as they look in JSON, addresses, shells, markup, Base64 and hexadecimal. None
/// holds the end of a line.
fn add_shapes(value: &[u8], shapes: &mut BTreeSet<Vec<u8>>) {
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let mut add = |shape: Vec<u8>| {
        if !shape.is_empty() && !shape.contains(&b'\n') {
            shapes.insert(shape);
        }
    };
    let has_parts = lines.iter().filter(|line| !line.is_empty()).count() > 1;
    for text in std::iter::once(value).chain(std::iter::once(value.trim_ascii())).chain(lines.iter().copied()) {
        let is_part = has_parts && text.len() < PART;
        if is_part {
            continue;
        }
        add(text.to_vec());
        if text.len() < SHORT {
            continue;
        }
        add(HEXLOWER.encode(text).into_bytes());
        add(HEXUPPER.encode(text).into_bytes());
        for set in [UNRESERVED, COMPONENT] {
            let encoded = percent_encode(text, set).to_string();
            add(lower_escapes(&encoded).into_bytes());
            add(encoded.replace("%20", "+").into_bytes());
            add(encoded.into_bytes());
        }
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            let encoded = encoding.encode(text);
            for width in WRAPS {
                let parts = encoded.as_bytes().chunks(width).filter(|part| part.len() >= PART);
                parts.for_each(|part| add(part.to_vec()));
            }
            (0..3).filter_map(|before| within(encoding, text, before)).for_each(&mut add);
            add(encoded.into_bytes());
        }
        if let Ok(text) = std::str::from_utf8(text) {
            texts(text).into_iter().for_each(|shape| add(shape.into_bytes()));
        }
    }
}

/// What Base64 makes of a text wherever it begins `before` bytes behind a multiple of three, whatever stands around it.
fn within(encoding: &Encoding, text: &[u8], before: usize) -> Option<Vec<u8>> {
    let padded = [&[0; 2][..before], text].concat();
    let encoded = encoding.encode(&padded).into_bytes();
    let certain = [0, 2, 3][before]..padded.len() * 8 / 6;
    encoded.get(certain).filter(|part| part.len() >= PART).map(<[u8]>::to_vec)
}

fn texts(text: &str) -> Vec<String> {
    let quoted = |text: String| text[1..text.len() - 1].to_owned();
    let json = quoted(serde_json::Value::from(text).to_string());
    let mut ascii = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    let escape = |needs: fn(char) -> bool| {
        text.chars().fold(String::new(), |mut escaped, c| {
            escaped.extend(needs(c).then_some('\\'));
            escaped.push(c);
            escaped
        })
    };
    let markup = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    vec![
        json.replace('/', "\\/"),
        json,
        ascii.replace('/', "\\/"),
        ascii,
        quoted(format!("{text:?}")),
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        escape(|c| matches!(c, '"' | '\\' | '$' | '`')),
        escape(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_./:=@%+,-".contains(c)),
        markup.replace('"', "&quot;").replace('\'', "&#39;"),
        markup.replace('"', "&quot;").replace('\'', "&apos;"),
        markup,
    ]
}

/// `%2F` as `%2f`.
fn lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        let _ = write!(lower, "%{}{rest}", hex.to_ascii_lowercase());
    }
    lower
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "p4ss/w0rd'\"$x ü&<k>";

    fn hide(secrets: &[&str], text: &str) -> String {
        let mut redactor = Redactor::new(secrets.iter().map(|secret| secret.as_bytes()));
        String::from_utf8(redactor.text(text.as_bytes())).unwrap()
    }

    #[test]
    fn f39_a_secret_is_hidden_in_its_usual_shapes() {
        let percent = "p4ss%2Fw0rd%27%22%24x%20%C3%BC%26%3Ck%3E";
        let shapes = [
            SECRET.to_owned(),
            serde_json::json!([SECRET]).to_string(),
            r#"p4ss\/w0rd'\"$x \u00fc&<k>"#.to_owned(),
            format!("{SECRET:?}"),
            percent.to_owned(),
            percent.to_lowercase(),
            percent.replace("%20", "+"),
            percent.replace("%27", "'"),
            BASE64_NOPAD.encode(SECRET.as_bytes()),
            BASE64URL_NOPAD.encode(SECRET.as_bytes()),
            HEXLOWER.encode(SECRET.as_bytes()),
            HEXUPPER.encode(SECRET.as_bytes()),
            format!("'{}'", SECRET.replace('\'', r"'\''")),
            r#"p4ss/w0rd'\"\$x ü&<k>"#.to_owned(),
            r#"p4ss/w0rd\'\"\$x\ ü\&\<k\>"#.to_owned(),
            "p4ss/w0rd&#39;&quot;$x ü&amp;&lt;k&gt;".to_owned(),
        ];
        for shape in shapes {
            let hidden = hide(&[SECRET], &format!("before {shape} after\n"));
            let rest = hidden.replace("***", "");
            assert!(hidden.starts_with("before ") && hidden.ends_with(" after\n") && hidden.contains("***"), "{shape}");
            assert!(!rest.contains("w0rd") && rest.len() < 24, "{shape}: {hidden}");
        }
    }

    #[test]
    fn f39_base64_of_more_than_the_secret_shows_nothing_of_it() {
        let secret = "correct horse battery staple";
        for user in ["", "u", "us", "use", "user"] {
            let basic = BASE64_NOPAD.encode(format!("{user}:{secret}:more").as_bytes());
            let hidden = hide(&[secret], &basic);
            assert!(hidden.contains("***") && hidden.len() < basic.len() / 2, "{user}: {basic} → {hidden}");
        }
    }

    #[test]
    fn f39_each_line_of_a_secret_is_one() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\r\n-----END KEY-----\n";
        let hidden = hide(&[key], &format!("{key}and\n  kqhkiG9w0BAQEF\n"));
        assert_eq!(hidden, "***\n***\n***\r\n***\nand\n  ***\n");
        let encoded = BASE64_NOPAD.encode(key.repeat(3).as_bytes());
        let wrapped: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let hidden = hide(&[&key.repeat(3)], &wrapped.join("\n"));
        assert!(hidden.lines().all(|line| line == "***"), "{hidden}");
    }

    #[test]
    fn what_is_short_is_hidden_as_it_is() {
        assert_eq!(hide(&["ab"], "cab 6162"), "c*** 6162");
        assert_eq!(hide(&["", "\n"], "nothing\n"), "nothing\n");
        assert_eq!(hide(&["pin7\n"], "my pin7"), "my ***", "with a line's end it is no secret of several lines");
        assert_eq!(hide(&[], "nothing\n"), "nothing\n");
        assert_eq!(hide(&["abcd", "abcdef"], "abcdefg"), "***g", "the longest one");
    }

    #[test]
    fn a_line_that_is_whole_is_passed_on_at_once() {
        let mut redactor = Redactor::new(std::iter::once(&b"secret"[..]));
        let mut passed = Vec::new();
        let mut out = |bytes: &[u8]| passed.push(String::from_utf8(bytes.to_vec()).unwrap());
        redactor.push(b"a line\nand the sec", &mut out);
        redactor.push(b"ret\n", &mut out);
        redactor.push(b"sec", &mut out);
        redactor.end(&mut out);
        assert_eq!(passed.concat(), "a line\nand the ***\nsec");
        assert!(passed[0].starts_with("a line\n"));
    }

    proptest! {
        #[test]
        fn f39_however_it_is_cut_the_same_comes_out(
            secret in "[a-c]{1,9}",
            parts in proptest::collection::vec("[a-d\n]{0,12}", 0..9),
        ) {
            let mut redactor = Redactor::new(std::iter::once(secret.as_bytes()));
            let mut passed = Vec::new();
            for part in &parts {
                redactor.push(part.as_bytes(), &mut |bytes| passed.extend_from_slice(bytes));
            }
            redactor.end(&mut |bytes| passed.extend_from_slice(bytes));
            let passed = String::from_utf8(passed).unwrap();
            prop_assert_eq!(&passed, &hide(&[&secret], &parts.concat()));
            prop_assert!(!passed.contains(&secret));
        }
    }
}
