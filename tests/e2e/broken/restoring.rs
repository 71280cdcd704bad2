//! A restore that ends in the middle, at every call by which it changes the workspace: nobody takes what it left for whole.

use std::fs;

use super::faults::{self, EIO};
use crate::harness::Workspace;

/// Two outputs, each with several files; what they hold depends on `n`.
fn workspace() -> Workspace {
    Workspace::with_step(
        r#"run = '''
n={{ params.n }}
mkdir -p {{ outputs.one }}/sub {{ outputs.two }}
for name in a b sub/c sub/same; do echo $n $name > {{ outputs.one }}/$name; done
echo same > {{ outputs.one }}/sub/same
echo $n > {{ outputs.one }}/sub/only-$n
ln -s a {{ outputs.one }}/link-$n
echo two $n > {{ outputs.two }}/d
'''
params.n = 1
outputs.one = "made/one/"
outputs.two = "made/two/"
"#,
    )
}

fn is_temporary(name: &std::path::Path) -> bool {
    name.iter().any(|name| name.to_string_lossy().starts_with(".zen-tmp-"))
}

/// All files and links of the outputs.
fn listed(workspace: &Workspace) -> Vec<(String, String)> {
    // Where files cannot be removed, temporary ones stay; nothing matches them.
    let files = workspace.files_below("made").into_iter().filter(|file| !is_temporary(file)).map(|file| {
        let name = file.strip_prefix(workspace.path("made")).expect("it lies there").display().to_string();
        let text = fs::read_link(&file).map(|to| to.display().to_string()).or_else(|_| fs::read_to_string(&file));
        (name, text.expect("it can be read"))
    });
    files.collect()
}

/// Goes from the outputs of one parameter back to those of another, and is stopped at each call in turn.
fn is_stopped_at_each_call(error: i32) {
    for outputs_are_there in [true, false] {
        let mut ends = 0;
        for from in 0.. {
            let how = format!("call {from}, error {error}, outputs there: {outputs_are_there}");
            let workspace = workspace();
            workspace.ok(&[]);
            let wanted = listed(&workspace);
            workspace.ok(&["--set", "s.n=2"]);
            if !outputs_are_there {
                fs::remove_dir_all(workspace.path("made")).expect("it is there");
            }
            let stopped = faults::run_from(&workspace, ("rename,mkdir,unlink,rmdir", "/ws/made", error), from, &[]);
            if stopped.code == Some(0) {
                assert_eq!(listed(&workspace), wanted, "{how}");
                break;
            }
            ends += 1;
            assert!(
                stopped.messages.iter().all(|message| message["outcome"] != "restored"),
                "{how}: {}",
                stopped.stdout
            );
            let status = workspace.zen(&["status"]);
            assert_eq!(status.stdout.contains("Fresh"), listed(&workspace) == wanted, "{how}: {}", status.stdout);
            let next = workspace.ok(&[]);
            assert_eq!(listed(&workspace), wanted, "{how}: {}", next.stderr);
            assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh", "{how}");
            let left: Vec<_> = workspace.files_below(".").into_iter().filter(|file| is_temporary(file)).collect();
            assert!(left.is_empty() || error != 0, "{how}: {left:?}");
        }
        assert!(ends >= 4, "{ends} calls change something");
    }
}

#[test]
fn f31_a_restore_that_is_killed_at_any_call_is_never_fresh_and_the_next_run_completes_it() {
    is_stopped_at_each_call(0);
}

#[test]
fn f5_f31_a_restore_whose_writing_fails_at_any_call_is_never_fresh_and_the_next_run_completes_it() {
    is_stopped_at_each_call(EIO);
}

#[test]
fn f31_of_two_outputs_one_that_lost_an_object_is_made_anew_with_the_other() {
    for output in ["one", "two"] {
        for is_damaged in [false, true] {
            let workspace = workspace();
            workspace.ok(&[]);
            let wanted = listed(&workspace);
            let lost = fs::read_to_string(workspace.path(if output == "one" { "made/one/b" } else { "made/two/d" }));
            let lost = lost.expect("it is there");
            fs::remove_dir_all(workspace.path("made")).expect("it is there");
            let mut objects = workspace.files_below("target/zen/v1/objects").into_iter();
            let object = objects.rfind(|file| fs::read(file).is_ok_and(|bytes| bytes == lost.as_bytes()));
            let object = object.expect("the store has it");
            fs::remove_file(&object).expect("it can be removed");
            if is_damaged {
                fs::write(&object, lost.to_uppercase().replace('1', "2")).expect("it can be written");
            }
            let next = workspace.ok(&[]);
            assert_eq!(next.why("s"), format!("artifact `{output}` is missing from the store"), "{is_damaged}");
            assert_eq!((next.outcomes().as_str(), listed(&workspace)), ("s=ran", wanted.clone()));
            fs::remove_dir_all(workspace.path("made")).expect("it is there");
            assert_eq!(workspace.ok(&[]).outcomes(), "s=restored", "and the store has it again");
            assert_eq!(listed(&workspace), wanted);
        }
    }
}

#[test]
fn f31_nothing_of_a_step_is_put_back_before_all_of_it_is_fetched() {
    let workspace = workspace();
    workspace.edit("Cargo.toml", "mkdir -p", "test ! -e \"$PWD/../fails\"\nmkdir -p");
    workspace.ok(&[]);
    let object = workspace.files_below("target/zen/v1/objects").into_iter();
    let mut of_two = object.filter(|file| fs::read(file).is_ok_and(|bytes| bytes == b"two 1\n"));
    let object = of_two.next().expect("the store has it");
    fs::remove_file(&object).expect("it can be removed");
    // Nobody sees that before it is fetched.
    fs::write(object, "two 9\n").expect("it can be written");
    workspace.ok(&["--set", "s.n=2"]);
    let before = listed(&workspace);
    fs::write(workspace.beside("fails"), "").expect("it can be written");
    let failed = workspace.run(&[]);
    assert_eq!(failed.why("s"), "artifact `two` is missing from the store");
    assert_eq!((failed.outcomes().as_str(), listed(&workspace)), ("s=failed", before), "neither is of another run");
}

#[test]
fn f31_what_waited_for_a_restore_goes_even_if_it_could_not_be_removed_at_once() {
    let mut failures = 0;
    for from in 0.. {
        let workspace = workspace();
        workspace.ok(&[]);
        let wanted = listed(&workspace);
        workspace.ok(&["--set", "s.n=2"]);
        let stopped = faults::run_once(&workspace, ("unlink,rmdir", "/ws/made", EIO), from, &[]);
        let left = |when: &str| {
            let there = fs::read_dir(workspace.path("made")).expect("it is there");
            let mut names = there.map(|entry| entry.expect("it can be listed").file_name());
            assert_eq!(names.find(|name| is_temporary(name.as_ref())), None, "{from}: {when}: {}", stopped.stderr);
        };
        left("at once");
        workspace.ok(&[]);
        left("after another run");
        assert_eq!(listed(&workspace), wanted, "{from}");
        failures += usize::from(stopped.code != Some(0));
        // Some of the last calls may fail and nobody minds.
        if from > 24 {
            break;
        }
    }
    assert!(failures >= 2, "{failures} calls matter");
}
