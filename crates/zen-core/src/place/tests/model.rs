//! Random trees: whatever lies at a place, a restore leaves exactly what the artifact says, and nobody's bytes are lost.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What one name of a tree is.
#[derive(Debug, Clone)]
enum Thing {
    File(&'static str),
    Tool(&'static str),
    Link(&'static str),
    Folder,
}

/// Later ones take the place of earlier ones that are in their way.
type Tree = Vec<(&'static str, Thing)>;

fn trees(texts: &'static [&'static str]) -> impl Strategy<Value = Tree> {
    let names = ["a", "b", "a/x", "a/y", "b/x", "a/x/z", "a/x/w", "c", "B", "ä", "c/d/e/f"];
    let text = || proptest::sample::select(texts);
    let thing = prop_oneof![
        4 => text().prop_map(Thing::File),
        1 => text().prop_map(Thing::Tool),
        1 => proptest::sample::select(vec!["a", "b", "nowhere"]).prop_map(Thing::Link),
        1 => Just(Thing::Folder),
    ];
    proptest::collection::vec((proptest::sample::select(names.to_vec()), thing), 0..9)
}

/// Makes the folder `d` hold the tree and nothing else.
fn make(world: &World, tree: &Tree) {
    let _ = fs::remove_dir_all(world.at("d"));
    fs::create_dir(world.at("d")).unwrap();
    for (name, thing) in tree {
        let at = world.at("d").join(name);
        for above in at.ancestors().filter(|above| above.starts_with(world.at("d/"))) {
            let is_in_the_way = |m: Metadata| above == at || !m.is_dir();
            if above != world.at("d") && above.symlink_metadata().is_ok_and(is_in_the_way) {
                remove_tree(above).unwrap();
            }
        }
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match thing {
            Thing::File(text) => fs::write(&at, text).unwrap(),
            Thing::Tool(text) => {
                fs::write(&at, text).unwrap();
                fs::set_permissions(&at, Permissions::from_mode(0o755)).unwrap();
            }
            Thing::Link(target) => {
                // From wherever it lies to something in `d`, or to nothing.
                let up = "../".repeat(name.matches('/').count());
                symlink(format!("{up}{target}"), &at).unwrap();
            }
            Thing::Folder => fs::create_dir(&at).unwrap(),
        }
    }
}

/// Everything below a folder, by path: kind, executable bit and bytes.
fn listed(folder: &Path) -> BTreeMap<PathBuf, (char, bool, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let what = if metadata.is_dir() {
                todo.push(path.clone());
                ('d', false, Vec::new())
            } else if metadata.is_symlink() {
                ('l', false, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                ('f', metadata.permissions().mode() & 0o100 != 0, fs::read(&path).unwrap())
            };
            all.insert(path.strip_prefix(folder).unwrap().to_owned(), what);
        }
    }
    all
}

fn texts_of(listed: &BTreeMap<PathBuf, (char, bool, Vec<u8>)>) -> BTreeSet<Vec<u8>> {
    listed.values().filter(|(kind, ..)| *kind == 'f').map(|(.., bytes)| bytes.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn f31_f33_a_restored_folder_is_the_artifact_exactly_and_nobodys_bytes_are_lost(
        wanted in trees(&["one", "two"]),
        own in trees(&["one", "two", "three"]),
        found in trees(&["one", "two", "three", "a user's", "another user's"]),
        lost in any::<prop::sample::Index>(),
    ) {
        let world = World::new();
        let d = output("d");
        make(&world, &wanted);
        let artifact = world.collect(&d);
        let expected = listed(&world.at("d"));
        make(&world, &own);
        world.collect(&d);
        make(&world, &found);
        let before = listed(&world.at("d"));

        // Without one of its objects nothing is touched.
        let files: Vec<Digest> = artifact.entries.iter().filter_map(|entry| match entry.node {
            Node::File { digest, .. } => Some(digest),
            _ => None,
        }).collect();
        if !files.is_empty() {
            let digest = files[lost.index(files.len())];
            let bytes = world.store.0.lock().unwrap().remove(&digest).unwrap();
            let (result, moved) = world.restore(&d, &artifact);
            if matches!(result, Err(RestoreError::Lost(_))) {
                prop_assert_eq!(listed(&world.at("d")), before.clone());
                prop_assert_eq!(moved, Vec::<String>::new());
            } else {
                // All files of these bytes were right already.
                prop_assert_eq!(listed(&world.at("d")), expected.clone());
                make(&world, &found);
            }
            world.store.put_bytes(&bytes).unwrap();
        }

        let (report, _) = world.restore(&d, &artifact);
        prop_assert!(report.is_ok(), "{report:?}");
        prop_assert_eq!(listed(&world.at("d")), expected.clone());
        let kept = fs::create_dir_all(world.at("target/zen/replaced")).map(|()| listed(&world.at("target/zen/replaced"))).unwrap();
        let left: BTreeSet<Vec<u8>> = texts_of(&kept).union(&texts_of(&expected)).cloned().collect();
        for text in texts_of(&before).into_iter().filter(|text| text.ends_with(b"user's")) {
            prop_assert!(left.contains(&text), "{} is gone", String::from_utf8_lossy(&text));
        }
        let again = world.restore(&d, &artifact).0.unwrap();
        prop_assert_eq!((again.written, again.removed), (0, 0), "what is right is left alone");
        let names = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        prop_assert!(names.into_iter().all(|name| name == "d" || name == "target"), "no temporary file is left");
    }
}

#[test]
fn f26_names_that_differ_by_case_or_accents_come_back_where_they_can() {
    let world = World::new();
    let d = output("d");
    for name in ["d/README", "d/readme", "d/\u{e4}", "d/a\u{308}"] {
        world.write(name, name);
    }
    let artifact = world.collect(&d);
    let names = |at: &str| fs::read_dir(world.at(at)).unwrap().count();
    let can = names("d") == 4;
    let one_and_other = [entry(b"README", file("d/README")), entry(b"readme", file("d/readme"))];
    let foreign = super::artifact([entry(b"", Node::Folder)].into_iter().chain(one_and_other).collect());
    fs::remove_dir_all(world.at("d")).unwrap();
    let result = world.restore(&d, if can { &artifact } else { &foreign }).0;
    if can {
        assert_eq!((result.unwrap().written, names("d")), (5, 4));
    } else {
        assert!(matches!(result, Err(RestoreError::OneName { .. })), "{result:?}");
        assert!(!world.at("d").exists(), "nothing was touched");
    }
    assert!(fs::read_dir(world.folder.path()).unwrap().count() <= 2, "and nothing is left of the question");
}
