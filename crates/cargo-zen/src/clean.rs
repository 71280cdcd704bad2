//! `cargo zen clean`: what was removed, and what it had cost to make.

use std::time::Duration;

use serde_json::json;
use zen_core::engine::{CleanRequest, Cleaned, clean as remove, now};
use zen_core::manifest::quantity;
use zen_core::manifest::resolve::Overrides;

use crate::exit::ExitCode;
use crate::flags::{self, Global, MessageFormat};
use crate::json::lines;
use crate::load::{Loaded, report};
use crate::run::put;
use crate::shell::{Shell, Verb};
use crate::words::{count, saved, size};

/// `cargo zen clean`
pub(crate) fn clean(global: &Global, flags: &flags::Clean, shell: &mut Shell) -> ExitCode {
    let request = match request(flags) {
        Ok(request) => request,
        Err(text) => {
            shell.error(&text);
            return ExitCode::Usage;
        }
    };
    let loaded = match Loaded::new(global, &Overrides::default(), shell) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let Loaded { project, definitions, store_dir, .. } = &loaded;
    let cleaned = match remove(project, definitions, store_dir.as_deref(), &request, now()) {
        Ok(cleaned) => cleaned,
        Err(error) => return report(shell, &error, loaded.sources()),
    };
    say(&cleaned, shell);
    if flags.dry_run {
        shell.warning("nothing was removed: this is a dry run");
    }
    if global.message_format == MessageFormat::Json {
        return put(shell.stdout(), as_json(&cleaned, flags.dry_run).as_bytes(), shell);
    }
    ExitCode::Ok
}

fn say(cleaned: &Cleaned, shell: &mut Shell) {
    for line in &cleaned.expired {
        shell.status(Verb::Removed, line);
    }
    for path in &cleaned.outputs {
        shell.status(Verb::Removed, &path.to_string());
    }
    for (path, to) in &cleaned.moved {
        shell.warning(&format!(
            "`{path}` is no output of a step that is defined, and the store lacks it: moved to {}",
            to.display()
        ));
    }
    if cleaned.replaced > 0 {
        shell.status(Verb::Removed, &format!("replaced/ ({})", size(cleaned.replaced)));
    }
    if let Some(removed) = &cleaned.store {
        let worth = match removed.step_ms {
            0 => String::new(),
            time => format!(", which took {} to make", saved(Duration::from_millis(time))),
        };
        let message = format!(
            "{}, {} in {}{worth}",
            count(removed.records as usize, "record"),
            size(removed.bytes),
            count(removed.objects as usize, "object"),
        );
        shell.status(Verb::Removed, &message);
    }
}

fn as_json(cleaned: &Cleaned, is_dry: bool) -> String {
    let store = cleaned.store.as_ref().map(|removed| {
        json!({
            "records": removed.records,
            "objects": removed.objects,
            "bytes": removed.bytes,
            "step_ms": removed.step_ms,
        })
    });
    let moved = cleaned.moved.iter().map(|(path, to)| json!({ "path": path.to_string(), "to": to.to_string_lossy() }));
    lines(&[json!({
        "reason": "clean-finished",
        "dry_run": is_dry,
        "store": store,
        "expired": cleaned.expired,
        "outputs": cleaned.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "moved": moved.collect::<Vec<_>>(),
        "replaced_bytes": cleaned.replaced,
    })])
}

fn request(flags: &flags::Clean) -> Result<CleanRequest, String> {
    let older_than = match &flags.older_than {
        Some(text) => Some(quantity::duration(text).map_err(|why| format!("--older-than {text}: {why}"))?),
        None => None,
    };
    let max_size = match &flags.max_size {
        Some(text) => Some(quantity::size(text).map_err(|why| format!("--max-size {text}: {why}"))?),
        None => None,
    };
    Ok(CleanRequest {
        expired: flags.expired,
        older_than,
        max_size,
        pipeline: flags.pipeline.clone(),
        step: flags.step.clone(),
        all: flags.all,
        outputs: flags.outputs,
        replaced: flags.replaced,
        dry_run: flags.dry_run,
    })
}
