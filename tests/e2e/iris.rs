//! The story that the README tells, on real data: load, train, evaluate; again; with another parameter; and back.

use std::fs;
use std::time::SystemTime;

use crate::harness::{Outcome, Workspace};

const ALL_FRESH: &str = "evaluator=fresh svc_trainer=fresh training_data_loader=fresh";
const OUTPUTS: [&str; 8] = [
    "models/svc.json",
    "metrics/train.json",
    "metrics/test.json",
    "metrics/confusion.csv",
    "target/zen/out/training/training_data_loader/x_train.csv",
    "target/zen/out/training/training_data_loader/x_test.csv",
    "target/zen/out/training/training_data_loader/y_train.csv",
    "target/zen/out/training/training_data_loader/y_test.csv",
];

fn outputs(workspace: &Workspace) -> Vec<String> {
    OUTPUTS.iter().map(|path| workspace.read(path)).collect()
}

fn accuracy(outcome: &Outcome, step: &str, what: &str) -> f64 {
    let printed = outcome.printed(step);
    let line = printed.lines().find_map(|line| line.strip_prefix(&format!("{what} accuracy: ")));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{step} prints its accuracy:\n{printed}"))
}

#[test]
fn the_second_run_is_fresh_one_parameter_runs_what_reads_it_and_going_back_restores() {
    let workspace = Workspace::built_fixture("iris");
    let first = workspace.ok(&[]);
    assert_eq!(first.outcomes(), "evaluator=ran svc_trainer=ran training_data_loader=ran");
    assert!(accuracy(&first, "svc_trainer", "Train") > 0.9);
    assert!(accuracy(&first, "evaluator", "Test") > 0.9);
    let made = outputs(&workspace);
    let rows = |path: &str| workspace.read(path).lines().count() - 1;
    assert_eq!((rows(OUTPUTS[4]), rows(OUTPUTS[5]), rows(OUTPUTS[6]), rows(OUTPUTS[7])), (120, 30, 120, 30));
    assert_eq!(workspace.ok(&[]).outcomes(), ALL_FRESH);

    let tiny = workspace.ok(&["--set", "gamma=0.0001"]);
    assert_eq!(tiny.outcomes(), "evaluator=ran svc_trainer=ran training_data_loader=fresh");
    assert_eq!(tiny.why("svc_trainer"), "param `gamma`: 0.1 → 0.0001");
    assert!(tiny.stderr.contains("Running svc_trainer (param `gamma`: 0.1 → 0.0001)"), "{}", tiny.stderr);
    assert!(accuracy(&tiny, "svc_trainer", "Train") < 0.9);
    assert!(accuracy(&tiny, "evaluator", "Test") < 0.9);
    assert_ne!(outputs(&workspace), made);

    assert_eq!(workspace.ok(&[]).outcomes(), "evaluator=restored svc_trainer=restored training_data_loader=fresh");
    assert_eq!(outputs(&workspace), made);
    assert_eq!(workspace.ok(&[]).outcomes(), ALL_FRESH);

    fs::remove_file(workspace.path("models/svc.json")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "evaluator=fresh svc_trainer=restored training_data_loader=fresh");
    workspace.write("metrics/test.json", "{\"accuracy\": 1.0}");
    assert_eq!(workspace.ok(&[]).outcomes(), "evaluator=restored svc_trainer=fresh training_data_loader=fresh");
    fs::remove_dir_all(workspace.path("target/zen/out")).expect("it is there");
    assert_eq!(workspace.ok(&[]).outcomes(), "evaluator=fresh svc_trainer=fresh training_data_loader=restored");
    assert_eq!(outputs(&workspace), made);

    touch_everything(&workspace);
    assert_eq!(workspace.ok(&[]).outcomes(), ALL_FRESH);

    let copy = workspace.clone_elsewhere();
    assert_eq!(copy.ok(&[]).outcomes(), ALL_FRESH);
    let clone = workspace.clone_elsewhere();
    for made in ["models", "metrics", "target/zen/out"] {
        fs::remove_dir_all(clone.path(made)).expect("it is there");
    }
    assert_eq!(clone.ok(&[]).outcomes(), "evaluator=restored svc_trainer=restored training_data_loader=restored");
    assert_eq!(outputs(&clone), made);

    let source = "steps/src/bin/training_data_loader.rs";
    workspace.edit(source, "fn main()", "// The same rows, another comment.\nfn main()");
    let comment = workspace.ok(&[]);
    assert_eq!(comment.outcomes(), "evaluator=fresh svc_trainer=fresh training_data_loader=ran");
    assert!(comment.why("training_data_loader").contains("training_data_loader.rs"), "{}", comment.stderr);
    assert_eq!(outputs(&workspace), made);
    assert_eq!(workspace.ok(&[]).outcomes(), ALL_FRESH);
}

fn touch_everything(workspace: &Workspace) {
    for path in workspace.files_below("") {
        // Cargo's own files are its own; it would build anew.
        if path.starts_with(workspace.path("target/debug")) {
            continue;
        }
        let file = fs::File::options().read(true).open(&path).expect("it can be opened");
        file.set_modified(SystemTime::now()).expect("its time can be set");
    }
}
