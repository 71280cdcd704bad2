//! `on-success`, `on-failure`, `on-end`: their forms, and what is wrong with them.

use insta::assert_snapshot;

use super::{good_step, load_all, problems, render, step};
use crate::manifest::resolve::Overrides;
use crate::model::{Command, Hook, HookTime};

fn shown(hook: &Hook) -> String {
    let command = match &hook.command {
        Command::Shell { script, shell } => format!("{:?} {}", shell, script.canonical()),
        Command::Argv(words) => words.iter().map(|word| word.canonical()).collect::<Vec<_>>().join(" | "),
        _ => "?".to_owned(),
    };
    format!("{} of {}, cached: {}: {command}", hook.time.key(), hook.of, hook.on_cached)
}

#[test]
fn the_forms_of_a_hook() {
    let step = good_step(
        "run = \"true\"\nparams = [\"gamma\"]\nshell = [\"bash\", \"-c\"]\non-end = { run = [\"a\", \"{{ params.gamma }}\"], \
         on-cached = true }\non-success = \"echo {{ pipeline.gamma }}\"\non_failure = [\"b\"]",
    );
    let hooks: Vec<String> = step.hooks.hooks.iter().map(shown).collect();
    assert_eq!(
        hooks,
        [
            "on-success of step `p/s`, cached: false: Some([\"bash\", \"-c\"]) echo {{ pipeline.gamma }}",
            "on-failure of step `p/s`, cached: false: b",
            "on-end of step `p/s`, cached: true: a | {{ params.gamma }}",
        ]
    );
    assert!(step.pipeline_params.is_empty(), "what a hook uses is no part of the step's key");
}

#[test]
fn a_pipeline_has_hooks_too() {
    let (model, problems, sources) = load_all(
        r#"[workspace.metadata.zen]
env.A = "1"
env.B = "{{ inputs.x }}"
pass-env = ["TOKEN"]
[workspace.metadata.zen.pipelines.p]
params.n = 1
env.C = "{{ params.n }}"
on-end.run = "echo {{ params.n }} {{ pipeline.n }}"
[workspace.metadata.zen.pipelines.g]
pipelines = ["p"]
on-success = ["true"]
"#,
        &[],
        &Overrides::default(),
    );
    let said = render(&problems, &sources);
    assert!(!said.contains("error"), "{said}");
    let pipeline = model.pipelines.iter().find(|pipeline| pipeline.name == "p").unwrap();
    assert_eq!(pipeline.hooks.hooks[0].time, HookTime::End);
    let scope = &pipeline.hooks.scope;
    assert_eq!(scope.env.keys().collect::<Vec<_>>(), ["A", "C"], "a step's input is nothing to a pipeline");
    assert_eq!(scope.pass_env, ["TOKEN"]);
    assert_eq!(model.pipelines.iter().map(|pipeline| pipeline.hooks.hooks.len()).sum::<usize>(), 2);
}

#[test]
fn wrong_hooks() {
    assert_snapshot!(step(r#"run = "true"
on-succes = "x"
on-success = { command = "x", on_cached = 1 }
on-failure = """#), @r#"
    error: unknown key `on-succes` in step `s`
      --> Cargo.toml:10:1 `on-succes` not a key of this table
      help: did you mean `on-success`?
    error: `on-success` has no `run`
      --> Cargo.toml:11:14 `{ command = "x", on_cached = 1 }` what is it to do?
      help: `on-success = { run = "a shell command", on-cached = true }`
    error: unknown key `command` in `on-success`
      --> Cargo.toml:11:16 `command` not a key of this table
      help: the command is called `run`
    error: `on-success.on-cached` must be true or false, not an integer
      --> Cargo.toml:11:43 `1` expected true or false
    error: `on-failure` is empty
      --> Cargo.toml:12:14 `""` no command
    "#);
    assert_snapshot!(step(r#"run = "true"
on-success = 1
on-failure = []
on-end = { run = "x", env.A = "b", on-cachd = true }"#), @r#"
    error: `on-success` must be a string, an array of words, or a table with `run`, not an integer
      --> Cargo.toml:10:14 `1` expected a string, an array of words, or a table with `run`
    error: `on-failure` is empty
      --> Cargo.toml:11:14 `[]` no command
    error: unknown key `env` in `on-end`
      --> Cargo.toml:12:23 `env` not a key of this table
      help: a hook has the `env` of the table that it stands in
    error: unknown key `on-cachd` in `on-end`
      --> Cargo.toml:12:36 `on-cachd` not a key of this table
      help: did you mean `on-cached`?
    "#);
}

#[test]
fn a_hook_takes_parameters_alone() {
    assert_snapshot!(step(r#"run = "true"
files = ["a"]
inputs.i.files = "a"
outputs.o = "o"
on-success = "echo {{ inputs.i }} {{ args }}"
on-failure = ["echo", "{{ outputs.o }}"]
on-end = "echo '{{ params.x }}' '{{ pipeline.gamma }}'""#), @r#"
    error: `{{ inputs.i }}` cannot stand here
      --> Cargo.toml:13:20 `{{ inputs.i }}`
      help: a hook takes `params.x`, `pipeline.x` and `matrix.x`; what came out is in the JSON on its standard input
    error: `{{ args }}` cannot stand here
      --> Cargo.toml:13:35 `{{ args }}`
      help: a hook takes `params.x`, `pipeline.x` and `matrix.x`; what came out is in the JSON on its standard input
    error: `{{ outputs.o }}` cannot stand here
      --> Cargo.toml:14:24 `{{ outputs.o }}`
      help: a hook takes `params.x`, `pipeline.x` and `matrix.x`; what came out is in the JSON on its standard input
    error: `{{ params.x }}` names nothing: the step has no parameter `x`
      --> Cargo.toml:15:17 `{{ params.x }}`
      help: there are no parameters of the step
    error: `{{ params.x }}` stands inside quotes
      --> Cargo.toml:15:17 `{{ params.x }}` a value could break out of it here
      help: a value is quoted by itself; write `{{ params.x }}`
    error: `{{ pipeline.gamma }}` stands inside quotes
      --> Cargo.toml:15:34 `{{ pipeline.gamma }}` a value could break out of it here
      help: a value is quoted by itself; write `{{ pipeline.gamma }}`
    "#);
}

#[test]
fn a_hook_in_the_wrong_table() {
    assert_snapshot!(problems("[workspace.metadata.zen]\non-failure = \"x\"\n"), @r#"
    error: unknown key `on-failure` in `workspace.metadata.zen`
      --> Cargo.toml:2:1 `on-failure` not a key of this table
      help: it belongs in `[workspace.metadata.zen.pipelines.NAME]`
    "#);
}
