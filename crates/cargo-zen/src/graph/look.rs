//! The colours of each kind of node, the same in every drawing. Knows no format.

use super::dag::Kind;

/// How nodes of a class are drawn: what they are filled with, and their edge.
#[derive(Debug)]
pub(crate) struct Look {
    /// A state of steps, `artifact` or `files`.
    pub(crate) class: &'static str,
    /// On white.
    pub(crate) light: [&'static str; 2],
    /// On black.
    pub(crate) dark: [&'static str; 2],
}

const fn look(class: &'static str, light: [&'static str; 2], dark: [&'static str; 2]) -> Look {
    Look { class, light, dark }
}

/// All classes.
pub(crate) const LOOKS: [Look; 10] = [
    look("fresh", ["#d3f9d8", "#2f9e44"], ["#173d22", "#51cf66"]),
    look("restorable", ["#d0ebff", "#1971c2"], ["#12344f", "#4dabf7"]),
    look("stale", ["#ffe8cc", "#e8590c"], ["#4a2a10", "#ff922b"]),
    look("maybe", ["#fff3bf", "#e67700"], ["#433510", "#fcc419"]),
    look("restored", ["#d0ebff", "#1971c2"], ["#12344f", "#4dabf7"]),
    look("ran", ["#e5dbff", "#6741d9"], ["#2b2350", "#9775fa"]),
    look("failed", ["#ffc9c9", "#e03131"], ["#4c1b1b", "#ff8787"]),
    look("skipped", ["#e9ecef", "#868e96"], ["#2b3035", "#868e96"]),
    look("artifact", ["#f8f9fa", "#adb5bd"], ["#25282e", "#6c757d"]),
    look("files", ["#f8f9fa", "#adb5bd"], ["#25282e", "#6c757d"]),
];

impl Kind {
    /// Its class in [`LOOKS`].
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Step(state) => state.name(),
            Self::Artifact => "artifact",
            Self::Files => "files",
        }
    }

    /// The colours of its class.
    pub(crate) fn look(self) -> &'static Look {
        LOOKS.iter().find(|look| look.class == self.class()).unwrap_or(&LOOKS[0])
    }
}
