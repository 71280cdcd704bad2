//! Records that somebody else wrote, with whole checksums and the right key: what they say is believed only as far as it
//! stays in the declared outputs.

use zen_core::artifact::{Entry, Node};
use zen_core::path::RelPath;

use super::forge::{Expect, Forge, all};

/// What a forged record says of the output `tree/`.
pub struct Case {
    pub name: &'static str,
    tree: &'static [(&'static [u8], Kind)],
    expect: Expect,
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
    Link(&'static [u8]),
}

use Expect::{Ran, Refused, Restored};
use Kind::{File, Folder, Link};

pub const CASES: &[Case] = &[
    case("an absolute path", &[(b"/etc/zen-was-here", File)], Ran),
    case("a path that climbs at once", &[(b"../src/lib.rs", File)], Ran),
    case("a path that climbs to the manifest", &[(b"../Cargo.toml", File)], Ran),
    case("a path that climbs to git's hooks", &[(b"../.git/hooks/post-checkout", File)], Ran),
    case("a path that climbs to the zen folder", &[(b"../target/zen/places.log", File)], Ran),
    case("a path that climbs out of the workspace", &[(b"../../outside/file", File)], Ran),
    case("a path that climbs in its middle", &[(b"a", Folder), (b"a/../../src/lib.rs", File)], Ran),
    case("a path that climbs at its end", &[(b"a", Folder), (b"a/..", File)], Ran),
    case("a path that is nothing but dots", &[(b"..", Folder)], Ran),
    case("a path with an empty component", &[(b"a", Folder), (b"a//b", File)], Ran),
    case("a path with a dot", &[(b"a", Folder), (b"a/./b", File)], Ran),
    case("a dot alone", &[(b".", File)], Ran),
    case("a path with a NUL", &[(b"a\0b", File)], Ran),
    case("a path with a slash at its end", &[(b"a", Folder), (b"a/", File)], Ran),
    case("a path that is there twice", &[(b"a", File), (b"a", File)], Ran),
    case("one name with two kinds", &[(b"a", File), (b"a", Folder)], Ran),
    case("paths that are not sorted", &[(b"b", File), (b"a", File)], Ran),
    case("a file below a file", &[(b"a", File), (b"a/b", File)], Ran),
    case("a file below a link", &[(b"a", Link(b"../src")), (b"a/lib.rs", File)], Ran),
    case("a file below a link that leads out", &[(b"a", Link(b"../../outside")), (b"a/file", File)], Ran),
    case("a link and then the same name to write through", &[(b"a", Link(b"../src/lib.rs")), (b"a", File)], Ran),
    case("a file in no folder", &[(b"a/b", File)], Refused(100, &["tree", "a/b"])),
    case("a name of zen's temporary files", &[(b".zen-tmp-x", File)], Refused(100, &["tree", ".zen-tmp-x"])),
    case("an absolute link", &[(b"a", Link(b"/etc/passwd"))], Ran),
    case("a link to the processes", &[(b"a", Link(b"/proc/self/cwd"))], Ran),
    case("a link to nothing at all", &[(b"a", Link(b""))], Ran),
    case("a link with a NUL", &[(b"a", Link(b"x\0y"))], Ran),
    case("a link that climbs out", &[(b"a", Link(b"../../outside/file"))], Refused(100, &["tree/a"])),
    case("a link that climbs in its middle", &[(b"a", Link(b"sub/../../../outside"))], Refused(100, &["tree/a"])),
    // Nothing is ever written through a link; where it leads to is in the workspace.
    case("a link to git's folder", &[(b"a", Link(b"../.git"))], Restored),
    case("a link to the zen folder", &[(b"a", Link(b"../target/zen"))], Restored),
    case("links in a circle", &[(b"a", Link(b"b")), (b"b", Link(b"a"))], Restored),
    // On this system these are names like all others.
    case("backslashes and drives", &[(b"..\\..\\x", File), (b"C:", File), (b"\\\\host\\share", File)], Restored),
    case("names that are no text", &[(b"\x1b]0;title\x07", File), (b"\xff\xfe", File)], Restored),
    case("a name and its escape", &[(b"-rf", File), (b"a\nb", File)], Restored),
];

const fn case(name: &'static str, tree: &'static [(&'static [u8], Kind)], expect: Expect) -> Case {
    Case { name, tree, expect }
}

#[test]
fn f42_f43_records_that_lead_elsewhere_write_nothing_elsewhere() {
    let forge = Forge::new();
    let judge = |case: &Case| {
        let make = |forge: &Forge| {
            let file = forge.object(b"forged\n");
            let node = |kind: &Kind| match kind {
                File => file.clone(),
                Folder => Node::Folder,
                Link(target) => Node::Link { target: target.to_vec() },
            };
            forge.put_tree(case.tree.iter().map(|(path, kind)| (path.to_vec(), node(kind))).collect());
        };
        forge.judge(case.name, &make, case.expect, false);
    };
    all(CASES.iter().map(|case| (case.name, || judge(case))));
}

#[test]
fn f42_a_single_file_is_put_nowhere_but_at_its_place() {
    let forge = Forge::new();
    for (name, path, expect) in [
        ("a file elsewhere", &b"../src/lib.rs"[..], Ran),
        ("a file below a file that is none", b"lib.rs", Refused(100, &["file", "lib.rs"])),
    ] {
        let make = |forge: &Forge| {
            let node = forge.object(b"forged\n");
            forge.put_artifact("file", vec![Entry { path: RelPath::root().child(path), node }]);
        };
        forge.judge(name, &make, expect, false);
    }
}
