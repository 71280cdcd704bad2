//! Reads one step's table. Knows not what its references and placeholders lead to.

use super::declarations::{
    BuildOptions, InputDeclaration, MatrixDeclaration, MatrixSource, OutputDeclaration, Params, Run, StepDeclaration,
    TargetKey, Threads,
};
use super::hook::{self, HOOK_KEYS};
use super::level::{Alike, LEVEL_KEYS, level, named};
use super::reader::{Fields, Key, Name, Node, Reader, Text};
use super::{platform, table};
use crate::diag::{Diagnostic, Spanned};

use Key::{Known, NotYet};

/// The keys of a step besides [`LEVEL_KEYS`].
pub(crate) const STEP_KEYS: &[Key] = &[
    Known("run"),
    Known("inputs"),
    Known("files"),
    Known("params"),
    Known("outputs"),
    Known("after"),
    Known("depends"),
    Known("cwd"),
    Known("pool"),
    Known("threads-required"),
    Known("retry-delay"),
    Known("description"),
    Known("platform"),
    Known("interactive"),
    Known("matrix"),
    Known("batch"),
];

const RUN_KEYS: &[Key] = &[
    Known("bin"),
    Known("example"),
    Known("build"),
    NotYet("fn"),
    Known("package"),
    Known("args"),
    Known("profile"),
    Known("features"),
    Known("target"),
];

const OUTPUT_KEYS: &[Key] = &[Known("path"), Known("metric"), Known("content-hash"), Known("optional")];

/// Reads `steps.NAME`.
pub(crate) fn read(reader: &mut Reader<'_>, name: Name, node: &Node<'_>) -> StepDeclaration {
    let step = read_part(reader, name, node);
    // One that is wrong has been reported.
    if step.run.is_none() {
        reader.report(
            Diagnostic::error(format!("step `{}` has no `run`", step.name.value))
                .at(step.name.span, "what is it to do?")
                .help("`run = \"a shell command\"`, `run = [\"program\", \"argument\"]` or `run.bin = \"name\"`"),
        );
    }
    step
}

/// Reads `steps.NAME` of a file that says only what is other than in the tables.
pub(crate) fn read_part(reader: &mut Reader<'_>, name: Name, node: &Node<'_>) -> StepDeclaration {
    let keys = [STEP_KEYS, LEVEL_KEYS, HOOK_KEYS].concat();
    let fields = reader.fields(node, &format!("step `{}`", name.value), &keys, |key| match key {
        "command" | "cmd" | "exec" | "script" => Some("the command is called `run`".to_owned()),
        "needs" => Some("`inputs` takes what another step makes; `after` only waits for it".to_owned()),
        "pipelines" | "steps" => Some("a step holds no others; they stand beside it".to_owned()),
        _ => None,
    });
    let text = |reader: &mut Reader<'_>, key| fields.get(key).and_then(|node| reader.string(node, key));
    let strings = |reader: &mut Reader<'_>, key| {
        fields.get(key).map(|node| reader.string_or_strings(node, key)).unwrap_or_default()
    };
    let interactive = fields.get("interactive").and_then(|node| reader.boolean(node, "interactive")).unwrap_or(false);
    if interactive {
        check_interactive(reader, &fields);
    }
    StepDeclaration {
        interactive,
        hooks: hook::hooks(reader, &fields),
        description: text(reader, "description"),
        run: run(reader, &fields),
        level: level(reader, &fields),
        config: None,
        inputs: fields.get("inputs").map(|node| inputs(reader, node)).unwrap_or_default(),
        files: strings(reader, "files"),
        params: fields.get("params").map_or_else(|| Params::Names(Vec::new()), |node| params(reader, node)),
        outputs: fields.get("outputs").map(|node| outputs(reader, node)).unwrap_or_default(),
        after: strings(reader, "after"),
        depends: strings(reader, "depends"),
        cwd: text(reader, "cwd"),
        pool: text(reader, "pool"),
        threads: fields.get("threads-required").map(|node| threads(reader, node)),
        retry_delay: fields.get("retry-delay").and_then(|node| reader.duration(node, "retry-delay")),
        platform: text(reader, "platform").and_then(|text| platform::read(reader, &text)),
        batch: fields.get("batch").and_then(|node| {
            let span = fields.key_span("batch").unwrap_or(reader.span(node.span()));
            reader.boolean(node, "batch")?.then_some(span)
        }),
        matrix: fields.get("matrix").map(|node| matrix(reader, node)).unwrap_or_default(),
        name,
    }
}

fn matrix(reader: &mut Reader<'_>, node: &Node<'_>) -> Vec<MatrixDeclaration> {
    let Some(table) = node.get_ref().as_table() else {
        let help = "`matrix.gamma = [0.1, 0.2]`: a cell for each value";
        reader.wrong_type(node, "matrix", "a table (name → values)").helps.push(help.to_owned());
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, node) in named(reader, table, "a matrix", Alike::Variable) {
        let key = format!("matrix.{}", name.value);
        let source = if let Some(text) = reader.as_text(node) {
            MatrixSource::Pipeline(text)
        } else if let Some(items) = node.get_ref().as_array() {
            MatrixSource::Values(items.iter().map(|item| reader.raw(item)).collect())
        } else if node.get_ref().is_table() {
            let fields = reader.fields(node, &format!("`{key}`"), &[Known("glob"), Known("packages")], |_| None);
            match (fields.get("glob"), fields.get("packages")) {
                (Some(globs), None) => MatrixSource::Glob(reader.string_or_strings(globs, "glob")),
                (None, Some(packages)) => MatrixSource::Packages(reader.string_or_strings(packages, "packages")),
                _ => {
                    reader.report(
                        Diagnostic::error(format!("`{key}` takes either `glob` or `packages`"))
                            .at(name.span, "")
                            .help(format!("`{key} = {{ glob = \"data/*.csv\" }}` or `{key} = {{ packages = \"*\" }}`")),
                    );
                    continue;
                }
            }
        } else {
            reader.wrong_type(node, &key, "a list of values, `{ glob = … }` or `{ packages = … }`");
            continue;
        };
        found.push(MatrixDeclaration { name, source });
    }
    found
}

/// What contradicts `interactive = true`.
fn check_interactive(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) {
    let Some(span) = fields.key_span("interactive") else { return };
    if let (Some(node), Some(other)) = (fields.get("enable-cache"), fields.key_span("enable-cache"))
        && node.get_ref().as_bool() == Some(true)
    {
        reader.report(
            Diagnostic::error("an interactive step is never cached")
                .at(other, "so this cannot be")
                .and(span, "interactive here")
                .help("what somebody types is no input that a key could hold; remove one of the two"),
        );
    }
}

fn threads(reader: &mut Reader<'_>, node: &Node<'_>) -> Threads {
    match node.get_ref().as_str() {
        Some("num-cpus") => Threads::All,
        Some(_) => {
            reader.wrong_type(node, "threads-required", "an integer of at least 1, or \"num-cpus\"");
            Threads::All
        }
        None => reader.count(node, "threads-required", 1).map_or(Threads::All, Threads::Count),
    }
}

fn run(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Spanned<Run>> {
    let node = fields.get("run")?;
    let span = reader.span(node.span());
    let run = if let Some(script) = reader.as_text(node) {
        if script.value.trim().is_empty() {
            reader.report(Diagnostic::error("`run` is empty").at(span, "no command"));
        }
        Run::Shell(script)
    } else if node.get_ref().is_array() {
        argv(reader, node)
    } else if node.get_ref().is_table() {
        cargo(reader, node)
    } else {
        reader.wrong_type(node, "run", "a string, an array of words, or a table");
        Run::Broken
    };
    Some(Spanned::new(run, span))
}

fn argv(reader: &mut Reader<'_>, node: &Node<'_>) -> Run {
    let span = reader.span(node.span());
    let count = node.get_ref().as_array().map_or(0, |words| words.len());
    let words = reader.strings(node, "run");
    if words.len() < count {
        return Run::Broken;
    }
    let Some(program) = words.first().filter(|program| !program.value.trim().is_empty()) else {
        reader.report(
            Diagnostic::error("`run` names no program").at(span, "").help("`run = [\"program\", \"argument\"]`"),
        );
        return Run::Broken;
    };
    // A placeholder has blanks of its own.
    let literal = program.value.split("{{").next().unwrap_or_default();
    if literal.trim().contains(char::is_whitespace) {
        let commands: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
        let problem = Diagnostic::error(format!("`{}` is not a program", program.value.escape_debug()))
            .at(program.span, "the first word of an array is the program, the others are its arguments");
        let is_one_command = commands[1..].iter().all(|word| word.starts_with('-') || !word.contains(' '));
        reader.report(if is_one_command {
            let split = program.value.split_whitespace().chain(commands[1..].iter().copied());
            problem
                .help(format!("for a shell command write a string: `run = {:?}`", commands.join(" ")))
                .help(format!("without a shell: `run = {:?}`", split.collect::<Vec<_>>()))
        } else {
            problem
                .help(format!("for several commands write a string: `run = {:?}`", commands.join(" && ")))
                .help("or give each a step of its own, so that each is cached by itself")
        });
        return Run::Broken;
    }
    Run::Argv(words)
}

fn cargo(reader: &mut Reader<'_>, node: &Node<'_>) -> Run {
    let before = reader.diagnostics.len();
    let fields = reader.fields(node, "`run`", RUN_KEYS, |key| match key {
        "env" | "cwd" | "shell" => Some(format!("`{key}` stands beside `run`, in the step")),
        "release" => Some("`profile = \"release\"`".to_owned()),
        "lib" => Some("a library cannot be executed; `build = \"package\"` makes it an output".to_owned()),
        _ => None,
    });
    let text = |reader: &mut Reader<'_>, key| fields.get(key).and_then(|node| reader.string(node, key));
    let options = BuildOptions {
        profile: text(reader, "profile"),
        features: fields.get("features").map(|node| reader.string_or_strings(node, "features")).unwrap_or_default(),
        triple: text(reader, "target"),
    };
    let given: Vec<&str> = ["bin", "example", "build"].into_iter().filter(|key| fields.get(key).is_some()).collect();
    let span = reader.span(node.span());
    let [what] = *given else {
        let problem = if let [first, second, ..] = *given {
            let spans = (fields.key_span(first).unwrap_or(span), fields.key_span(second).unwrap_or(span));
            Diagnostic::error(format!("`run` has both `{first}` and `{second}`"))
                .at(spans.0.max(spans.1), "")
                .and(spans.0.min(spans.1), "")
                .help("a step runs one command; make two steps")
        } else {
            Diagnostic::error("`run` names nothing to run")
                .at(span, "")
                .help("one of `bin = \"name\"`, `example = \"name\"`, `build = \"package\"`")
        };
        // An unknown or unsupported key has said already why there is nothing.
        if given.len() > 1 || reader.diagnostics.len() == before {
            reader.report(problem);
        }
        return Run::Broken;
    };
    let Some(name) = text(reader, what) else { return Run::Broken };
    if what == "build" {
        for key in ["args", "package"] {
            if let Some(span) = fields.key_span(key) {
                let why = if key == "args" { "nothing is executed" } else { "`build` names the package" };
                reader.report(Diagnostic::error(format!("`{key}` does not go with `build`")).at(span, why));
            }
        }
        return Run::Build { package: name, options };
    }
    Run::Target {
        kind: if what == "bin" { TargetKey::Bin } else { TargetKey::Example },
        name,
        package: text(reader, "package"),
        args: fields.get("args").map(|node| reader.strings(node, "args")).unwrap_or_default(),
        options,
    }
}

fn inputs(reader: &mut Reader<'_>, node: &Node<'_>) -> Vec<InputDeclaration> {
    if node.get_ref().is_array() {
        return reader.strings(node, "inputs").into_iter().map(InputDeclaration::Reference).collect();
    }
    let Some(table) = node.get_ref().as_table() else {
        let text = reader.as_text(node);
        let problem = reader.wrong_type(node, "inputs", "a table (name → reference) or an array of references");
        problem.helps.extend(text.map(|text| format!("`inputs = [{:?}]`", text.value)));
        return Vec::new();
    };
    let mut inputs = Vec::new();
    for (name, node) in named(reader, table, "an input", Alike::Variable) {
        let key = format!("inputs.{}", name.value);
        if let Some(reference) = reader.as_text(node) {
            inputs.push(InputDeclaration::Named(name, reference));
        } else if node.get_ref().is_table() {
            let fields = reader.fields(node, &format!("`{key}`"), &[Known("files")], |_| None);
            match fields.get("files") {
                Some(files) => {
                    let files = reader.string_or_strings(files, &format!("{key}.files"));
                    inputs.push(InputDeclaration::Files(name, files));
                }
                None => {
                    reader.report(
                        Diagnostic::error(format!("input `{}` has no `files`", name.value))
                            .at(name.span, "")
                            .help(format!("`{key} = \"step.output\"` or `{key}.files = \"data/**\"`")),
                    );
                    inputs.push(InputDeclaration::Files(name, Vec::new()));
                }
            }
        } else {
            let many = node.get_ref().is_array();
            let problem = reader.wrong_type(node, &key, "a reference (\"step.output\") or `{ files = … }`");
            if many {
                problem.helps.push(format!("several files are `{key}.files = […]`"));
            }
            inputs.push(InputDeclaration::Files(name, Vec::new()));
        }
    }
    inputs
}

fn params(reader: &mut Reader<'_>, node: &Node<'_>) -> Params {
    if node.get_ref().is_array() {
        return Params::Names(reader.strings(node, "params"));
    }
    if !node.get_ref().is_table() {
        reader.wrong_type(node, "params", "a table (name → value) or an array of names of the pipeline's");
        return Params::Names(Vec::new());
    }
    Params::Table(table::params(reader, node))
}

fn outputs(reader: &mut Reader<'_>, node: &Node<'_>) -> Vec<OutputDeclaration> {
    if node.get_ref().is_array() {
        return reader.strings(node, "outputs").into_iter().map(OutputDeclaration::FileName).collect();
    }
    let Some(table) = node.get_ref().as_table() else {
        let text = reader.as_text(node);
        let problem = reader.wrong_type(node, "outputs", "a table (name → path) or an array of file names");
        problem.helps.extend(text.map(|text| format!("`outputs.NAME = {:?}`", text.value)));
        return Vec::new();
    };
    named(reader, table, "an output", Alike::Variable)
        .into_iter()
        .map(|(name, node)| {
            let plain = OutputDeclaration::Path {
                name: name.clone(),
                path: None,
                metric: false,
                content_hash: true,
                optional: false,
            };
            let key = format!("outputs.{}", name.value);
            if let Some(path) = reader.as_text(node) {
                return with_path(plain, Some(path));
            }
            if !node.get_ref().is_table() {
                reader.wrong_type(node, &key, "a path, or a table with `path`");
                return plain;
            }
            let fields = reader.fields(node, &format!("`{key}`"), OUTPUT_KEYS, |_| None);
            let flag = |reader: &mut Reader<'_>, key, default| {
                fields.get(key).and_then(|node| reader.boolean(node, key)).unwrap_or(default)
            };
            let path = fields.get("path").and_then(|node| reader.string(node, "path"));
            if fields.get("path").is_none() {
                reader.report(
                    Diagnostic::error(format!("output `{}` has no `path`", name.value))
                        .at(name.span, "")
                        .help(format!("`{key}.path = \"a/file\"`")),
                );
            }
            OutputDeclaration::Path {
                metric: flag(reader, "metric", false),
                content_hash: flag(reader, "content-hash", true),
                optional: flag(reader, "optional", false),
                name,
                path,
            }
        })
        .collect()
}

fn with_path(mut output: OutputDeclaration, given: Option<Text>) -> OutputDeclaration {
    if let OutputDeclaration::Path { path, .. } = &mut output {
        *path = given;
    }
    output
}
