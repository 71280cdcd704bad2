//! The bar: what it says, where it may be, and that nothing of it stays.

use crate::harness::{Outcome, Workspace};

fn pipeline() -> Workspace {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.first]
run = "cat in.txt; printf 'no end of line'; cp in.txt {{ outputs.file }}"
files = ["in.txt"]
outputs.file = "first.txt"

[workspace.metadata.zen.pipelines.p.steps.second]
run = "cat {{ inputs.file }}"
inputs = ["first.file"]
"#,
    );
    workspace.write("in.txt", "line one\nline two\n");
    workspace.env.insert("CARGO_TERM_PROGRESS_WHEN".to_owned(), "always".to_owned());
    workspace.env.insert("CARGO_TERM_PROGRESS_WIDTH".to_owned(), "100".to_owned());
    workspace
}

fn run(workspace: &Workspace, args: &[&str]) -> Outcome {
    let mut command = workspace.command(&[&["run", "--color", "never"], args].concat());
    Outcome::of(command.output().expect("cargo-zen starts"))
}

/// What stands on a terminal when all of this was written to it.
fn screen(text: &str) -> String {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let mut column: usize = 0;
    for c in text.chars() {
        let line = lines.last_mut().expect("there is one");
        match c {
            '\n' => {
                lines.push(Vec::new());
                column = 0;
            }
            '\r' => column = 0,
            '\u{8}' => column = column.saturating_sub(1),
            c => {
                if column == line.len() {
                    line.push(c);
                } else {
                    line[column] = c;
                }
                column += 1;
            }
        }
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
}

/// Without what is never twice the same.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let number = word.trim_end();
        let is_time = number.strip_suffix('s').is_some_and(|it| it.parse::<f64>().is_ok());
        if is_time { word.replacen(number, "…", 1) } else { word.to_owned() }
    });
    words.collect()
}

#[test]
fn what_stays_on_the_screen_is_what_a_pipe_gets() {
    let mut workspace = pipeline();
    let with_bar = run(&workspace, &["--force"]);
    assert!(with_bar.stderr.contains("] 0/2: first"), "{:?}", with_bar.stderr);
    assert!(with_bar.stderr.contains("] 1/2: second"), "{:?}", with_bar.stderr);
    workspace.env.remove("CARGO_TERM_PROGRESS_WHEN");
    let without = run(&workspace, &["--force"]);
    assert!(!without.stderr.contains('\r') && !without.stderr.contains(" [>"), "{:?}", without.stderr);
    let [bar, pipe] = [with_bar, without].map(|outcome| timeless(screen(&outcome.stderr).trim_end()));
    assert_eq!(bar, pipe);
}

#[test]
fn what_is_left_is_said_once_it_is_known() {
    let workspace = pipeline();
    let first = run(&workspace, &[]);
    assert!(!first.stderr.contains(" left"), "{:?}", first.stderr);
    let again = run(&workspace, &["--force"]);
    assert!(again.stderr.contains("] 0/2, 1s left: first"), "{:?}", again.stderr);
}

#[test]
fn there_is_none_where_none_is_wanted() {
    let mut workspace = pipeline();
    assert!(run(&workspace, &["--force"]).stderr.contains(" [>"));
    let quiet = run(&workspace, &["--force", "-q"]);
    assert!(!quiet.stderr.contains(" [>"), "{:?}", quiet.stderr);
    workspace.env.insert("CARGO_TERM_PROGRESS_WIDTH".to_owned(), "20".to_owned());
    let narrow = run(&workspace, &["--force"]);
    assert!(!narrow.stderr.contains(" [>") && narrow.stderr.contains("Ran second"), "{:?}", narrow.stderr);
    for (name, value) in [("CARGO_TERM_PROGRESS_WHEN", "never"), ("TERM", "dumb"), ("CI", "true")] {
        let mut workspace = pipeline();
        workspace.env.remove("CARGO_TERM_PROGRESS_WHEN");
        workspace.env.remove("CARGO_TERM_PROGRESS_WIDTH");
        workspace.env.insert("TERM".to_owned(), "xterm".to_owned());
        let zen = format!("stty cols 100 rows 24; exec {} run --force --color never", env!("CARGO_BIN_EXE_cargo-zen"));
        let on_terminal = |workspace: &Workspace| {
            let shown = workspace.program("script", &["-qec", &zen, "/dev/null"]).output().expect("script starts");
            String::from_utf8_lossy(&shown.stdout).into_owned()
        };
        let shown = on_terminal(&workspace);
        assert!(shown.contains(" [>") && shown.contains("Finished p"), "{shown:?}");
        workspace.env.insert(name.to_owned(), value.to_owned());
        let shown = on_terminal(&workspace);
        assert!(!shown.contains(" [>") && shown.contains("Finished p"), "{name}: {shown:?}");
    }
}
