//! Names and output that would steer a terminal or a runner if they were shown as they are.

use super::forge::zen;
use crate::harness::Workspace;

/// No escape but colours, no other control characters but line ends and tabs.
fn assert_no_escapes(text: &str, how: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let sgr = rest[at + 1..]
            .strip_prefix('[')
            .map(|after| after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
        assert!(sgr.is_some_and(|after| after.starts_with('m')), "{how}: an escape came through: {text:?}");
        rest = &rest[at + 1..];
    }
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\x1b');
    assert!(!text.contains(is_odd), "{how}: a control character came through: {text:?}");
}

/// [`assert_no_escapes`], and no command at the start of a line.
pub fn assert_tame(text: &str, how: &str) {
    assert_no_escapes(text, how);
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.trim_start().starts_with("##[");
    assert!(!text.lines().any(is_command), "{how}: a runner would take a line for a command: {text:?}");
}

/// GitHub's runner takes no line of a log that is shown again for a command: the first line stops it, the last one, which the
/// log cannot know, starts it again.
pub fn assert_unheard(text: &str, how: &str) {
    assert_no_escapes(&text.replace('\r', ""), how);
    let token = text.lines().next().and_then(|line| line.strip_prefix("::stop-commands::")).expect("it is stopped");
    assert!(text.trim_end().ends_with(&format!("\n::{token}::")), "{how}: it starts again: {text}");
    assert_eq!(text.matches(token).count(), 2, "{how}: only at the end: {text}");
}

#[test]
fn f47_file_names_that_steer_are_escaped_wherever_they_are_shown() {
    let workspace = Workspace::with_step(
        "run = \"mkdir -p {{ outputs.o }}; for f in in/*; do cp -- \\\"$f\\\" {{ outputs.o }}; done\"\nfiles = [\"in/**\"]\noutputs.o = \"out/\"",
    );
    let names = [
        "a\nb",
        "\x1b]0;title\x07",
        "\x1b[2J",
        "-rf",
        "it's \"quoted\"",
        "\u{9b}31m",
        "\u{202e}txt.exe",
        "a\n::add-mask::x",
        "\r",
    ];
    let write = |text: &str| names.iter().for_each(|name| workspace.write(&format!("in/{name}"), text));
    let mut all = Vec::new();
    for text in ["1", "2"] {
        write(text);
        for args in [
            &["status"][..],
            &["run"],
            &["explain", "s"],
            &["artifacts", "list"],
            &["artifacts", "show", "s.o"],
            &["logs", "s"],
            &["graph"],
        ] {
            all.push((args, zen(&workspace, "names", args)));
        }
        assert_eq!(workspace.ok(&[]).outcomes(), "s=fresh");
    }
    workspace.write("out/\x1b[31m", "a stray file");
    all.push((&["run"], zen(&workspace, "names", &["run"])));
    all.push((&["clean", "--outputs"], zen(&workspace, "names", &["clean", "--outputs"])));
    for (args, outcome) in all {
        for text in [&outcome.stdout, &outcome.stderr] {
            assert_tame(text, &format!("{args:?}"));
            assert!(!text.contains('\u{202e}'), "{args:?}: {text:?}");
        }
    }
    write("3");
    let told = workspace.ok(&[]);
    assert!(!told.stdout.contains('\x1b'), "{}", told.stdout);
    assert!(told.stdout.lines().all(|line| line.starts_with('{')), "one message a line: {}", told.stdout);
}

#[test]
fn f47_what_a_step_prints_steers_nobody() {
    let mut workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p.steps.says]
run = ["sh", "say.sh"]

[workspace.metadata.zen.pipelines.q.steps.fails]
run = ["sh", "say.sh", "3"]
"#,
    );
    workspace.write(
        "say.sh",
        r#"printf '\033]0;title\007\033Pq\033\\\033[2J\302\233 31m\033[?1049h\033c\033[31mred\033[0m\n'
printf '::add-mask::x\n::stop-commands::tok\n  ::set-output name=a::b\n##[group]g\nplain\n'
printf 'before\r::error::behind\n\b\b\bover\n\033_apc\033\\\n' >&2
exit ${1:-0}
"#,
    );
    for (args, code) in [
        (&["run", "p"][..], 0),
        (&["logs", "says"], 0),
        (&["run", "q"], 100),
        (&["run", "q", "--output", "grouped"], 100),
        (&["run", "q", "--output", "failures"], 100),
        (&["logs", "fails"], 0),
    ] {
        let outcome = zen(&workspace, "output", args);
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        let shown = [outcome.stdout, outcome.stderr].concat();
        assert!(shown.contains("plain"), "{args:?}: {shown}");
        // A step may draw a bar, and talk to the runner that it runs on.
        assert_no_escapes(&shown.replace('\r', ""), &format!("{args:?}"));
    }
    // Where it is only shown again, the runner is told not to listen.
    workspace.env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    for step in ["says", "fails"] {
        assert_unheard(&zen(&workspace, step, &["logs", step]).stdout, step);
    }
}
