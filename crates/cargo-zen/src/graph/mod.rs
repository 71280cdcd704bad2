//! `cargo zen graph`: the DAG with the state of each step, as text, as a picture, for other programs.

pub(crate) mod dag;
mod dot;
mod json;
pub(crate) mod look;
pub(crate) mod mermaid;
pub(crate) mod past;
pub(crate) mod svg;
mod text;

use zen_core::store::local::Access;

use self::dag::{Dag, Drawn, Shown};
use crate::exit::ExitCode;
use crate::flags::{self, Global, GraphFormat, MessageFormat};
use crate::load::show;
use crate::run::{Prepared, put};
use crate::shell::Shell;
use crate::words::Names;

/// `cargo zen graph`
pub(crate) fn graph(global: &Global, flags: &flags::Graph, shell: &mut Shell) -> ExitCode {
    let prepared = match Prepared::new(global, &flags.selection, None, shell) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let definitions = &prepared.loaded.definitions;
    let mut session = match prepared.open(Access::Read, shell) {
        Ok(session) => session,
        Err(code) => return code,
    };
    show(shell, session.warnings(), prepared.loaded.sources());
    let plan = session.plan();
    if let Err(error) = session.save() {
        shell.warning(&format!("the stat cache cannot be written ({error}): files are read again next time"));
    }
    let order: Vec<_> = plan.iter().map(|step| step.step).collect();
    let names = Names::new(&definitions.model, &order);
    let steps: Vec<_> = plan.iter().map(Drawn::from).collect();
    let dag = Dag::new(definitions, &steps, &names, Shown { artifacts: flags.artifacts, files: flags.files });
    let drawn = match flags.format.unwrap_or(GraphFormat::Text) {
        _ if global.message_format == MessageFormat::Json => json::draw(&dag),
        GraphFormat::Text => text::draw(&dag, shell.width()),
        GraphFormat::Dot => dot::draw(&dag),
        GraphFormat::Mermaid => mermaid::draw(&dag),
        GraphFormat::Svg => svg::draw(&dag),
        GraphFormat::Json => json::draw(&dag),
    };
    put(shell.stdout(), drawn.as_bytes(), shell)
}
