//! Small trees on a real disk, and what each set finds there.

use std::fs;
use std::sync::Arc;

use super::reading::{Read, Reading};
use super::walk::{Request, SetSpec};
use super::*;
use crate::closure::PackageTree;
use crate::glob::{PathSet, Pattern};
use crate::model::Place;

struct Tree {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new(files: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("ws");
        let tree = Self { folder, root };
        fs::create_dir(&tree.root).unwrap();
        files.iter().for_each(|file| tree.write(file, file));
        tree
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn observe(&self, sets: &[SetSpec], outputs: &[Place]) -> Observation {
        let sets: Vec<Arc<SetSpec>> = sets.iter().cloned().map(Arc::new).collect();
        let scanner = Scanner::new(&self.root, StatCache::open(&self.folder.path().join("stat")));
        let left_out = [path("target")];
        scanner.observe(Request { sets: &sets, outputs, left_out: &left_out })
    }

    fn names(&self, set: SetSpec, outputs: &[Place]) -> Vec<String> {
        self.observe(&[set], outputs).members(0).map(|seen| seen.path.to_string()).collect()
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn paths(patterns: &[&str]) -> SetSpec {
    let mut set = PathSet::default();
    for text in patterns {
        match text.strip_prefix('!') {
            Some(text) => set.exclude.push(Pattern::new(&RelPath::root(), text).unwrap()),
            None => set.include.push(Pattern::new(&RelPath::root(), text).unwrap()),
        }
    }
    SetSpec::Paths(set)
}

fn tree(root: &str, exclude: &[&str], source_roots: &[&str]) -> SetSpec {
    SetSpec::Tree(PackageTree {
        package: "p".into(),
        root: path(root),
        exclude: exclude.iter().map(|p| path(p)).collect(),
        source_roots: source_roots.iter().map(|p| path(p)).collect(),
    })
}

fn place(text: &str) -> Place {
    Place::Path { path: path(text), folder: false }
}

#[test]
fn a_glob_says_what_it_means() {
    let tree =
        Tree::new(&["a/x.txt", "a/.hidden.txt", "a/b/y.txt", "a/z.rs", "target/t.txt", ".git/g.txt", "a/.git/h.txt"]);
    assert_eq!(tree.names(paths(&["**/*.txt"]), &[]), ["a/.hidden.txt", "a/x.txt", "a/b/y.txt"]);
    assert_eq!(tree.names(paths(&["a/*.txt", "!a/.*"]), &[]), ["a/x.txt"]);
    assert_eq!(tree.names(paths(&["a", "!a/b"]), &[]), ["a/.hidden.txt", "a/x.txt", "a/z.rs"]);
    assert_eq!(tree.names(paths(&["a/z.rs", "a/*.rs"]), &[]), ["a/z.rs"]);
    assert_eq!(tree.names(paths(&["target/**"]), &[]), [""; 0]);
}

#[test]
fn sets_that_nest_share_one_walk() {
    let tree = Tree::new(&["a/b/c/x", "a/b/y", "a/z", "q"]);
    let sets = [paths(&["a/b/c/x"]), paths(&["a/b"]), paths(&["a/**/x", "q"]), paths(&["**"]), paths(&["*"])];
    let seen = tree.observe(&sets, &[]);
    let names =
        |set: usize| seen.members(set).map(|seen| seen.path.to_string()).collect::<std::collections::BTreeSet<_>>();
    let expect = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    assert_eq!(names(0), expect(&["a/b/c/x"]));
    assert_eq!(names(1), expect(&["a/b/c/x", "a/b/y"]));
    assert_eq!(names(2), expect(&["a/b/c/x", "q"]));
    assert_eq!(names(3), expect(&["a/b/c/x", "a/b/y", "a/z", "q"]));
    assert_eq!(names(4), expect(&["q"]));
    assert_eq!(seen.entries.len(), 4, "each path once");
}

#[test]
fn patterns_that_match_nothing_are_named() {
    let tree = Tree::new(&["a/x"]);
    let seen = tree.observe(&[paths(&["a/x", "a/missing", "b/*.rs", "a/*"])], &[]);
    assert_eq!(seen.sets[0].unmatched, [1, 2]);
}

#[test]
fn a_package_leaves_out_what_gitignore_says_and_outputs_beside_its_sources() {
    let tree_ = Tree::new(&[
        "p/src/lib.rs",
        "p/src/gen/a.rs",
        "p/src/scratch/note",
        "p/dist/out.js",
        "p/junk.log",
        "p/keep.log",
        "p/other/Cargo.toml",
        "p/src/bin/other.rs",
    ]);
    tree_.write(".gitignore", "*.log\n!keep.log\nscratch/\n");
    tree_.write("p/.gitignore", "/src/gen\n");
    let set = tree("p", &["p/other", "p/src/bin/other.rs"], &["p/src"]);
    let outputs = [place("p/src/gen"), place("p/dist/out.js")];
    assert_eq!(
        tree_.names(set.clone(), &outputs),
        ["p/.gitignore", "p/keep.log", "p/src/lib.rs", "p/src/gen/a.rs"],
        "an output below src belongs to it, ignored or not"
    );
    assert_eq!(tree_.names(set, &[]), ["p/.gitignore", "p/keep.log", "p/dist/out.js", "p/src/lib.rs"]);
}

#[cfg(unix)]
#[test]
fn f_14_f22_links_count_by_text_and_content_and_do_not_leave_the_workspace() {
    use std::os::unix::fs::symlink;
    let tree = Tree::new(&["data/a", "in/x"]);
    fs::write(tree.folder.path().join("outside"), "o").unwrap();
    symlink("../data/a", tree.root.join("in/file")).unwrap();
    symlink("../data", tree.root.join("in/folder")).unwrap();
    symlink("../../outside", tree.root.join("in/out")).unwrap();
    symlink("loop", tree.root.join("in/loop")).unwrap();
    let observe = || {
        tree.observe(&[paths(&["in"])], &[])
            .members(0)
            .map(|seen| (seen.path.to_string(), seen.content.digest()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = observe();
    assert!(matches!(before["in/out"], Err(Unusable::Outside { .. })));
    assert!(before["in/loop"].is_ok() && before["in/file"].is_ok() && before["in/folder"].is_ok());
    tree.write("data/a", "changed");
    let after = observe();
    assert_ne!(before["in/file"], after["in/file"]);
    assert_ne!(before["in/folder"], after["in/folder"]);
    assert_eq!(before["in/loop"], after["in/loop"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_a_link_is_part_of_what_lies_below_it() {
    let tree = Tree::new(&["v1/f", "v2/f"]);
    std::os::unix::fs::symlink("v1", tree.root.join("current")).unwrap();
    let digests = || {
        let seen = tree.observe(&[paths(&["current/f"])], &[]);
        seen.members(0).map(|seen| seen.content.digest().unwrap()).collect::<Vec<_>>()
    };
    let before = digests();
    assert_eq!(before.len(), 2, "the link and the file");
    fs::remove_file(tree.root.join("current")).unwrap();
    std::os::unix::fs::symlink("v2", tree.root.join("current")).unwrap();
    assert_ne!(before, digests());
}

#[cfg(unix)]
#[test]
fn f24_a_fifo_is_named_not_waited_for() {
    let tree = Tree::new(&["in/x"]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.root.join("in/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let seen = tree.observe(&[paths(&["in"])], &[]);
    let problems: Vec<_> = seen.members(0).filter_map(|seen| seen.content.digest().err()).collect();
    assert_eq!(problems, [Unusable::Special(path("in/pipe"))]);
}

#[cfg(unix)]
#[test]
fn f25_names_that_are_no_text_are_found() {
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new(&["d/x"]);
    fs::write(tree.root.join("d").join(std::ffi::OsStr::from_bytes(b"bad\xff")), "b").unwrap();
    assert_eq!(tree.names(paths(&["d/*"]), &[]), ["d/bad\\xff", "d/x"]);
}

#[test]
fn the_second_look_reads_nothing() {
    let tree = Tree::new(&["a/x", "a/y"]);
    let file = tree.folder.path().join("stat");
    let sets = [paths(&["a"])];
    let sets = sets.map(Arc::new);
    let request = Request { sets: &sets, outputs: &[], left_out: &[] };
    let mut first = Scanner::new(&tree.root, StatCache::open(&file));
    let before = first.observe(request);
    first.cache.save(|_| {}).unwrap();
    let reading = Arc::new(Reading::default());
    let second = Scanner::new(&tree.root, StatCache::open(&file)).watched(Some(Arc::clone(&reading)));
    let walked = second.restate(request);
    assert!(walked.seen.iter().all(|seen| second.cache.get(&seen.stamp).is_some()));
    assert_eq!(second.observe(request).entries, before.entries);
    assert_eq!(reading.now(), Read::default());
    fs::write(tree.root.join("a/z"), "four").unwrap();
    second.observe(request);
    assert_eq!(reading.now(), Read { files: (1, 1), bytes: (4, 4) }, "whoever watches sees that it is read");
}
