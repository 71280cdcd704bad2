//! In GitHub Actions: a summary of the run, annotations where steps are defined, output that folds.

use crate::harness::{Outcome, Workspace};

fn pipeline() -> Workspace {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.good]
run = "echo hello; cp in.txt {{ outputs.file }}"
files = ["in.txt"]
outputs.file = "good.txt"

[workspace.metadata.zen.pipelines.p.steps.bad]
run = "echo oh no; test -e mended.txt"
inputs = ["good.file"]

[workspace.metadata.zen.pipelines.p.steps.late]
run = "true"
after = ["bad"]
files = ["in.txt"]
"#,
    );
    workspace.write("in.txt", "a\n");
    let file = workspace.beside("summary.md").display().to_string();
    let root = workspace.beside("").canonicalize().expect("it is there").display().to_string();
    for (name, value) in [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", &file)] {
        workspace.env.insert(name.to_owned(), value.to_owned());
    }
    workspace.env.insert("GITHUB_WORKSPACE".to_owned(), root);
    workspace
}

/// What was appended to the summary since it was last read, with times as `…`.
fn summary(workspace: &Workspace) -> String {
    let file = workspace.beside("summary.md");
    let text = std::fs::read_to_string(&file).expect("there is a summary");
    std::fs::remove_file(file).expect("it can be removed");
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let number = word.trim_end().trim_end_matches(')');
        let is_time = number.strip_suffix('s').is_some_and(|it| it.parse::<f64>().is_ok());
        if is_time { word.replacen(number, "…", 1) } else { word.to_owned() }
    });
    // What took no time at all saves none.
    words.collect::<String>().replace(" (saved …)", "")
}

fn run(workspace: &Workspace) -> Outcome {
    Outcome::of(workspace.command(&["run", "--color", "never"]).output().expect("cargo-zen starts"))
}

#[test]
fn a_run_is_summed_up_with_its_dag_and_a_row_for_each_step() {
    let workspace = pipeline();
    assert_eq!(run(&workspace).code, Some(100));
    insta::assert_snapshot!(summary(&workspace), @r#"
    ### ❌ p

    1 ran, 1 failed, 1 skipped in …

    ```mermaid
    flowchart LR
        n0["good<br><small>ran</small>"]:::ran
        n1["bad<br><small>failed</small>"]:::failed
        n2["late<br><small>skipped</small>"]:::skipped
        n0 -->|"file"| n1
        n1 ==> n2
        classDef ran fill:#e5dbff,stroke:#6741d9,color:#000
        classDef failed fill:#ffc9c9,stroke:#e03131,color:#000
        classDef skipped fill:#e9ecef,stroke:#868e96,color:#000
    ```

    | step | outcome | why | time |
    | --- | --- | --- | ---: |
    | good | ran | never run | … |
    | bad | failed | exit status: 1 (never run) | … |
    | late | skipped | &#96;p/bad&#96; failed | … |
    "#);
    workspace.write("mended.txt", "");
    assert_eq!(run(&workspace).code, Some(0));
    insta::assert_snapshot!(summary(&workspace), @r#"
    ### p

    2 ran, 1 cached in …

    ```mermaid
    flowchart LR
        n0["good<br><small>fresh</small>"]:::fresh
        n1["bad<br><small>ran</small>"]:::ran
        n2["late<br><small>ran</small>"]:::ran
        n0 -->|"file"| n1
        n1 ==> n2
        classDef fresh fill:#d3f9d8,stroke:#2f9e44,color:#000
        classDef ran fill:#e5dbff,stroke:#6741d9,color:#000
    ```

    | step | outcome | why | time |
    | --- | --- | --- | ---: |
    | good | fresh | run 1 | saved … |
    | bad | ran | never run | … |
    | late | ran | never run | … |
    "#);
    // Each run adds to what is there: a job may run several.
    run(&workspace);
    run(&workspace);
    assert_eq!(summary(&workspace).matches("### p\n").count(), 2);
}

#[test]
fn a_failure_is_marked_where_the_step_is_defined() {
    let workspace = pipeline();
    let outcome = run(&workspace);
    let line = outcome.stderr.lines().find(|line| line.starts_with("::error ")).expect("there is an annotation");
    let manifest = workspace.read("Cargo.toml");
    let defined = manifest.lines().position(|line| line.contains("steps.bad")).expect("it is there") + 1;
    let name = workspace.root.file_name().expect("it has a name").to_string_lossy().into_owned();
    assert_eq!(line, format!("::error file={name}/Cargo.toml,line={defined},title=step p/bad failed::exit status: 1"));
    assert_eq!(outcome.stderr.matches("::error ").count(), 1, "{}", outcome.stderr);
}

#[test]
fn output_folds_but_that_of_a_step_that_failed() {
    let mut workspace = pipeline();
    let outcome = run(&workspace);
    assert!(outcome.stderr.contains("::group::good\nhello\n::endgroup::\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\noh no\n") && !outcome.stderr.contains("::group::bad"), "{}", outcome.stderr);
    // Elsewhere it is in one piece as well, and nobody is there who would fold it.
    workspace.env.remove("GITHUB_ACTIONS");
    workspace.write("in.txt", "b\n");
    let outcome = run(&workspace);
    assert!(outcome.stderr.contains("\nhello\n") && !outcome.stderr.contains("::"), "{}", outcome.stderr);
}

#[test]
fn nothing_that_a_step_is_called_is_markup_or_a_command() {
    let workspace = pipeline();
    let matrix = "matrix.v = ['a|b<img>`c`', \"x\\r\\n::warning::y,%\"]\nrun = \"false\"";
    workspace.edit("Cargo.toml", "run = \"true\"\nafter = [\"bad\"]", matrix);
    workspace.edit("Cargo.toml", "test -e mended.txt", "true");
    let outcome = Outcome::of(workspace.command(&["run", "--keep-going"]).output().expect("cargo-zen starts"));
    let said = summary(&workspace);
    assert!(!said.contains("<img>") && !said.contains('%'), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("| late")).count(), 2, "{said}");
    for line in said.lines().filter(|line| line.starts_with("| late")) {
        assert_eq!(line.matches('|').count(), 5, "{line}");
    }
    let commands: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("::")).collect();
    let errors = commands.iter().filter(|line| line.starts_with("::error file="));
    assert_eq!(errors.count(), 2, "{commands:#?}");
    assert!(!commands.iter().any(|line| line.starts_with("::warning")), "{commands:#?}");
}

#[test]
fn a_summary_that_cannot_be_written_is_a_warning() {
    let mut workspace = pipeline();
    workspace.write("mended.txt", "");
    let nowhere = workspace.beside("no/such/folder/summary.md").display().to_string();
    workspace.env.insert("GITHUB_STEP_SUMMARY".to_owned(), nowhere);
    let outcome = run(&workspace);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("warning: the summary for GitHub cannot be written: "), "{}", outcome.stderr);
}

#[test]
fn a_wrong_definition_is_marked_where_it_stands() {
    let mut workspace = pipeline();
    workspace.edit("Cargo.toml", "inputs = [\"good.file\"]", "inputs = [\"god.file\"]");
    let marks = |workspace: &Workspace, args: &[&str]| {
        let outcome = workspace.zen(args);
        let marks: Vec<String> =
            outcome.stderr.lines().filter(|line| line.starts_with("::")).map(str::to_owned).collect();
        (outcome.code, marks)
    };
    let folder = workspace.root.file_name().expect("it has a name").to_string_lossy().into_owned();
    let line =
        workspace.read("Cargo.toml").lines().position(|line| line.contains("god.file")).expect("it is there") + 1;
    for args in [&["run"][..], &["status"], &["list"]] {
        let (code, found) = marks(&workspace, args);
        assert_eq!(code, Some(96), "{args:?}");
        let [mark] = &found[..] else { panic!("one mark for one problem: {found:?}") };
        let start = format!("::error file={folder}/Cargo.toml,line={line},title=invalid definition::");
        assert!(mark.starts_with(&start) && mark.contains("god") && mark.contains("%0Ahelp: "), "{mark}");
    }
    workspace.env.remove("GITHUB_ACTIONS");
    assert_eq!(marks(&workspace, &["run"]), (Some(96), Vec::new()), "nobody reads marks elsewhere");
}
