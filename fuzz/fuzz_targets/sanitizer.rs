//! What a step prints, cut anywhere: what is shown steers no terminal, and holds no secret. Knows no terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zen_core::redact::Redactor;

#[path = "../../crates/cargo-zen/src/tame.rs"]
mod tame;

fuzz_target!(|data: &[u8]| {
    // First the lengths of four pieces and of the secret, then the secret, then what is printed.
    let Some((lengths, rest)) = data.split_at_checked(5) else { return };
    let secret = &rest[..usize::from(lengths[4] % 24).min(rest.len())];
    let text = &rest[secret.len()..];
    tamed(text, &lengths[..4]);
    // Once more with the secret in the midst of it, wherever the cuts fall.
    let (before, after) = text.split_at(usize::from(lengths[0]).min(text.len()));
    hidden(secret, text, &lengths[..4]);
    hidden(secret, &[before, secret, after].concat(), &lengths[..4]);
});

/// The pieces, one after the other; the last one is what remains.
fn pieces<'t>(mut text: &'t [u8], lengths: &[u8]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = text.split_at(usize::from(*length % 32).min(text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

fn tamed(text: &[u8], lengths: &[u8]) {
    // A line's end completes whatever character was begun.
    let text = [text, b"\n"].concat();
    let whole = tame::tame(&text);
    let mut stream = tame::Tame::default();
    let cut: Vec<u8> = pieces(&text, lengths).into_iter().flat_map(|piece| stream.push(piece)).collect();
    assert_eq!(cut, whole, "however it is cut, the same is shown");
    let mut stream = tame::Tame::default();
    let bytewise: Vec<u8> = text.iter().flat_map(|byte| stream.push(&[*byte])).collect();
    assert_eq!(bytewise, whole, "byte by byte, the same is shown");
    is_harmless(&whole);
    assert_eq!(tame::tame(&whole), whole, "what is tame stays as it is");
}

fn is_harmless(shown: &[u8]) {
    let mut at = 0;
    while let Some(byte) = shown.get(at) {
        match byte {
            0x1b => {
                assert_eq!(shown.get(at + 1), Some(&b'['), "an escape that is no colour");
                let parameters =
                    shown[at + 2..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
                at += 2 + parameters;
                assert_eq!(shown.get(at), Some(&b'm'), "an escape that is no colour");
            }
            b'\n' | b'\r' | b'\t' => {}
            0..0x20 | 0x7f => panic!("the control character {byte:#x}"),
            _ => {}
        }
        at += 1;
    }
    for chunk in shown.utf8_chunks() {
        assert!(!chunk.valid().chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c)), "a C1 control character");
        assert!(!chunk.invalid().iter().any(|byte| (0x80..0xa0).contains(byte)) || chunk.invalid().len() > 1);
        assert!(!matches!(chunk.invalid(), [0x80..0xa0]), "a lone C1 byte");
    }
}

fn hidden(secret: &[u8], text: &[u8], lengths: &[u8]) {
    let mut redactor = Redactor::new(std::iter::once(secret));
    let whole = redactor.text(text);
    let mut passed = Vec::new();
    for piece in pieces(text, lengths) {
        redactor.push(piece, &mut |bytes| passed.extend_from_slice(bytes));
    }
    redactor.end(&mut |bytes| passed.extend_from_slice(bytes));
    assert_eq!(passed, whole, "however it is cut, the same comes out");
    // What of the secret stands on one line; `***` itself may look like a secret of stars, or be the end of one.
    let secret = secret.trim_ascii();
    if !secret.is_empty() && !secret.contains(&b'\n') && !secret.contains(&b'*') {
        assert!(!whole.windows(secret.len()).any(|window| window == secret), "the secret is shown");
    }
}
