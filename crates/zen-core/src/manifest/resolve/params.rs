//! Parameters: `--set` read as the declared type. Knows not where the values are used.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::render::article;
use super::{Context, Place, display_id};
use crate::diag::{Diagnostic, Span};
use crate::manifest::reader;
use crate::model::PipelineId;
use crate::suggest;
use crate::value::Value;

/// All `--set` of a run.
pub(crate) struct Sets {
    sets: Vec<Set>,
}

/// `[STEP.]NAME=VALUE`
struct Set {
    written: String,
    step: Option<String>,
    name: String,
    value: String,
    used: bool,
}

impl Sets {
    pub(crate) fn read(texts: &[String], problems: &mut Vec<Diagnostic>) -> Self {
        let mut sets = Vec::new();
        for written in texts {
            // A cell's values hold `=` and `.` as well.
            let name = written.find(']').map_or(0, |end| end + 1);
            let name = if written.find('[').is_some_and(|open| written[..open].contains('=')) { 0 } else { name };
            let equals = written[name..].find('=').map(|at| name + at);
            let Some((target, value)) = equals.map(|at| (&written[..at], &written[at + 1..])) else {
                problems.push(
                    Diagnostic::error(format!("`--set {written}` has no `=`"))
                        .help("`--set NAME=VALUE`, or `--set STEP.NAME=VALUE` for one step"),
                );
                continue;
            };
            let (step, name) = target.rsplit_once('.').map_or((None, target), |(step, name)| (Some(step), name));
            sets.push(Set {
                written: written.clone(),
                step: step.map(|step| step.trim().to_owned()),
                name: name.trim().to_owned(),
                value: value.to_owned(),
                used: false,
            });
        }
        Self { sets }
    }

    /// The parameters of each pipeline.
    pub(crate) fn pipelines(
        &mut self,
        context: &Context<'_>,
        selected: &BTreeSet<PipelineId>,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<BTreeMap<String, Value>> {
        let mut all = Vec::new();
        for (at, (_, pipeline)) in context.pipelines.iter().enumerate() {
            let mut values = BTreeMap::new();
            for (name, param) in &pipeline.params {
                let mut value = param.value.literal();
                if let Some(new) = pipeline.config.as_ref().and_then(|config| config.params.get(name)) {
                    put(&mut value, new.value.literal(), name, new.span, param.span, problems);
                }
                let sets = self.sets.iter_mut().filter(|set| set.step.is_none() && set.name == *name);
                for set in sets.filter(|_| selected.contains(&PipelineId(at as u32))) {
                    set.apply(&mut value, param.span, problems);
                }
                values.insert(name.clone(), value);
            }
            all.push(values);
        }
        all
    }

    /// Puts what is set for one step over its parameters.
    pub(crate) fn step(
        &mut self,
        place: Place<'_>,
        values: &mut BTreeMap<String, Value>,
        span_of: impl Fn(&str) -> Span,
        problems: &mut Vec<Diagnostic>,
    ) {
        for set in &mut self.sets {
            let is_mine = set.step.as_deref().is_some_and(|step| names_step(step, place));
            if let Some(value) = values.get_mut(&set.name).filter(|_| is_mine) {
                set.apply(value, span_of(&set.name), problems);
            }
        }
    }

    /// Reports each that no declaration took.
    pub(crate) fn unused(
        &self,
        context: &Context<'_>,
        selected: &BTreeSet<PipelineId>,
        problems: &mut Vec<Diagnostic>,
    ) {
        for set in self.sets.iter().filter(|set| !set.used) {
            let chosen = |id: &PipelineId| selected.contains(id);
            let mut names: BTreeSet<String> = BTreeSet::new();
            let problem = match &set.step {
                None => {
                    let pipelines: Vec<_> = selected.iter().map(|id| context.pipelines[id.0 as usize]).collect();
                    names.extend(pipelines.iter().flat_map(|(_, pipeline)| pipeline.params.keys().cloned()));
                    match *pipelines {
                        [(table, pipeline)] => {
                            format!("pipeline `{}` declares no parameter `{}`", display_id(table, pipeline), set.name)
                        }
                        _ => format!("no selected pipeline declares a parameter `{}`", set.name),
                    }
                }
                Some(step) => {
                    let steps = context.steps.iter().filter(|place| chosen(&place.pipeline_id));
                    let (mine, others): (Vec<Place<'_>>, Vec<_>) = steps.partition(|place| names_step(step, **place));
                    if mine.is_empty() {
                        let others: BTreeSet<&str> = others.iter().map(|place| &*place.step.name.value).collect();
                        problems.push(
                            Diagnostic::error(format!("`--set {}`: there is no step `{step}`", set.written))
                                .help(suggest::help(step, others, "steps")),
                        );
                        continue;
                    }
                    names.extend(mine.iter().flat_map(|place| place.param_names()));
                    format!("step `{step}` declares no parameter `{}`", set.name)
                }
            };
            let mut help = suggest::help(&set.name, names.iter().map(String::as_str), "parameters");
            if names.is_empty() {
                let home = if set.step.is_some() { "step" } else { "pipeline" };
                help = format!("declare it in the {home}'s table, with its default: `params.{} = …`", set.name);
            }
            problems.push(Diagnostic::error(format!("`--set {}`: {problem}", set.written)).help(help));
        }
    }
}

/// Is `id` (`step`, `pipeline/step`, `package:pipeline/step`) this step?
fn names_step(id: &str, place: Place<'_>) -> bool {
    let names = [place.step.name.value.clone(), place.name()];
    names.iter().any(|step| {
        let within = format!("{}/{step}", place.pipeline.name.value);
        id == *step || id == within || id == format!("{}/{step}", display_id(place.table, place.pipeline))
    })
}

impl Set {
    fn apply(&mut self, value: &mut Value, declared: Span, problems: &mut Vec<Diagnostic>) {
        self.used = true;
        match read_as(value, &self.value) {
            Some(new) => *value = new,
            None => {
                let declared_type = value.type_name();
                problems.push(
                    Diagnostic::error(format!(
                        "`--set {}`: `{}` is {} {declared_type}, and `{}` is none",
                        self.written,
                        self.name,
                        article(declared_type),
                        self.value
                    ))
                    .at(declared, format!("declared as {value}")),
                );
            }
        }
    }
}

/// Puts a value of the `--config` file in the place of the declared one, if it is of its type.
pub(crate) fn put(
    value: &mut Value,
    new: Value,
    name: &str,
    given: Span,
    declared: Span,
    problems: &mut Vec<Diagnostic>,
) {
    match (&*value, new) {
        (Value::Float(_), Value::Integer(whole)) => *value = Value::Float(whole as f64),
        (old, new) if old.type_name() == new.type_name() => *value = new,
        (old, new) => {
            let (is, was) = (new.type_name(), old.type_name());
            problems.push(
                Diagnostic::error(format!(
                    "`{name}` is {} {was}, and the config file gives {} {is}",
                    article(was),
                    article(is)
                ))
                .at(given, format!("`{new}`"))
                .and(declared, format!("declared as {old}")),
            );
        }
    }
}

/// Reads `text` as a value of the same type as `declared`.
fn read_as(declared: &Value, text: &str) -> Option<Value> {
    match declared {
        Value::String(_) => Some(Value::String(text.to_owned())),
        // What TOML calls a float, and `.5` and `1`.
        Value::Float(_) => text.trim().replace('_', "").parse().ok().map(Value::Float),
        _ => {
            let node = DeValue::parse(text.trim()).ok()?;
            if node.get_ref().is_integer() && reader::integer(&node).is_none() {
                return None;
            }
            let value = reader::value(node.get_ref());
            (value.type_name() == declared.type_name()).then_some(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_value_is_read_as_the_declared_type() {
        let table = Value::Table([("a".to_owned(), Value::Integer(1))].into());
        let cases = [
            (Value::String("x".into()), "0.1", Some(Value::String("0.1".into()))),
            (Value::Float(0.5), "1", Some(Value::Float(1.0))),
            (Value::Float(0.5), "1e-4", Some(Value::Float(1e-4))),
            (Value::Float(0.5), "much", None),
            (Value::Integer(1), "1_000", Some(Value::Integer(1000))),
            (Value::Integer(1), "1.0", None),
            (Value::Boolean(true), "false", Some(Value::Boolean(false))),
            (Value::Boolean(true), "no", None),
            (Value::Array(vec![]), "[1]", Some(Value::Array(vec![Value::Integer(1)]))),
            (table.clone(), "{ a = 1 }", Some(table)),
        ];
        for (declared, text, expected) in cases {
            assert_eq!(read_as(&declared, text), expected, "{text} as {}", declared.type_name());
        }
    }
}
