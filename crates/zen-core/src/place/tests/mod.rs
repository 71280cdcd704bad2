//! Places in a world of their own: looking, collecting, restoring.

mod aside;
mod model;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::*;
use crate::artifact::{Artifact, Entry};
use crate::diag::{FileId, Span};
use crate::glob::Pattern;
use crate::model::{Output, Place};
use crate::store::{FetchError, Objects};

struct Hash;

impl Digests for Hash {
    fn digest(&self, path: &Path, metadata: &Metadata) -> io::Result<Digest> {
        assert!(metadata.is_file(), "only regular files are opened: {path:?}");
        Ok(Digest::of(&fs::read(path)?))
    }
}

#[derive(Default)]
struct Store(Mutex<BTreeMap<Digest, Vec<u8>>>);

/// A disk without space.
struct Full;

impl Objects for Full {
    fn contains(&self, objects: &[(Digest, u64)]) -> Vec<bool> {
        vec![false; objects.len()]
    }

    fn put_file(&self, _: &Path) -> io::Result<(Digest, u64)> {
        Err(ErrorKind::StorageFull.into())
    }

    fn put_bytes(&self, _: &[u8]) -> io::Result<Digest> {
        Err(ErrorKind::StorageFull.into())
    }

    fn fetch(&self, _: Digest, _: u64, to: &Path) -> Result<(), FetchError> {
        // Part of it is written before the space runs out.
        fs::write(to, "half")?;
        Err(FetchError::Io(ErrorKind::StorageFull.into()))
    }

    fn read(&self, digest: Digest) -> Result<Vec<u8>, FetchError> {
        Err(FetchError::Missing(digest))
    }
}

impl Store {
    fn has(&self, node: &Node) -> bool {
        matches!(node, Node::File { digest, .. } if self.0.lock().unwrap().contains_key(digest))
    }
}

impl Objects for Store {
    fn contains(&self, objects: &[(Digest, u64)]) -> Vec<bool> {
        objects.iter().map(|(digest, _)| self.0.lock().unwrap().contains_key(digest)).collect()
    }

    fn put_file(&self, from: &Path) -> io::Result<(Digest, u64)> {
        let bytes = fs::read(from)?;
        Ok((self.put_bytes(&bytes)?, bytes.len() as u64))
    }

    fn put_bytes(&self, bytes: &[u8]) -> io::Result<Digest> {
        self.0.lock().unwrap().insert(Digest::of(bytes), bytes.to_vec());
        Ok(Digest::of(bytes))
    }

    fn fetch(&self, digest: Digest, _: u64, to: &Path) -> Result<(), FetchError> {
        Ok(fs::write(to, self.read(digest)?)?)
    }

    fn read(&self, digest: Digest) -> Result<Vec<u8>, FetchError> {
        self.0.lock().unwrap().get(&digest).cloned().ok_or(FetchError::Missing(digest))
    }
}

struct World {
    folder: tempfile::TempDir,
    zen: RelPath,
    target: RelPath,
    store: Store,
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn output(text: &str) -> Output {
    let place = if text.contains('*') {
        Place::Glob(Pattern::new(&RelPath::root(), text).unwrap())
    } else {
        Place::Path { path: path(text), folder: text.ends_with('/') }
    };
    Output {
        name: "out".into(),
        span: Span::new(FileId(0), 0..0),
        place,
        place_is_ours: false,
        metric: false,
        content_hash: true,
        optional: false,
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, zen: path("target/zen"), target: path("target"), store: Store::default() }
    }

    fn places(&self) -> Places<'_> {
        Places { root: self.folder.path(), zen: &self.zen, target: &self.target, digests: &Hash }
    }

    fn at(&self, text: &str) -> PathBuf {
        self.folder.path().join(text)
    }

    fn write(&self, text: &str, bytes: &str) {
        let at = self.at(text);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
    }

    /// As if written long ago: whatever writes it again is found out.
    fn age(&self, text: &str) -> (u64, SystemTime) {
        let at = self.at(text);
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(&at).unwrap().set_modified(old).unwrap();
        self.identity(text)
    }

    fn identity(&self, text: &str) -> (u64, SystemTime) {
        let metadata = fs::symlink_metadata(self.at(text)).unwrap();
        (metadata.ino(), metadata.modified().unwrap())
    }

    fn collect(&self, output: &Output) -> Artifact {
        self.places().collect(output, Some(&self.store)).unwrap()
    }

    fn restore(&self, output: &Output, artifact: &Artifact) -> (Result<RestoreReport, RestoreError>, Vec<String>) {
        let mut replaced = Replaced::new("now");
        let own = |_: &RelPath, node: &Node| self.store.has(node);
        let report = self.places().restore(&output.place, artifact, &self.store, &own, &mut replaced);
        if report.is_ok() {
            assert!(self.places().matches(&output.place, artifact).unwrap(), "what was restored is what is there");
        }
        (report, replaced.moved.iter().map(|(path, _)| path.to_string()).collect())
    }

    /// All files and links of the workspace, with their bytes; zen's own folder by names alone.
    fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let found = inspect::tree(self.folder.path()).unwrap().unwrap();
        found
            .into_iter()
            .filter_map(|found| {
                let bytes = match found.seen {
                    inspect::Seen::File(_) => fs::read(&found.disk).unwrap(),
                    inspect::Seen::Link(target) => target,
                    _ => return None,
                };
                Some((found.path.to_string(), bytes))
            })
            .collect()
    }
}

fn file(bytes: &str) -> Node {
    Node::File { digest: Digest::of(bytes.as_bytes()), size: bytes.len() as u64, executable: false }
}

fn entry(path: &[u8], node: Node) -> Entry {
    Entry { path: RelPath::root().child(path), node }
}

fn artifact(entries: Vec<Entry>) -> Artifact {
    Artifact { name: "out".into(), entries }
}

#[test]
fn all_of_a_folder_is_seen_in_order() {
    let world = World::new();
    world.write("d/b.txt", "b");
    world.write("d/b/x", "x");
    world.write("d/.zen-tmp-1/x", "x");
    fs::create_dir(world.at("d/empty")).unwrap();
    symlink("b.txt", world.at("d/link")).unwrap();
    fs::write(world.at("d").join(std::ffi::OsStr::from_bytes(b"bad\xff")), "").unwrap();
    fs::set_permissions(world.at("d/b/x"), Permissions::from_mode(0o755)).unwrap();
    let entries = world.places().inspect(&output("d").place).unwrap().unwrap();
    let executable = Node::File { digest: Digest::of(b"x"), size: 1, executable: true };
    let expected = [
        entry(b"", Node::Folder),
        entry(b"b", Node::Folder),
        entry(b"b.txt", file("b")),
        entry(b"b/x", executable),
        entry(b"bad\xff", file("")),
        entry(b"empty", Node::Folder),
        entry(b"link", Node::Link { target: b"b.txt".to_vec() }),
    ];
    assert_eq!(entries, expected);
    assert_eq!(world.places().inspect(&output("nothing").place).unwrap(), None);
}

#[test]
fn a_glob_sees_its_matches_and_not_the_target_directory() {
    let world = World::new();
    for name in ["a.gen.rs", "src/b.gen.rs", "src/c.rs", "target/d.gen.rs", ".git/e.gen.rs", "target/zen/out/f.gen.rs"]
    {
        world.write(name, "x");
    }
    let entries = world.places().inspect(&output("**/*.gen.rs").place).unwrap().unwrap();
    assert_eq!(entries, [entry(b"a.gen.rs", file("x")), entry(b"src/b.gen.rs", file("x"))]);
    let inside = world.places().inspect(&output("target/zen/out/*.rs").place).unwrap().unwrap();
    assert_eq!(inside, [entry(b"f.gen.rs", file("x"))]);
}

#[test]
fn f24_a_fifo_is_an_error_that_names_it() {
    let world = World::new();
    fs::create_dir(world.at("d")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, world.at("d/pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let error = world.places().collect(&output("d"), None).unwrap_err();
    assert!(matches!(&error, PlaceError::Special { path, kind: "a FIFO" } if path == "d/pipe"), "{error}");
    let whole = artifact(vec![entry(b"", Node::Folder), entry(b"pipe", file("x"))]);
    assert!(!world.places().matches(&output("d").place, &whole).unwrap());
    // A restore moves it out of the way, and a step may replace it.
    world.store.put_bytes(b"x").unwrap();
    assert_eq!(world.restore(&output("d"), &whole).1, ["d/pipe"]);
}

#[test]
fn f23_links_out_of_the_workspace_are_not_kept() {
    let world = World::new();
    fs::create_dir_all(world.at("d/sub")).unwrap();
    symlink("/etc", world.at("exit")).unwrap();
    for (target, fine) in [
        ("/etc/passwd", false),
        ("../../x", false),
        ("../exit/passwd", false),
        ("../d/sub/../sub", true),
        ("nowhere", true),
    ] {
        let link = world.at("d/link");
        let _ = fs::remove_file(&link);
        symlink(target, &link).unwrap();
        let result = world.places().collect(&output("d"), None);
        assert_eq!(result.is_ok(), fine, "{target}: {result:?}");
    }
}

#[test]
fn a_missing_output_is_an_error_unless_it_is_optional() {
    let world = World::new();
    let error = world.places().collect(&output("x"), None).unwrap_err();
    assert!(matches!(error, PlaceError::Missing { .. }), "{error}");
    let optional = Output { optional: true, ..output("x") };
    assert_eq!(world.places().collect(&optional, None).unwrap().entries, []);
    world.write("gen/a.txt", "");
    let error = world.places().collect(&output("gen/*.rs"), None).unwrap_err();
    assert!(error.to_string().contains("`gen/*.rs`"), "a glob that nothing matches is missing: {error}");
    world.write("f", "");
    assert!(matches!(world.places().collect(&output("f/"), None), Err(PlaceError::NotAFolder { .. })));
}

#[test]
fn f3_a_full_disk_costs_the_record_and_not_the_output() {
    let world = World::new();
    let d = output("d");
    world.write("d/a", "a");
    let error = world.places().collect(&d, Some(&Full)).unwrap_err();
    assert!(matches!(error, PlaceError::NotStored { .. }), "{error}");
    let artifact = world.places().collect(&d, None).unwrap();
    world.write("d/a", "b");
    let before = world.snapshot();
    let own = |_: &RelPath, _: &Node| true;
    let result = world.places().restore(&d.place, &artifact, &Full, &own, &mut Replaced::new("now"));
    assert!(matches!(result, Err(RestoreError::Place(PlaceError::Io { .. }))), "{result:?}");
    assert_eq!(world.snapshot(), before);
}

#[test]
fn f_16_restore_leaves_alone_what_is_right_and_gives_now_to_what_changes() {
    let world = World::new();
    let d = output("d");
    world.write("d/same", "same");
    world.write("d/changes", "one");
    world.write("d/gone", "gone");
    let artifact = world.collect(&d);
    let same = world.age("d/same");
    world.write("d/changes", "two");
    let stored = world.collect(&d);
    fs::remove_file(world.at("d/gone")).unwrap();
    let before = SystemTime::now() - Duration::from_secs(60);
    let (report, moved) = world.restore(&d, &artifact);
    assert_eq!(report.unwrap(), RestoreReport { kept: 2, written: 2, removed: 0 });
    assert_eq!(moved, Vec::<String>::new(), "its bytes are in the store");
    assert_eq!(world.identity("d/same"), same);
    assert!(world.identity("d/changes").1 > before, "cargo looks for what is newer");
    assert_eq!(
        fs::metadata(world.at("d/changes")).unwrap().mode() & 0o200,
        0o200,
        "an object's mode is not an output's"
    );
    // And back again: A → B → A.
    assert!(world.restore(&d, &stored).0.is_ok());
}

#[test]
fn f29_only_the_executable_bit_is_kept() {
    let world = World::new();
    let d = output("d");
    world.write("d/tool", "x");
    fs::set_permissions(world.at("d/tool"), Permissions::from_mode(0o4777)).unwrap();
    let artifact = world.collect(&d);
    fs::remove_dir_all(world.at("d")).unwrap();
    world.restore(&d, &artifact).0.unwrap();
    let mode = fs::metadata(world.at("d/tool")).unwrap().mode();
    assert_eq!((mode & 0o100, mode & 0o7000, mode & 0o002), (0o100, 0, 0), "{mode:o}");
}

#[test]
fn f_8_f33_strays_are_replaced_never_destroyed_and_own_ones_removed() {
    let world = World::new();
    let d = output("d");
    world.write("d/a", "a");
    let artifact = world.collect(&d);
    world.write("d/sub/own", "own");
    world.collect(&d);
    world.write("d/sub/stray", "a user's");
    world.write("d/a", "a hand edit");
    let (report, moved) = world.restore(&d, &artifact);
    assert_eq!(report.unwrap(), RestoreReport { kept: 1, written: 1, removed: 3 });
    assert_eq!(moved, ["d/sub/stray", "d/a"]);
    assert_eq!(fs::read_to_string(world.at("target/zen/replaced/now/d/a")).unwrap(), "a hand edit");
    assert!(!world.at("d/sub").exists(), "what became empty goes as well");
    // The same again, in the same run: nothing is overwritten there.
    world.write("d/a", "another edit");
    world.restore(&d, &artifact).0.unwrap();
    assert_eq!(fs::read_to_string(world.at("target/zen/replaced/now/d/a")).unwrap(), "a hand edit");
    assert_eq!(fs::read_to_string(world.at("target/zen/replaced/now.2/d/a")).unwrap(), "another edit");
}

#[test]
fn f_7_f31_a_lost_object_leaves_the_workspace_untouched() {
    let world = World::new();
    let d = output("d");
    world.write("d/a", "one");
    world.write("d/b", "one");
    let artifact = world.collect(&d);
    world.write("d/a", "two");
    world.write("d/stray", "stray");
    fs::remove_file(world.at("d/b")).unwrap();
    world.store.0.lock().unwrap().remove(&Digest::of(b"one"));
    let before = world.snapshot();
    assert!(matches!(world.restore(&d, &artifact).0, Err(RestoreError::Lost(lost)) if lost == Digest::of(b"one")));
    assert_eq!(world.snapshot(), before);
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 1, "no temporary file stays behind");
}

#[test]
fn f_25_f32_a_read_only_output_is_replaced() {
    let world = World::new();
    let f = output("f");
    world.write("f", "one");
    let artifact = world.collect(&f);
    fs::remove_file(world.at("f")).unwrap();
    world.write("f", "two");
    fs::set_permissions(world.at("f"), Permissions::from_mode(0o444)).unwrap();
    world.collect(&f);
    // Another name of it keeps its bytes: it was not opened for writing.
    fs::hard_link(world.at("f"), world.at("other")).unwrap();
    world.restore(&f, &artifact).0.unwrap();
    assert_eq!(fs::read_to_string(world.at("f")).unwrap(), "one");
    assert_eq!(fs::read_to_string(world.at("other")).unwrap(), "two");
}

#[test]
fn f43_nothing_is_written_through_a_symlink() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    world.write("d/sub/a", "a");
    let (d, deep, glob) = (output("d"), output("d/sub/a"), output("d/**/a"));
    let (whole, single, matches) = (world.collect(&d), world.collect(&deep), world.collect(&glob));
    fs::remove_dir_all(world.at("d/sub")).unwrap();
    symlink(outside.path(), world.at("d/sub")).unwrap();
    for (output, artifact) in [(&deep, &single), (&glob, &matches)] {
        let error = world.restore(output, artifact).0.unwrap_err();
        assert!(matches!(error, RestoreError::Place(PlaceError::NoFolder { kind: "a symlink", .. })), "{error}");
        assert!(world.places().set_aside("p/s", std::slice::from_ref(&deep)).is_err());
    }
    // Within the place the link itself is a stray.
    assert_eq!(world.restore(&d, &whole).1, ["d/sub"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "nothing was written outside");
}

#[test]
fn f_31_f42_hostile_artifacts_are_refused_before_anything_is_touched() {
    let world = World::new();
    world.store.put_bytes(b"x").unwrap();
    let folder = || entry(b"", Node::Folder);
    let link = |target: &[u8]| Node::Link { target: target.to_vec() };
    for (name, entries) in [
        ("climbs", vec![folder(), entry(b"../x", file("x"))]),
        ("climbs later", vec![folder(), entry(b"a/../../x", file("x"))]),
        ("absolute", vec![folder(), entry(b"/tmp/x", file("x"))]),
        ("nul", vec![folder(), entry(b"a\0", file("x"))]),
        ("temporary", vec![folder(), entry(b".zen-tmp-x", file("x"))]),
        ("twice", vec![folder(), entry(b"a", file("x")), entry(b"a", file("x"))]),
        ("out of order", vec![folder(), entry(b"b", file("x")), entry(b"a", file("x"))]),
        ("below a file", vec![folder(), entry(b"a", file("x")), entry(b"a/b", file("x"))]),
        ("below a link", vec![folder(), entry(b"a", link(b"../..")), entry(b"a/b", file("x"))]),
        ("no folder", vec![entry(b"a", file("x"))]),
        ("outward link", vec![folder(), entry(b"a", link(b"../../x"))]),
        ("absolute link", vec![folder(), entry(b"a", link(b"/etc"))]),
    ] {
        let before = world.snapshot();
        let result = world.restore(&output("d"), &artifact(entries)).0;
        assert!(
            matches!(result, Err(RestoreError::Refused { .. } | RestoreError::Place(PlaceError::LeadsOut { .. }))),
            "{name}: {result:?}"
        );
        assert_eq!(world.snapshot(), before, "{name}");
    }
    let elsewhere = artifact(vec![entry(b"x.rs", file("x"))]);
    assert!(matches!(world.restore(&output("*.txt"), &elsewhere).0, Err(RestoreError::Refused { .. })));
}

#[test]
fn kinds_change_into_each_other() {
    let world = World::new();
    let d = output("d");
    world.write("d", "a file");
    let single = world.collect(&d);
    fs::remove_file(world.at("d")).unwrap();
    world.write("d/x/y", "y");
    symlink("x/y", world.at("d/link")).unwrap();
    let tree = world.collect(&d);
    fs::remove_file(world.at("d/link")).unwrap();
    world.write("d/link/inside", "i");
    let other = world.collect(&d);
    for artifact in [&single, &tree, &other, &tree, &single, &other, &artifact(vec![])] {
        world.restore(&d, artifact).0.unwrap();
    }
}

#[test]
fn a_glob_is_restored_and_its_neighbours_stay() {
    let world = World::new();
    let glob = output("src/**/*.gen");
    world.write("src/a/b/x.gen", "x");
    world.write("src/y.gen", "y");
    let artifact = world.collect(&glob);
    fs::remove_dir_all(world.at("src/a")).unwrap();
    world.write("src/mine.rs", "mine");
    world.write("src/y.gen", "edited");
    world.write("src/z.gen", "stray");
    assert_eq!(world.restore(&glob, &artifact).1, ["src/z.gen", "src/y.gen"]);
    assert_eq!(fs::read_to_string(world.at("src/mine.rs")).unwrap(), "mine");
}

#[test]
fn the_zen_folder_may_lie_behind_a_link() {
    let world = World::new();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), world.at("target")).unwrap();
    let out = output("target/zen/out/p/s/x");
    let aside = world.places().set_aside("p/s", std::slice::from_ref(&out)).unwrap();
    world.write("target/zen/out/p/s/x", "x");
    let artifact = world.collect(&out);
    aside.finish(std::slice::from_ref(&artifact), &|_, _| false, &mut Replaced::new("now")).unwrap();
    fs::remove_file(world.at("target/zen/out/p/s/x")).unwrap();
    world.restore(&out, &artifact).0.unwrap();
}

#[test]
fn f1_what_waited_for_a_restore_that_died_goes_and_what_waits_for_others_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("out/deep/tree")).unwrap();
    let waits = |of: &str, beside: &str| root.join(beside).join(format!("{}x", temporary_of(of)));
    let leftovers = [waits("out/deep/tree", "out/deep"), waits("out/deep/tree", "out"), waits("out/deep/tree", "")];
    let others = [waits("out/deep/other", "out/deep"), waits("out/deep", "out"), root.join("out/deep/tree")];
    for path in leftovers.iter().chain(&others) {
        fs::create_dir_all(path.join("0")).unwrap();
    }
    remove_leftovers(root, "out/deep/tree");
    assert!(leftovers.iter().all(|path| !path.exists()), "wherever the nearest folder was then");
    assert!(others.iter().all(|path| path.exists()));
    remove_leftovers(&root.join("out"), "../out/deep/other");
    assert!(others.iter().all(|path| path.exists()), "a name that climbs is no place's");
}
