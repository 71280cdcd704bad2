//! `cargo zen list`: pipelines and steps, without looking at anything but the tables.

use serde_json::{Value, json};
use zen_core::engine::{EngineError, select};
use zen_core::graph::{Request, SelectError};
use zen_core::manifest::resolve::Overrides;
use zen_core::model::{Model, Pipeline, Step};

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat};
use crate::json::lines;
use crate::load::{Loaded, report, show};
use crate::run::{pipeline_of, put};
use crate::shell::{Shell, Verbosity};
use crate::words::count;

/// `cargo zen list`
pub(crate) fn list(global: &Global, flags: &flags::List, shell: &mut Shell) -> ExitCode {
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    show(shell, &loaded.definitions.warnings, loaded.sources());
    let model = &loaded.definitions.model;
    let names: Vec<&str> = flags.names.iter().map(|name| pipeline_of(name)).collect();
    let wanted = |pipeline: &&Pipeline| {
        let named =
            names.is_empty() || names.iter().any(|name| *name == pipeline.name || *name == pipeline.display_id());
        named && global.package.as_ref().is_none_or(|package| pipeline.package.as_ref() == Some(package))
    };
    let pipelines: Vec<&Pipeline> = model.pipelines.iter().filter(wanted).collect();
    // Unknown names are refused as `run` does it; that a group is empty or that two cannot run together is no matter here.
    let request = Request { names: flags.names.clone(), steps: Vec::new(), package: global.package.clone() };
    if (pipelines.is_empty() || !names.is_empty())
        && let Err(error) = select(&loaded.definitions, &request)
        && (pipelines.is_empty() || matches!(&error, EngineError::Select(SelectError::UnknownPipeline { .. })))
    {
        return report(shell, &error, loaded.sources());
    }
    let text = if global.message_format == MessageFormat::Json {
        as_json(model, &pipelines)
    } else {
        as_text(model, &pipelines, shell.verbosity >= Verbosity::Verbose)
    };
    put(shell.stdout(), text.as_bytes(), shell)
}

/// `all`: each cell of a matrix step too.
fn as_text(model: &Model, pipelines: &[&Pipeline], all: bool) -> String {
    let bold = anstyle::Style::new().bold();
    let mut text = String::new();
    for pipeline in pipelines {
        let about = pipeline.description.as_ref().map(|about| format!("  {about}")).unwrap_or_default();
        text.push_str(&format!("{bold}{}{bold:#}{about}\n", pipeline.display_id()));
        for member in &pipeline.members {
            text.push_str(&format!("    {} (pipeline)\n", model.pipeline(*member).display_id()));
        }
        let steps: Vec<&Step> = pipeline.steps.iter().map(|step| model.step(*step)).collect();
        // The cells of a step stand together.
        for cells in steps.chunk_by(|a, b| a.base_name == b.base_name) {
            let first = cells[0];
            let about = first.description.as_ref().map(|about| format!("  {about}")).unwrap_or_default();
            if first.matrix.is_empty() {
                text.push_str(&format!("    {}{about}\n", first.name));
                continue;
            }
            text.push_str(&format!("    {} ({}){about}\n", first.base_name, count(cells.len(), "cell")));
            if all {
                cells.iter().for_each(|cell| text.push_str(&format!("        {}\n", cell.name)));
            }
        }
    }
    text
}

fn as_json(model: &Model, pipelines: &[&Pipeline]) -> String {
    let pipelines: Vec<Value> = pipelines
        .iter()
        .map(|pipeline| {
            let steps: Vec<Value> = pipeline
                .steps
                .iter()
                .map(|step| {
                    let step = model.step(*step);
                    json!({ "step": step.display_id, "name": step.name, "description": step.description })
                })
                .collect();
            let members: Vec<String> = pipeline.members.iter().map(|id| model.pipeline(*id).display_id()).collect();
            json!({
                "pipeline": pipeline.display_id(),
                "description": pipeline.description,
                "pipelines": members,
                "steps": steps,
            })
        })
        .collect();
    lines(&[json!({ "reason": "list", "pipelines": pipelines })])
}
