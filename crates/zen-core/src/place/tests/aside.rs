//! Old outputs while their step runs, and when it was killed.

use super::*;

/// Runs a "step" over `outputs`: sets aside, lets `step` write, finishes. Gives what was replaced.
fn run(world: &World, outputs: &[Output], step: impl FnOnce()) -> Vec<String> {
    let aside = world.places().set_aside("p/s", outputs).unwrap();
    step();
    let artifacts: Vec<_> = outputs.iter().map(|output| world.collect(output)).collect();
    let mut replaced = Replaced::new("now");
    aside.finish(&artifacts, &|_, node| world.store.has(node), &mut replaced).unwrap();
    assert!(!world.places().is_interrupted().unwrap(), "nothing stays aside");
    replaced.moved.iter().map(|(path, _)| path.to_string()).collect()
}

#[test]
fn f_16_a_file_that_came_out_the_same_keeps_inode_and_mtime() {
    let world = World::new();
    let outputs = [output("d/"), output("f"), output("g/*.x")];
    let write = |changed: &str| {
        world.write("d/same", "same");
        world.write("d/changed", changed);
        world.write("f", "f");
        world.write("g/a.x", "a");
    };
    run(&world, &outputs, || write("one"));
    let same = ["d/same", "f", "g/a.x"].map(|name| world.age(name));
    let moved = run(&world, &outputs, || {
        assert!(world.at("d").is_dir() && !world.at("d/same").exists(), "a clean folder is there when it starts");
        write("two");
    });
    assert_eq!(["d/same", "f", "g/a.x"].map(|name| world.identity(name)), same);
    assert_eq!(fs::read_to_string(world.at("d/changed")).unwrap(), "two");
    assert_eq!(moved, Vec::<String>::new());
    // If all of a folder is the same, so is the folder.
    let folder = world.age("d");
    run(&world, &outputs, || write("two"));
    assert_eq!(world.identity("d"), folder);
    assert_eq!(["d/same", "f", "g/a.x"].map(|name| world.identity(name)), same);
}

#[test]
fn what_stood_there_before_the_first_run_is_not_destroyed() {
    let world = World::new();
    world.write("d/notes.txt", "a user's");
    world.write("d/same", "same");
    let same = world.age("d/same");
    let moved = run(&world, &[output("d")], || world.write("d/same", "same"));
    assert_eq!(moved, ["d/notes.txt"]);
    assert_eq!(fs::read_to_string(world.at("target/zen/replaced/now/d/notes.txt")).unwrap(), "a user's");
    assert_eq!(world.identity("d/same"), same);
}

#[test]
fn f_27_a_failure_keeps_the_left_overs_and_puts_the_old_back() {
    let world = World::new();
    let outputs = [output("d"), output("new"), output("g/*.x")];
    world.write("d/old", "old");
    world.write("g/a.x", "old");
    let old = ["d/old", "g/a.x"].map(|name| world.age(name));
    let aside = world.places().set_aside("p/s", &outputs).unwrap();
    world.write("d/partial", "partial");
    world.write("new", "half");
    world.write("g/b.x", "half");
    let kept = aside.abort().unwrap().unwrap();
    assert_eq!(kept, world.at("target/zen/failed/p/s"));
    assert_eq!(["d/old", "g/a.x"].map(|name| world.identity(name)), old);
    assert!(!world.at("new").exists() && !world.at("d/partial").exists() && !world.at("g/b.x").exists());
    assert_eq!(fs::read_to_string(kept.join("d/partial")).unwrap(), "partial");
    assert_eq!(fs::read_to_string(kept.join("g/b.x")).unwrap(), "half");
    // A later failure that leaves nothing says so.
    let aside = world.places().set_aside("p/s", &outputs).unwrap();
    assert_eq!(aside.abort().unwrap(), None);
    assert_eq!(["d/old", "g/a.x"].map(|name| world.identity(name)), old);
}

#[test]
fn f1_what_a_killed_run_set_aside_comes_back() {
    let world = World::new();
    let outputs = [output("d"), output("deep/er/f"), output("target/zen/out/p/s/x"), output("g/**/*.x")];
    for name in ["d/old", "deep/er/f", "target/zen/out/p/s/x", "g/h/a.x"] {
        world.write(name, "old");
    }
    let before = world.snapshot();
    drop(world.places().set_aside("p/s", &outputs).unwrap());
    assert!(world.places().is_interrupted().unwrap());
    fs::remove_dir_all(world.at("deep")).unwrap();
    world.write("d/partial", "partial");
    let refused = world.places().set_aside("p/s", &outputs);
    assert!(matches!(refused.err(), Some(PlaceError::Interrupted { .. })), "what is aside is never run over");
    let mut replaced = Replaced::new("now");
    let own = |_: &RelPath, _: &Node| false;
    let recovered = world.places().recover("p/s", &own, &mut replaced).unwrap();
    assert_eq!(recovered, ["d", "deep/er/f", "g/h/a.x", "target/zen/out/p/s/x"].map(path));
    let mut after = world.snapshot();
    assert_eq!(after.remove("target/zen/replaced/now/d/partial").as_deref(), Some(&b"partial"[..]));
    assert_eq!(after, before);
    assert_eq!(world.places().recover("p/s", &own, &mut replaced).unwrap(), []);
}

#[test]
fn f1_a_run_killed_while_it_tidied_up_is_tidied_up_later() {
    let world = World::new();
    world.write("target/zen/aside/done/p%2fs/w1/d/mine", "mine");
    world.write("target/zen/aside/done/p%2fs/w1/lost", "lost");
    world.write("d/new", "new");
    let mut replaced = Replaced::new("now");
    let recovered = world.places().recover("p/s", &|_, _| false, &mut replaced).unwrap();
    assert_eq!(recovered, [path("lost")]);
    assert_eq!(replaced.moved[0].0, path("d/mine"));
    assert_eq!(fs::read_to_string(world.at("d/new")).unwrap(), "new");
}

#[test]
fn a_zen_folder_on_another_file_system_works_too() {
    let Ok(shm) = tempfile::tempdir_in("/dev/shm") else { return };
    let mut world = World::new();
    if fs::metadata(shm.path()).unwrap().dev() == fs::metadata(world.folder.path()).unwrap().dev() {
        return;
    }
    world.target = RelPath::from_absolute(world.folder.path(), shm.path()).unwrap();
    world.zen = world.target.child(b"zen");
    world.write("d/same", "same");
    world.write("d/stray", "stray");
    let same = world.age("d/same");
    let aside = world.places().set_aside("p/s", &[output("d")]).unwrap();
    assert!(!world.at("d").exists());
    drop(aside);
    world.write("d/partial", "partial");
    let mut replaced = Replaced::new("now");
    let recovered = world.places().recover("p/s", &|_, _| false, &mut replaced).unwrap();
    assert_eq!((recovered, replaced.moved.len()), (vec![path("d")], 1));
    assert_eq!(run(&world, &[output("d")], || world.write("d/same", "same")), ["d/stray"]);
    assert_eq!(world.identity("d/same"), same);
    assert_eq!(fs::read_to_string(shm.path().join("zen/replaced/now/d/stray")).unwrap(), "stray");
    let aside = world.places().set_aside("p/s", &[output("d")]).unwrap();
    world.write("d/half", "half");
    assert!(aside.abort().unwrap().unwrap().join("d/half").exists());
    assert_eq!(world.identity("d/same"), same);
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 1, "nothing stays beside");
}

#[test]
fn outputs_that_are_no_longer_defined_go_if_they_are_still_zens() {
    let world = World::new();
    world.write("d/a", "a");
    world.write("d/b", "b");
    let entries = world.places().inspect(&output("d").place).unwrap().unwrap();
    let entries: Vec<_> = entries.into_iter().map(|entry| (path("d").under(&entry.path), entry.node)).collect();
    world.write("d/b", "edited");
    assert_eq!(world.places().remove_own(&entries, &|_, _| true, &mut Replaced::default()).unwrap(), [path("d/a")]);
    assert_eq!(fs::read_to_string(world.at("d/b")).unwrap(), "edited");
    world.write("d/b", "b");
    assert_eq!(
        world.places().remove_own(&entries, &|_, _| true, &mut Replaced::default()).unwrap(),
        [path("d"), path("d/b")]
    );
    assert!(!world.at("d").exists());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Path → bytes, for paths that may be files and folders in turn.
    fn tree() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
        let paths = prop::sample::select(vec!["d", "d/a", "d/a/x", "d/a/x/1", "d/b", "d/b/y", "d/a.b"]);
        prop::collection::btree_map(paths, prop::sample::select(vec!["one", "two", "three"]), 0..6)
    }

    /// Writes what of `tree` can be written: a file keeps what would lie below it from being.
    fn write(world: &World, tree: &BTreeMap<&str, &str>) {
        remove_tree(&world.at("d")).unwrap();
        for (path, bytes) in tree {
            let blocked = world.at(path).ancestors().skip(1).any(Path::is_file);
            if !blocked {
                world.write(path, bytes);
            }
        }
    }

    fn bytes_below(world: &World, folder: &str) -> Vec<Vec<u8>> {
        let snapshot = world.snapshot().into_iter();
        let mut bytes: Vec<_> = snapshot.filter(|(path, _)| path.starts_with(folder)).map(|(_, bytes)| bytes).collect();
        bytes.sort_unstable();
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn f33_a_restore_gives_exactly_the_artifact_and_loses_nothing(made in tree(), found in tree()) {
            let world = World::new();
            let d = Output { optional: true, ..output("d") };
            write(&world, &made);
            let artifact = world.collect(&d);
            write(&world, &found);
            let entries = world.places().inspect(&d.place).unwrap().unwrap_or_default();
            let right = |entry: &&Entry| artifact.entries.contains(entry);
            let foreign = entries.iter().filter(|entry| !right(entry));
            let mut replaced = Replaced::new("now");
            let foreign = foreign.filter(|entry| matches!(entry.node, Node::File { .. })).count();
            world.places().restore(&d.place, &artifact, &world.store, &|_, _| false, &mut replaced).unwrap();
            prop_assert!(world.places().matches(&d.place, &artifact).unwrap());
            prop_assert_eq!(bytes_below(&world, "target/zen/replaced").len(), foreign);
        }

        #[test]
        fn aside_and_back_is_nothing_wherever_it_stops(before in tree(), step in tree(), killed: bool) {
            let world = World::new();
            write(&world, &before);
            let snapshot = world.snapshot();
            let aside = world.places().set_aside("p/s", &[output("d")]).unwrap();
            write(&world, &step);
            if killed {
                drop(aside);
                world.places().recover("p/s", &|_, _| false, &mut Replaced::new("now")).unwrap();
            } else {
                aside.abort().unwrap();
            }
            let after = world.snapshot();
            let after: BTreeMap<_, _> = after.into_iter().filter(|(path, _)| !path.starts_with("target")).collect();
            // What had not been there need not go if nobody can tell whose it is.
            if !killed || !snapshot.is_empty() {
                prop_assert_eq!(after, snapshot);
            }
        }

        #[test]
        fn a_finished_step_leaves_its_outputs_and_loses_nothing(before in tree(), step in tree()) {
            let world = World::new();
            write(&world, &before);
            let d = Output { optional: true, ..output("d") };
            let old = bytes_below(&world, "d");
            let aside = world.places().set_aside("p/s", std::slice::from_ref(&d)).unwrap();
            write(&world, &step);
            let artifact = world.collect(&d);
            aside.finish(std::slice::from_ref(&artifact), &|_, _| false, &mut Replaced::new("now")).unwrap();
            prop_assert!(world.places().matches(&d.place, &artifact).unwrap());
            let mut left = bytes_below(&world, "");
            for bytes in old {
                let at = left.iter().position(|other| *other == bytes);
                prop_assert!(at.is_some(), "{:?} is gone", bytes);
                left.remove(at.unwrap());
            }
        }
    }
}

#[test]
fn folders_that_nobody_may_write_to_do_not_stand_in_the_way() {
    let world = World::new();
    let outputs = [output("d")];
    let lock = || {
        for folder in ["d/ro", "d"] {
            fs::set_permissions(world.at(folder), Permissions::from_mode(0o555)).unwrap();
        }
    };
    world.write("d/ro/f", "old");
    lock();
    run(&world, &outputs, || {
        world.write("d/ro/f", "new");
        lock();
    });
    assert_eq!(fs::read_to_string(world.at("d/ro/f")).unwrap(), "new");
    // As root nothing was denied; that the way is opened is the same for all.
    assert!(open_up(&world.at("d")).unwrap() || world.at("d").metadata().unwrap().permissions().mode() & 0o200 != 0);
    assert!(!open_up(&world.at("d")).unwrap(), "all is open now");
}
