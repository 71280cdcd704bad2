//! `run`: the command, what it reads of packages, and placeholders that a shell string would misread. Runs nothing.

use std::collections::BTreeSet;

use super::cargo::{self, Reads};
use super::render::Renderer;
use super::{Context, Place};
use crate::diag::Diagnostic;
use crate::layout::TargetKind;
use crate::manifest::declarations::{BuildOptions, FunctionDeclaration, Run, TargetKey};
use crate::manifest::reader::Text;
use crate::manifest::shell::{self, Item, Script, Surround, Word};
use crate::manifest::template::{Segment, cut};
use crate::model::template::{Part, Template};
use crate::model::{BuildTarget, CacheFunc, CargoBuild, ClosureRequest, Command};
use crate::path::RelPath;
use crate::suggest;

/// A command, and what follows from it.
pub(crate) struct Resolved {
    pub(crate) command: Command,
    /// The closures that are part of the step's code.
    pub(crate) closures: Vec<ClosureRequest>,
    /// Is the command, or a part of it, cargo?
    pub(crate) calls_cargo: bool,
    /// For a shell string that calls cargo as one command among others: a line that declares what it reads.
    pub(crate) undeclared: Option<Diagnostic>,
}

/// Resolves `run`. A broken one becomes an empty command; that is reported already.
pub(crate) fn command(
    context: &Context<'_>,
    place: Place<'_>,
    renderer: &mut Renderer<'_>,
    shell: Option<&[Text]>,
    cwd: &RelPath,
) -> Resolved {
    let mut resolved =
        Resolved { command: Command::Argv(Vec::new()), closures: Vec::new(), calls_cargo: false, undeclared: None };
    let own = place.table.package.as_deref();
    match place.step.run.as_ref().map(|run| &run.value) {
        None | Some(Run::Broken) => {}
        Some(Run::Shell(text)) => shell_string(context, place, renderer, (text, shell), cwd, &mut resolved),
        Some(Run::Argv(words)) => {
            let words: Vec<Template> = words.iter().map(|word| renderer.template(word)).collect();
            let known: Vec<Option<String>> = words.iter().flat_map(|word| renderer.words(word)).collect();
            if known.first().and_then(Option::as_deref) == Some("cargo") {
                resolved.calls(cargo::reads(context.layout, &known[1..], own), cwd);
            }
            resolved.command = Command::Argv(words);
        }
        Some(Run::Target { kind, name, package, args, options }) => {
            let args: Vec<Template> = args.iter().map(|word| renderer.template(word)).collect();
            let wanted = package.as_ref().map(|text| (renderer.string(text), text.span));
            let Some(target) = renderer.string(name) else { return resolved };
            let (kind, build_target) = match kind {
                TargetKey::Bin => (TargetKind::Bin, BuildTarget::Bin(target.clone())),
                TargetKey::Example => (TargetKind::Example, BuildTarget::Example(target.clone())),
            };
            let wanted = match &wanted {
                Some((None, _)) => return resolved,
                Some((Some(package), span)) => Some((package.as_str(), *span)),
                None => None,
            };
            match cargo::owner(context.layout, kind, (&target, name.span), wanted, own) {
                Ok(package) => {
                    let build = build(renderer, package, Some(build_target), options);
                    resolved.closures = vec![closure(&build, kind == TargetKind::Example, cwd)];
                    resolved.command = Command::Target { build, args };
                }
                Err(problem) => renderer.problems.push(problem),
            }
        }
        Some(Run::Build { package, options }) => {
            resolved.calls_cargo = true;
            if place.step.outputs.is_empty() {
                renderer.problems.push(
                    Diagnostic::error(format!("step `{}` builds a package and has no outputs", place.step.name.value))
                        .at(package.span, "nothing is executed, so the artifacts are all that it gives")
                        .help(format!(
                            "each output takes the artifact of that file stem: `outputs = [{:?}]`",
                            package.value
                        )),
                );
            }
            let Some(name) = renderer.string(package) else { return resolved };
            match cargo::member(context.layout, &name, package.span) {
                Ok(member) => {
                    let build = build(renderer, &member.name, None, options);
                    resolved.closures = vec![closure(&build, false, cwd)];
                    resolved.command = Command::Build(build);
                }
                Err(problem) => renderer.problems.push(problem),
            }
        }
    }
    resolved
}

/// The cache functions of a step. They run before anything is decided, so what they name is known by then.
pub(crate) fn functions<'d>(
    renderer: &mut Renderer<'_>,
    declared: impl Iterator<Item = &'d FunctionDeclaration>,
    shell: Option<&[Text]>,
) -> Vec<CacheFunc> {
    let mut functions = Vec::new();
    for FunctionDeclaration { name, span, run } in declared {
        let command = match run {
            Run::Shell(text) => {
                check_placeholders(text, &mut renderer.problems);
                let shell = shell.map(|words| words.iter().filter_map(|word| renderer.string(word)).collect());
                Command::Shell { script: renderer.early_template(text), shell }
            }
            Run::Argv(words) => Command::Argv(words.iter().map(|word| renderer.early_template(word)).collect()),
            Run::Target { .. } | Run::Build { .. } | Run::Broken => continue,
        };
        functions.push(CacheFunc { name: name.clone().unwrap_or_default(), span: *span, command });
    }
    functions
}

impl Resolved {
    /// The command is cargo, and reads this.
    fn calls(&mut self, reads: Reads, cwd: &RelPath) {
        self.closures = reads.packages.iter().map(|package| whole(package, reads.with_dev, cwd)).collect();
        self.calls_cargo = true;
    }
}

fn shell_string(
    context: &Context<'_>,
    place: Place<'_>,
    renderer: &mut Renderer<'_>,
    (text, shell): (&Text, Option<&[Text]>),
    cwd: &RelPath,
    resolved: &mut Resolved,
) {
    let (template, shell, script) = script(renderer, text, shell);
    let reads = |words: &[Word]| {
        let words = known_words(&words[1..], &template, renderer);
        cargo::reads(context.layout, &words, place.table.package.as_deref())
    };
    let is_cargo = |words: &&Vec<Word>| words.first().and_then(Word::literal).as_deref() == Some("cargo");
    let cargos: Vec<&Vec<Word>> = script.commands.iter().filter(is_cargo).collect();
    if script.is_simple
        && let Some(first) = script.commands.first().filter(is_cargo)
    {
        resolved.calls(reads(first), cwd);
    } else if !cargos.is_empty() {
        resolved.calls_cargo = true;
        let packages: BTreeSet<String> = cargos.iter().flat_map(|words| reads(words).packages).collect();
        let is_all = packages.len() == context.layout.packages.len() && packages.len() > 1;
        let line: Vec<&str> = if is_all { vec!["*"] } else { packages.iter().map(String::as_str).collect() };
        let message = format!("step `{}` calls cargo, and does not say which packages it reads", place.step.name.value);
        resolved.undeclared = Some(
            Diagnostic::warning(message)
                .at(text.span, "their sources are no part of the key")
                .help(format!("add `packages = {line:?}` to the step")),
        );
    }
    resolved.command = Command::Shell { script: template, shell };
}

/// A shell string, its shell, and what is known of it.
pub(crate) fn script(
    renderer: &mut Renderer<'_>,
    text: &Text,
    shell: Option<&[Text]>,
) -> (Template, Option<Vec<String>>, Script) {
    if cfg!(windows) && shell.is_none() && text.value.trim().contains('\n') {
        renderer.problems.push(
            Diagnostic::error("`cmd /C` takes one line")
                .at(text.span, "several lines")
                .help("name a shell that takes more: `shell = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]`"),
        );
    }
    let shell = shell.map(|words| words.iter().filter_map(|word| renderer.string(word)).collect());
    let template = renderer.template(text);
    let script = check_placeholders(text, &mut renderer.problems);
    (template, shell, script)
}

/// All of a package, as far as the command line tells.
pub(crate) fn whole(package: &str, with_dev: bool, cwd: &RelPath) -> ClosureRequest {
    ClosureRequest {
        package: package.to_owned(),
        target: None,
        with_dev,
        features: Vec::new(),
        profile: None,
        triple: None,
        cwd: cwd.clone(),
    }
}

fn build(
    renderer: &mut Renderer<'_>,
    package: &str,
    target: Option<BuildTarget>,
    options: &BuildOptions,
) -> CargoBuild {
    // Cargo takes `a,b` and `a b` for two.
    let features: BTreeSet<String> = (renderer.set(&options.features).iter())
        .flat_map(|text| text.split([',', ' ']))
        .filter(|feature| !feature.is_empty())
        .map(str::to_owned)
        .collect();
    CargoBuild {
        package: package.to_owned(),
        target,
        profile: options.profile.as_ref().and_then(|text| renderer.string(text)),
        features: features.into_iter().collect(),
        triple: options.triple.as_ref().and_then(|text| renderer.string(text)),
    }
}

fn closure(build: &CargoBuild, with_dev: bool, cwd: &RelPath) -> ClosureRequest {
    ClosureRequest {
        package: build.package.clone(),
        target: build.target.clone(),
        with_dev,
        features: build.features.clone(),
        profile: build.profile.clone(),
        triple: build.triple.clone(),
        cwd: cwd.clone(),
    }
}

/// The packages that the `packages` of all places name, with tests and dev-dependencies.
pub(crate) fn packages<'t>(
    context: &Context<'_>,
    renderer: &mut Renderer<'_>,
    texts: impl Iterator<Item = &'t Text>,
    cwd: &RelPath,
) -> Vec<ClosureRequest> {
    let mut requests = Vec::new();
    for text in texts {
        let Some(spec) = renderer.string(text) else { continue };
        let members = cargo::members(context.layout, &spec);
        if members.is_empty() {
            let names = context.layout.packages.iter().map(|package| package.name.as_str());
            renderer.problems.push(
                Diagnostic::error(format!("no package of the workspace is called `{spec}`"))
                    .at(text.span, "")
                    .help(suggest::help(&spec, names, "packages")),
            );
        }
        requests.extend(members.into_iter().map(|package| whole(package, true, cwd)));
    }
    requests
}

/// The words as far as they are known before the step starts.
fn known_words(words: &[Word], template: &Template, renderer: &Renderer<'_>) -> Vec<Option<String>> {
    let placeholders: Vec<_> = template.placeholders().cloned().collect();
    let mut known = Vec::new();
    for word in words {
        if word.expands {
            known.push(None);
            continue;
        }
        let mut parts: Vec<Part> = Vec::new();
        for item in &word.parts {
            match (item, parts.last_mut()) {
                (Item::Char(c), Some(Part::Text(text))) => text.push(*c),
                (Item::Char(c), _) => parts.push(Part::Text(c.to_string())),
                (Item::Hole(number), _) => parts.extend(placeholders.get(*number).cloned().map(Part::Placeholder)),
            }
        }
        known.extend(renderer.words(&Template { parts, span: template.span }));
    }
    known
}

/// Lexes a shell string, and reports placeholders whose quoted value would not be one word there.
fn check_placeholders(text: &Text, problems: &mut Vec<Diagnostic>) -> Script {
    // What is no template has been reported.
    let parts = cut(&text.value).unwrap_or_default();
    let mut items = Vec::new();
    let mut holes = Vec::new();
    for (segment, range) in &parts {
        match segment {
            Segment::Text(literal) => items.extend(literal.chars().map(Item::Char)),
            Segment::Placeholder(name) => {
                items.push(Item::Hole(holes.len()));
                holes.push((name.as_str(), range.clone()));
            }
        }
    }
    let script = shell::lex(&items);
    for (number, surround) in &script.holes {
        let (name, range) = &holes[*number];
        let variable = name.rsplit('.').next().unwrap_or(name).replace('-', "_");
        let set_first = |use_it: String| {
            format!("set a variable before, `{variable}={{{{ {name} }}}}`, and use it there: `{use_it}`")
        };
        let (place, help) = match surround {
            Surround::Bare => continue,
            Surround::Quotes(quote, range) => {
                let shown = unquoted(&items[range.start + 1..range.end.max(range.start + 2) - 1], *quote, &holes);
                ("inside quotes", format!("a value is quoted by itself; write `{shown}`"))
            }
            Surround::Backticks => ("inside backticks", set_first(format!("\"${variable}\""))),
            Surround::Substitution => ("inside `$(…)`", set_first(format!("$(… \"${variable}\")"))),
            Surround::Expansion => ("inside `${…}`", set_first(format!("${{…\"${variable}\"}}"))),
            Surround::Arithmetic => ("inside `$((…))`", set_first(format!("$((… {variable} …))"))),
            Surround::HereDocument => ("in a here-document", set_first(format!("${variable}"))),
            Surround::Comment => {
                ("in a comment", "take it out; a value with a line end would leave the comment".to_owned())
            }
            Surround::Backslash => ("after a `\\`", format!("a value is quoted by itself; write `{{{{ {name} }}}}`")),
            Surround::Dollar => ("after a `$`", format!("a placeholder has no `$`; write `{{{{ {name} }}}}`")),
        };
        problems.push(
            Diagnostic::error(format!("`{{{{ {name} }}}}` stands {place}"))
                .at(text.part(range.clone()), "a value could break out of it here")
                .help(help),
        );
    }
    script
}

/// The content of quotes with the placeholders outside of them.
fn unquoted(content: &[Item], quote: char, holes: &[(&str, std::ops::Range<usize>)]) -> String {
    let mut shown = String::new();
    let mut text = String::new();
    let flush = |text: &mut String, shown: &mut String| {
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c));
        if is_plain {
            shown.push_str(text)
        } else {
            shown.push_str(&format!("{quote}{text}{quote}"))
        }
        text.clear();
    };
    for item in content {
        match item {
            Item::Char(c) => text.push(*c),
            Item::Hole(number) => {
                flush(&mut text, &mut shown);
                shown.push_str(&format!("{{{{ {} }}}}", holes[*number].0));
            }
        }
    }
    flush(&mut text, &mut shown);
    shown
}
