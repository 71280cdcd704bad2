//! What is reused: the second run, going back, early cutoff.

use crate::harness::Workspace;

/// Two steps, the second reads what the first made.
fn two_steps() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params.n = 1

[workspace.metadata.zen.pipelines.p.steps.make]
run = "sort in.txt > {{ outputs.sorted }}"
files = ["in.txt"]
outputs.sorted = "sorted.txt"

[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.sorted }} > {{ outputs.used }}; echo {{ params.n }} >> {{ outputs.used }}"
inputs = ["make.sorted"]
params = ["n"]
outputs = ["used.txt"]
"#,
    );
    workspace.write("in.txt", "b\na\n");
    workspace
}

#[test]
fn the_second_run_is_all_fresh() {
    let workspace = two_steps();
    let first = workspace.ok(&[]);
    assert_eq!(first.outcomes(), "make=ran use=ran");
    assert_eq!(first.why("make"), "never run");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=fresh use=fresh");
}

#[test]
fn f_4_going_back_restores_the_bytes_of_then() {
    let workspace = two_steps();
    workspace.ok(&[]);
    let first = workspace.read("sorted.txt");
    workspace.write("in.txt", "d\nc\n");
    let changed = workspace.ok(&[]);
    assert_eq!(changed.outcomes(), "make=ran use=ran");
    assert_eq!(changed.why("make"), "file in.txt changed");
    assert_eq!(changed.why("use"), "input `sorted` changed");
    workspace.write("in.txt", "b\na\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=restored use=restored");
    assert_eq!(workspace.read("sorted.txt"), first);
}

#[test]
fn the_same_bytes_cut_off_what_follows() {
    let workspace = two_steps();
    workspace.ok(&[]);
    workspace.write("in.txt", "a\nb\n");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=ran use=fresh");
}

#[test]
fn a_parameter_is_named_with_its_old_and_new_value() {
    let workspace = two_steps();
    workspace.ok(&[]);
    let changed = workspace.ok(&["--set", "n=2"]);
    assert_eq!(changed.outcomes(), "make=fresh use=ran");
    assert_eq!(changed.why("use"), "param `n`: 1 → 2");
    let why = &changed.finished("use")["why"][0];
    assert_eq!((why["kind"].as_str(), why["component"].as_str()), (Some("changed"), Some("params")));
    assert_eq!((why["item"].as_str(), why["old"].as_str(), why["new"].as_str()), (Some("n"), Some("1"), Some("2")));
}

#[test]
fn restored_steps_are_named_in_the_order_of_the_plan() {
    let steps: String = (0..12)
        .map(|n| {
            // The first has by far the most to put back.
            let size = if n == 0 { 4_000_000 } else { 1 };
            format!(
                "[workspace.metadata.zen.pipelines.p.steps.s{n:02}]\nrun = \"head -c {size} /dev/zero > {{{{ outputs.o }}}}\"\n\
                 outputs.o = \"out/{n}\"\ntrack-env = [\"X\"]\n"
            )
        })
        .collect();
    let workspace = Workspace::new(&steps);
    workspace.ok(&[]);
    std::fs::remove_dir_all(workspace.path("out")).expect("it is there");
    let again = workspace.ok(&["-j", "4"]);
    let order: Vec<&str> = again.of_reason("step-finished").filter_map(|message| message["step"].as_str()).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(order, sorted);
    assert_eq!(again.of_reason("step-finished").filter(|message| message["outcome"] == "restored").count(), 12);
}
