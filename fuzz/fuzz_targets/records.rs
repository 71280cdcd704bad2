//! The log of records as others may have left it: what is believed can only be written below its place.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use zen_core::artifact::{Node, Record};
use zen_core::store::check::check;
use zen_core::store::log::FrameLog;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    if first % 2 == 0 { frames(rest, *first) } else { record(rest) }
});

/// The file as it stands, and the same bytes as the payload of a frame that is right.
fn frames(bytes: &[u8], kind: u8) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("records.log");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let mut log = FrameLog::open(&path);
    let changed = log.refresh().expect("the file is there");
    assert!(log.size() <= bytes.len() as u64);
    let before: Vec<_> = changed.frames.iter().map(|frame| log.payload(*frame).map(<[u8]>::to_vec)).collect();
    let kind = u32::from(kind) + 1;
    log.append(&[(kind, bytes)]).expect("the folder is there");
    // Who reads the file anew finds what was there, and behind it what was appended.
    let mut again = FrameLog::open(&path);
    let frames = again.refresh().expect("the file is there").frames;
    let payloads: Vec<_> = frames.iter().map(|frame| again.payload(*frame).map(<[u8]>::to_vec)).collect();
    let Some((last, others)) = payloads.split_last() else { panic!("what was appended is gone") };
    assert_eq!(last.as_deref(), Some(bytes));
    assert_eq!(others, before);
    assert_eq!(frames.last().map(|frame| frame.kind), Some(kind));
}

fn record(bytes: &[u8]) {
    let Ok((record, _)) = postcard::take_from_bytes::<Record>(bytes) else { return };
    let encoded = postcard::to_stdvec(&record).expect("what was read can be written");
    let again: Record = postcard::from_bytes(&encoded).expect("what was written can be read");
    assert_eq!(again, record);
    assert_eq!(postcard::to_stdvec(&again).ok(), Some(encoded));
    if check(&record).is_err() {
        return;
    }
    for artifact in &record.artifacts[..] {
        let mut nodes: BTreeMap<&[u8], &Node> = BTreeMap::new();
        for entry in &artifact.entries {
            let path = entry.path.as_bytes();
            assert!(nodes.insert(path, &entry.node).is_none(), "{path:?} stands twice");
            let is_name = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
            assert!(path.is_empty() || path.split(|byte| *byte == b'/').all(is_name), "{path:?}");
        }
        for path in nodes.keys() {
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                let above = nodes.get(&path[..at]);
                assert!(above.is_none_or(|node| matches!(node, Node::Folder)), "{path:?} lies below a file");
            }
            let root = nodes.get(&b""[..]).filter(|_| !path.is_empty());
            assert!(root.is_none_or(|node| matches!(node, Node::Folder)), "{path:?} lies below a file");
        }
    }
}
