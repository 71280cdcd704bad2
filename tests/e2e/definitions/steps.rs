//! Steps that do not fit the others or the disk: references, cycles, outputs, paths, placeholders.

use insta::assert_snapshot;

use super::{wrong, wrong_step};

#[test]
fn a_file_as_an_input() {
    assert_snapshot!(wrong_step(r#"run = "wc {{ inputs.raw }}"
inputs.raw = "data/x.csv""#), @r#"
    error: `data/x.csv` is no output of a step
      --> Cargo.toml:14:14
       |
    14 | inputs.raw = "data/x.csv"
       |              ^^^^^^^^^^^^ a string here is a reference, `step.output`
       |
       = note: there is no pipeline `data`
       = help: for a file: `inputs.raw.files = "data/x.csv"`
    "#);
}

#[test]
fn a_step_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "cat {{ inputs.a }}"
inputs = ["mkae.a"]"#), @r#"
    error: pipeline `p` has no step `mkae`
      --> Cargo.toml:14:11
       |
    14 | inputs = ["mkae.a"]
       |           ^^^^^^^^
       |
       = help: did you mean `make`?
    "#);
}

#[test]
fn an_output_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "cat {{ inputs.c }}"
inputs = ["make.c"]"#), @r#"
    error: step `p/make` has no output `c`
      --> Cargo.toml:14:11
       |
    14 | inputs = ["make.c"]
       |           ^^^^^^^^
       |
       = help: its outputs: `a`, `b`
    "#);
}

#[test]
fn a_cycle_of_three_is_printed_whole() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran"
inputs = ["c.z"]
outputs = ["x.txt"]

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran"
inputs = ["a.x"]
outputs = ["y.txt"]

[workspace.metadata.zen.pipelines.p.steps.c]
run = "touch ran"
inputs = ["b.y"]
outputs = ["z.txt"]"#), @r#"
    error: steps wait for each other: p/a → p/b → p/c → p/a
      --> Cargo.toml:15:11
       |
    10 | inputs = ["c.z"]
       |           ----- `p/a` takes output `z` of `p/c`
    ...
    15 | inputs = ["a.x"]
       |           ^^^^^ `p/b` takes output `x` of `p/a`
    ...
    20 | inputs = ["b.y"]
       |           ----- `p/c` takes output `y` of `p/b`
       |
       = help: take one of these references away
    "#);
}

#[test]
fn f_9_one_output_of_two_steps() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran; echo a > {{ outputs.model }}"
outputs.model = "models/m.json"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran; echo b > {{ outputs.model }}"
outputs.model = "models/m.json""#), @r#"
    error: outputs of `p/a` and `p/b` are the same place: `models/m.json`
      --> Cargo.toml:14:17
       |
    10 | outputs.model = "models/m.json"
       |                 --------------- output `model` of `p/a`
    ...
    14 | outputs.model = "models/m.json"
       |                 ^^^^^^^^^^^^^^^ output `model` of `p/b`
       |
       = help: give each output a place of its own
    "#);
}

#[test]
fn f_9_an_output_within_another() {
    assert_snapshot!(wrong(r#"[workspace.metadata.zen.pipelines.p.steps.a]
run = "touch ran"
outputs.all = "models"

[workspace.metadata.zen.pipelines.p.steps.b]
run = "touch ran"
outputs.one = "models/m.json""#), @r#"
    error: outputs of `p/a` and `p/b` overlap: `models` and `models/m.json`
      --> Cargo.toml:14:15
       |
    10 | outputs.all = "models"
       |               -------- output `all` of `p/a`
    ...
    14 | outputs.one = "models/m.json"
       |               ^^^^^^^^^^^^^^^ output `one` of `p/b`
       |
       = help: give each output a place of its own
    "#);
}

#[test]
fn f_9_outputs_where_none_may_be() {
    assert_snapshot!(wrong_step(r#"run = "touch ran"
outputs.outside = "../x.txt"
outputs.git = ".git/hooks/pre-commit"
outputs.manifest = "Cargo.toml"
outputs.root = "."
outputs.store = "target/zen/x""#), @r#"
    error: `../x.txt` leads out of the workspace
      --> Cargo.toml:14:19
       |
    14 | outputs.outside = "../x.txt"
       |                   ^^^^^^^^^^
       |
       = help: what a step names lies within the workspace

    error: `.git/hooks/pre-commit`: an output cannot lie in `.git`
      --> Cargo.toml:15:15
       |
    15 | outputs.git = ".git/hooks/pre-commit"
       |               ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: name another folder

    error: an output cannot be or hold the manifest `Cargo.toml`
      --> Cargo.toml:16:20
       |
    16 | outputs.manifest = "Cargo.toml"
       |                    ^^^^^^^^^^^^
       |
       = help: name the files that the step makes, or a folder of their own

    error: an output cannot be the workspace root
      --> Cargo.toml:17:16
       |
    17 | outputs.root = "."
       |                ^^^
       |
       = help: name a file or a folder below it

    error: an output cannot be, hold or lie in the zen folder, `target/zen`
      --> Cargo.toml:18:17
       |
    18 | outputs.store = "target/zen/x"
       |                 ^^^^^^^^^^^^^^
       |
       = help: a file name alone gets a place there: `outputs = ["name.txt"]`

    error: 5 problems in the definitions
    "#);
}

#[test]
fn a_placeholder_inside_quotes() {
    assert_snapshot!(wrong_step(r#"run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
params.word = "x"
inputs = ["make.a"]
outputs = ["hits.txt"]"#), @r#"
    error: `{{ outputs.hits }}` stands inside quotes
      --> Cargo.toml:13:7
       |
    13 | run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a value could break out of it here
       |
       = help: a value is quoted by itself; write `{{ outputs.hits }}`

    error: `{{ params.word }}` stands inside quotes
      --> Cargo.toml:13:7
       |
    13 | run = "grep '{{ params.word }}' {{ inputs.a }} > \"{{ outputs.hits }}\""
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a value could break out of it here
       |
       = help: a value is quoted by itself; write `{{ params.word }}`

    error: 2 problems in the definitions
    "#);
}

#[test]
fn a_placeholder_that_names_nothing() {
    assert_snapshot!(wrong_step(r#"run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
params.gamma = 1
inputs = ["make.a"]"#), @r#"
    error: `{{ params.gama }}` names nothing: the step has no parameter `gama`
      --> Cargo.toml:13:22
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                      ^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `gamma`?

    error: unknown placeholder `{{ input.a }}`
      --> Cargo.toml:13:40
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                                        ^^^^^^^^^^^^^
       |
       = help: did you mean `{{ inputs.a }}`?

    error: unknown placeholder `{{ name }}`
      --> Cargo.toml:13:54
       |
    13 | run = "train --gamma {{ params.gama }} {{ input.a }} {{ name }}"
       |                                                      ^^^^^^^^^^
       |
       = help: placeholders: `params.x`, `pipeline.x`, `inputs.x`, `outputs.x`, `args`; write `{{{{` for a literal `{{`

    error: 3 problems in the definitions
    "#);
}

#[test]
fn a_bad_glob() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["src/[a-.rs", "data/{a,b"]"#), @r#"
    error: `src/[a-.rs` is not a glob: invalid range; 'a' > '.'
      --> Cargo.toml:14:10
       |
    14 | files = ["src/[a-.rs", "data/{a,b"]
       |          ^^^^^^^^^^^^
       |
       = help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …

    error: `data/{a,b` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
      --> Cargo.toml:14:24
       |
    14 | files = ["src/[a-.rs", "data/{a,b"]
       |                        ^^^^^^^^^^^
       |
       = help: in a glob `*`, `?`, `[` and `{` have a meaning; for the character itself write `[*]`, `[[]` …

    error: 2 problems in the definitions
    "#);
}

#[test]
fn a_plain_path_that_is_not_there() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["data/iris.csv"]"#), @r#"
    error: `data/iris.csv` does not exist
      --> Cargo.toml:14:10
       |
    14 | files = ["data/iris.csv"]
       |          ^^^^^^^^^^^^^^^ step `p/use` reads it, and no step makes it
       |
       = help: create it, correct the path (it is relative to the folder of the table's Cargo.toml), or use a glob if it may be absent
    "#);
}

#[test]
fn f_10_a_glob_below_the_target_directory() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["target/doc/**/*.html"]"#), @r#"
    error: `target/doc/**/*.html` lies in `target`, which no glob looks into
      --> Cargo.toml:14:10
       |
    14 | files = ["target/doc/**/*.html"]
       |          ^^^^^^^^^^^^^^^^^^^^^^ in step `p/use`
       |
       = help: declare what is there as the output of the step that makes it, and refer to that
    "#);
}

#[test]
fn a_step_that_reads_what_it_writes() {
    assert_snapshot!(wrong_step(r#"run = "sort -o x.txt x.txt"
files = ["x.txt"]
outputs.x = "x.txt""#), @r#"
    error: `p/use` reads what it writes: `x.txt` belongs to its output `x`
      --> Cargo.toml:14:10
       |
    14 | files = ["x.txt"]
       |          ^^^^^^^ read here
    15 | outputs.x = "x.txt"
       |             ------- written here
       |
       = help: write to another place, or do not list it: a step's own outputs are no input of it
    "#);
}

#[test]
fn an_absolute_path() {
    assert_snapshot!(wrong_step(r#"run = "true"
files = ["/etc/passwd"]
outputs.x = "/tmp/x.txt""#), @r#"
    error: `/etc/passwd` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:14:10
       |
    14 | files = ["/etc/passwd"]
       |          ^^^^^^^^^^^^^

    error: `/tmp/x.txt` is absolute; write it relative to the folder that the table belongs to
      --> Cargo.toml:15:13
       |
    15 | outputs.x = "/tmp/x.txt"
       |             ^^^^^^^^^^^^

    error: 2 problems in the definitions
    "#);
}
