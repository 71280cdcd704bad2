//! Small models for tests, and diagnostics as plain text.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diag::{Diagnostic, FileId, Severity, Span};
use crate::glob::{PathSet, Pattern};
use crate::layout::{Layout, Package, Target, TargetKind};
use crate::model::template::{Part, Placeholder, Template};
use crate::model::{
    ArtifactRef, ClosureRequest, Command, Hooks, Input, InputSource, Model, Output, Pipeline, PipelineId, Place,
    Policy, Rank, Step, StepId, StepRef,
};
use crate::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn nowhere() -> Span {
    Span::new(FileId(0), 0..0)
}

/// A template; what stands in braces is a parameter.
pub(super) fn template(text: &str) -> Template {
    let mut parts = Vec::new();
    for (at, piece) in text.split("{{").enumerate() {
        let (name, rest) = if at == 0 { ("", piece) } else { piece.split_once("}}").unwrap() };
        if at > 0 {
            parts.push(Part::Placeholder(Placeholder::Param(name.trim().to_owned())));
        }
        parts.push(Part::Text(rest.to_owned()));
    }
    Template { parts, span: nowhere() }
}

/// All of a package, without what is for development.
pub(super) fn closure(package: &str) -> ClosureRequest {
    ClosureRequest {
        package: package.to_owned(),
        target: None,
        with_dev: false,
        features: Vec::new(),
        profile: None,
        triple: None,
        cwd: RelPath::root(),
    }
}

/// A member in the folder of its name; targets as `kind [name] file`.
pub(super) fn package(name: &str, targets: &[&str]) -> Package {
    let dir = path(name);
    let target = |text: &&str| {
        let words: Vec<_> = text.split(' ').collect();
        let kind = match words[0] {
            "lib" => TargetKind::Lib,
            "bin" => TargetKind::Bin,
            "example" => TargetKind::Example,
            "test" => TargetKind::Test,
            _ => TargetKind::BuildScript,
        };
        let src = dir.join(words[words.len() - 1]).unwrap();
        Target { name: words[1].to_owned(), kind, src }
    };
    Package {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        manifest: dir.child(b"Cargo.toml"),
        targets: targets.iter().map(target).collect(),
        path_dependencies: Vec::new(),
        dev_path_dependencies: Vec::new(),
        dir,
    }
}

/// Tables in the making. Each thing written is a line of the manifest.
pub(super) struct Tables {
    pub(super) text: String,
    pub(super) model: Model,
    pub(super) packages: Vec<Package>,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self { text: String::new(), model: Model::default(), packages: Vec::new() }
    }

    fn line(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        let span = Span::new(FileId(0), start..self.text.len());
        self.text.push('\n');
        span
    }

    /// `name` or `package:name`, made if it is new.
    pub(super) fn pipeline(&mut self, id: &str) -> PipelineId {
        let known = self.model.pipelines.iter().position(|pipeline| pipeline.display_id() == id);
        PipelineId(known.unwrap_or_else(|| {
            let (package, name) = id.split_once(':').map_or((None, id), |(p, name)| (Some(p.to_owned()), name));
            let span = self.line(&format!("[{id}]"));
            self.model.pipelines.push(Pipeline {
                package,
                name: name.to_owned(),
                span,
                description: None,
                steps: Vec::new(),
                members: Vec::new(),
                params: BTreeMap::new(),
                hooks: Hooks::default(),
            });
            self.model.pipelines.len() - 1
        }) as u32)
    }

    pub(super) fn group(&mut self, id: &str, members: &[&str]) {
        let members = members.iter().map(|member| self.pipeline(member)).collect();
        let group = self.pipeline(id);
        self.model.pipelines[group.0 as usize].members = members;
    }

    pub(super) fn step(&mut self, pipeline: &str, name: &str) -> StepId {
        let id = StepId(self.model.steps.len() as u32);
        let display_id = format!("{pipeline}/{name}");
        let pipeline = self.pipeline(pipeline);
        self.model.pipelines[pipeline.0 as usize].steps.push(id);
        let span = self.line(&format!("[{display_id}]"));
        self.model.steps.push(Step {
            pipeline,
            name: name.to_owned(),
            display_id,
            span,
            description: None,
            base: RelPath::root(),
            cwd: RelPath::root(),
            command: Command::Argv(vec![template("true")]),
            command_span: span,
            inputs: Vec::new(),
            files: PathSet::default(),
            outputs: Vec::new(),
            params: BTreeMap::new(),
            pipeline_params: BTreeMap::new(),
            args: None,
            after: Vec::new(),
            depends: Vec::new(),
            closures: Vec::new(),
            uses_cargo: false,
            calls_cargo: false,
            env: BTreeMap::new(),
            track_env: Vec::new(),
            pass_env: Vec::new(),
            secret_env: Vec::new(),
            pool: None,
            threads: Some(1),
            timeout: None,
            retries: 0,
            retry_delay: Duration::ZERO,
            hooks: Hooks::default(),
            interactive: false,
            enable_cache: (true, Rank::Default),
            policy: Policy::default(),
            cache_funcs: Vec::new(),
            base_name: name.to_owned(),
            matrix: BTreeMap::new(),
            batch: false,
            cell_packages: Vec::new(),
        });
        id
    }

    pub(super) fn at(&mut self, step: StepId) -> &mut Step {
        &mut self.model.steps[step.0 as usize]
    }

    pub(super) fn run(&mut self, step: StepId, script: &str) {
        let span = self.line(&format!("run = {script:?}"));
        let step = self.at(step);
        step.command_span = span;
        step.command = Command::Shell { script: Template { span, ..template(script) }, shell: None };
    }

    /// An output; a place with a wildcard is a glob.
    pub(super) fn output(&mut self, step: StepId, name: &str, place: &str) {
        let span = self.line(&format!("outputs.{name} = {place:?}"));
        let pattern = Pattern::new(&RelPath::root(), place).unwrap();
        let place = if pattern.is_plain() {
            Place::Path { path: pattern.prefix().clone(), folder: false }
        } else {
            Place::Glob(pattern)
        };
        self.at(step).outputs.push(Output {
            name: name.to_owned(),
            span,
            place,
            place_is_ours: false,
            metric: false,
            content_hash: true,
            optional: false,
        });
    }

    /// The first output of `from`.
    pub(super) fn input(&mut self, step: StepId, from: StepId) {
        let name = self.model.step(from).display_id.clone();
        let span = self.line(&format!("inputs.x = {name:?}"));
        let source = InputSource::Artifact(vec![ArtifactRef { step: from, output: 0 }]);
        self.at(step).inputs.push(Input { name: "x".to_owned(), span, source });
    }

    pub(super) fn after(&mut self, step: StepId, to: StepId) {
        let span = self.line(&format!("after = [{:?}]", self.model.step(to).display_id));
        self.at(step).after.push(StepRef { step: to, span });
    }

    pub(super) fn depends(&mut self, step: StepId, to: StepId) {
        let span = self.line(&format!("depends = [{:?}]", self.model.step(to).display_id));
        self.at(step).depends.push(StepRef { step: to, span });
    }

    pub(super) fn files(&mut self, step: StepId, globs: &[&str]) {
        let span = self.line(&format!("files = {globs:?}"));
        let pattern = |text: &str| Pattern::new(&RelPath::root(), text).unwrap().written_at(span);
        for glob in globs {
            match glob.strip_prefix('!') {
                Some(glob) => self.at(step).files.exclude.push(pattern(glob)),
                None => self.at(step).files.include.push(pattern(glob)),
            }
        }
    }

    pub(super) fn finish(self) -> (Model, Layout) {
        let target_dir = path("target");
        let layout = Layout { zen_dir: target_dir.child(b"zen"), target_dir, packages: self.packages };
        (self.model, layout)
    }
}

/// As people read it: the message, then for each place its line, `^` for the primary ones.
pub(super) fn render(text: &str, problems: &[Diagnostic]) -> String {
    let mut out = String::new();
    for problem in problems {
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        out.push_str(&format!("{severity}: {}\n", problem.message));
        for label in &problem.labels {
            let line = 1 + text[..label.span.start].matches('\n').count();
            let mark = if label.primary { '^' } else { '-' };
            out.push_str(&format!("{line:>4} | {} {mark} {}\n", &text[label.span.start..label.span.end], label.text));
        }
        out.extend(problem.helps.iter().map(|help| format!("help: {help}\n")));
        out.extend(problem.notes.iter().map(|note| format!("note: {note}\n")));
    }
    out
}
