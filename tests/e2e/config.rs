//! `--config FILE`: a file with the shape of a pipeline's table over the tables, and which place decides whether a step
//! is cached.

use crate::harness::Workspace;

/// Two steps with parameters of the pipeline and of their own.
fn workspace() -> Workspace {
    let workspace = Workspace::new(
        r#"
[workspace.metadata.zen.pipelines.p]
params = { n = 1, rate = 0.5 }
[workspace.metadata.zen.pipelines.p.steps.make]
run = "echo {{ params.n }} {{ params.word }} > {{ outputs.o }}"
params = { n = "{{ pipeline.n }}", word = "a" }
outputs.o = "o.txt"
[workspace.metadata.zen.pipelines.p.steps.use]
run = "cat {{ inputs.o }} > {{ outputs.u }}; echo {{ params.rate }} >> {{ outputs.u }}"
inputs = ["make.o"]
params = ["rate"]
outputs.u = "u.txt"
"#,
    );
    workspace.write("more.txt", "1\n");
    workspace
}

#[test]
fn a_config_file_sets_declared_parameters_by_type() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.write("c.toml", "params.n = 2\nparams.rate = 1\n[steps.make]\nparams.word = \"b\"\n");
    let with = workspace.ok(&["--config", "c.toml"]);
    assert_eq!(workspace.read("u.txt"), "2 b\n1.0\n", "an integer serves for a float");
    assert_eq!(with.why("make"), "param `n`: 1 → 2; param `word`: \"a\" → \"b\"");
    assert_eq!(workspace.ok(&["--config=c.toml"]).outcomes(), "make=fresh use=fresh");
    assert_eq!(workspace.ok(&[]).outcomes(), "make=restored use=restored", "without it nothing has changed");
    workspace.ok(&["--config", "c.toml", "--set", "n=3", "--set", "make.word=c"]);
    assert_eq!(workspace.read("o.txt"), "3 c\n", "the command line beats the file");
}

#[test]
fn a_config_file_overlays_settings_and_commands() {
    let workspace = workspace();
    workspace.ok(&[]);
    workspace.write(
        "c.toml",
        "cache-policy.file-dependencies = \"more.txt\"\n[steps.make]\nrun = \"echo x > {{ outputs.o }}\"\n",
    );
    let with = workspace.ok(&["--config", "c.toml"]);
    assert_eq!(with.why("make"), "command changed; file more.txt added", "paths are relative to the table's folder");
    assert!(with.why("use").contains("file more.txt added"), "a pipeline's setting is for all its steps");
    let status = workspace.zen(&["status", "--config", "c.toml"]);
    assert_eq!(status.stdout.matches("Fresh").count(), 2, "status takes it too:\n{}", status.stdout);
}

#[test]
fn what_a_config_file_cannot_mean_is_refused_with_its_place() {
    let workspace = workspace();
    for (text, expected) in [
        ("steps.mkae.enable-cache = true", "pipeline `p` has no step `mkae`"),
        ("steps.mkae.enable-cache = true", "did you mean `make`?"),
        ("params.x = 1", "pipeline `p` has no parameter `x`"),
        ("params.n = \"1\"", "`n` is an integer, and the config file gives a string"),
        ("steps.make.params.x = 1", "step `p/make` has no parameter `x`"),
        ("enable-cahce = true", "did you mean `enable-cache`?"),
        ("steps.make.rnu = \"x\"", "did you mean `run`?"),
        ("pipelines = [\"p\"]", "unknown key `pipelines`"),
        ("steps.make.params = [\"n\"]", "must be a table"),
        ("a = = 1", "c.toml:1:5"),
    ] {
        workspace.write("c.toml", text);
        let outcome = workspace.run(&["--config", "c.toml"]);
        assert_eq!(outcome.code, Some(96), "{text}:\n{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(expected) && outcome.stderr.contains("c.toml:1:"),
            "{text}:\n{}",
            outcome.stderr
        );
    }
    let missing = workspace.run(&["--config", "nothing.toml"]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("nothing.toml") && missing.stderr.contains("help:"), "{}", missing.stderr);
}

#[test]
fn names_of_the_selected_pipelines_alone_are_meant() {
    let workspace = Workspace::new(
        "[workspace.metadata.zen.pipelines]\na.steps.s.run = \"true\"\na.steps.s.files = \"src\"\nb.steps.t.run = \"true\"\nb.steps.t.files = \"src\"\n",
    );
    workspace.write("c.toml", "steps.t.enable-cache = false");
    assert_eq!(workspace.run(&["a", "--config", "c.toml"]).code, Some(96), "`a` has no step `t`");
    assert_eq!(workspace.ok(&["b", "--config", "c.toml"]).outcomes(), "t=ran");
    assert_eq!(workspace.ok(&["b", "--config", "c.toml"]).outcomes(), "t=ran", "the file turned its caching off");
    assert_eq!(workspace.ok(&["b"]).why("t"), "never run", "and it was not recorded");
}

/// What a place says: on, off, nothing.
const SAYS: [Option<bool>; 3] = [None, Some(true), Some(false)];

#[test]
fn every_cell_of_the_table_of_who_decides_about_caching() {
    let line = |says: Option<bool>| says.map(|on| format!("enable-cache = {on}\n")).unwrap_or_default();
    let mut cells = 0;
    for workspace in SAYS {
        for pipeline in SAYS {
            for step in SAYS {
                let tables = format!(
                    "[workspace.metadata.zen]\n{}[workspace.metadata.zen.pipelines.p]\n{}\
                     [workspace.metadata.zen.pipelines.p.steps.s]\nrun = \"true\"\nfiles = \"src\"\n{}",
                    line(workspace),
                    line(pipeline),
                    line(step)
                );
                let ws = Workspace::new(&tables);
                for config in SAYS {
                    ws.write("c.toml", &line(config));
                    for flag in [None, Some("--cache"), Some("--cache=s")] {
                        cells += 1;
                        let said = [
                            (flag.map(|_| true), "the command line"),
                            (config, "the config file"),
                            (step, "the step"),
                            (pipeline, "the pipeline"),
                            (workspace, "the workspace"),
                        ];
                        let (on, place) = said
                            .into_iter()
                            .find_map(|(says, place)| says.map(|on| (on, place)))
                            .unwrap_or((true, "default"));
                        let explained = ws.zen(
                            &[&["explain", "s", "--message-format", "json", "--config", "c.toml"], flag.as_slice()]
                                .concat(),
                        );
                        let message = explained
                            .of_reason("explain")
                            .next()
                            .unwrap_or_else(|| panic!("explain answers; standard error:\n{}", explained.stderr));
                        let cell = format!("{workspace:?} {pipeline:?} {step:?} {config:?} {flag:?}");
                        assert_eq!(message["caching"]["enabled"], on, "{cell}");
                        assert_eq!(message["caching"]["by"], place, "{cell}");
                    }
                }
            }
        }
    }
    assert_eq!(cells, 243);
}

#[test]
fn the_nearer_place_decides_and_forcing_is_no_place() {
    // The nine cells in which two places that stand side by side in the order disagree, and the ends.
    let ws = workspace();
    ws.edit(
        "Cargo.toml",
        "[workspace.metadata.zen.pipelines.p.steps.use]",
        "enable-cache = false\n[workspace.metadata.zen.pipelines.p.steps.use]",
    );
    ws.write("on.toml", "[steps.make]\nenable-cache = true\n");
    ws.write("off.toml", "enable-cache = false\n[steps.use]\nenable-cache = true\n");
    ws.ok(&[]);
    assert_eq!(ws.ok(&[]).why("make"), "caching disabled by the step");
    ws.ok(&["--config", "on.toml"]);
    assert_eq!(ws.ok(&["--config", "on.toml"]).outcomes(), "make=fresh use=fresh", "the file beats the step");
    let off = ws.ok(&["--config", "off.toml"]);
    assert_eq!(
        (off.outcomes().as_str(), off.why("make").as_str()),
        ("make=ran use=fresh", "caching disabled by the config file")
    );
    let both = ws.ok(&["--config", "off.toml", "--cache=make"]);
    assert_eq!(both.outcomes(), "make=fresh use=fresh", "the command line beats the file");
    let forced = ws.ok(&["--config", "off.toml", "--cache", "--no-cache=use"]);
    assert_eq!((forced.outcomes().as_str(), forced.why("use").as_str()), ("make=fresh use=ran", "forced"));
}
