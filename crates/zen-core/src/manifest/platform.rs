//! `platform`: on which hosts a step is there, written as in cargo's `[target.'…'.dependencies]`. Knows not which host
//! this is: that is passed in.

use cfg_expr::error::Reason;
use cfg_expr::targets::{ALL_BUILTINS, TargetInfo, get_builtin_target_by_triple};
use cfg_expr::{Expression, Predicate};

use super::declarations::{AbsentStep, Declarations};
use super::reader::{Reader, Text};
use crate::diag::{Diagnostic, Spanned};
use crate::suggest;

/// `platform` of a step.
#[derive(Debug, Clone)]
pub(crate) enum Platform {
    /// A target triple.
    Triple(String),
    /// `cfg(…)`
    Cfg(Box<Expression>),
}

/// The machine that steps run on.
#[derive(Debug, Clone)]
pub struct Host {
    triple: String,
    facts: Option<&'static TargetInfo>,
}

impl Host {
    /// The host of a target triple. For one that is newer than zen, `cfg(…)` asks what zen itself was built for.
    pub fn new(triple: impl Into<String>) -> Self {
        let triple = triple.into();
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let own = |target: &&TargetInfo| {
            target.os.as_ref().is_some_and(|name| name.as_str() == os) && target.arch.as_str() == arch
        };
        let facts = get_builtin_target_by_triple(&triple).or_else(|| ALL_BUILTINS.iter().find(own));
        Self { triple, facts }
    }

    fn is(&self, platform: &Platform) -> bool {
        let holds = |predicate: &Predicate<'_>| match predicate {
            Predicate::Target(target) => self.facts.is_some_and(|facts| target.matches(facts)),
            Predicate::Flag(flag) => *flag == "true",
            _ => false,
        };
        match platform {
            Platform::Triple(triple) => *triple == self.triple,
            Platform::Cfg(expression) => expression.eval(holds),
        }
    }
}

impl Declarations {
    /// Does any step say on which platforms it is there?
    pub fn have_platforms(&self) -> bool {
        let pipelines = self.tables.iter().flat_map(|table| &table.pipelines);
        pipelines.flat_map(|pipeline| &pipeline.steps).any(|step| step.platform.is_some())
    }

    /// Takes out the steps that are not there on `host`. Their names stay known, for whoever refers to them.
    pub fn leave_out_absent(&mut self, host: &Host) {
        for pipeline in self.tables.iter_mut().flat_map(|table| &mut table.pipelines) {
            let absent = &mut pipeline.absent;
            pipeline.steps.retain(|step| match &step.platform {
                Some(platform) if !host.is(&platform.value) => {
                    absent.push(AbsentStep { name: step.name.clone(), platform: platform.span });
                    false
                }
                _ => true,
            });
        }
    }
}

/// Reads `platform`; what is wrong with it is reported.
pub(crate) fn read(reader: &mut Reader<'_>, text: &Text) -> Option<Spanned<Platform>> {
    let written = text.value.trim();
    let platform = if written.starts_with("cfg(") { cfg(reader, text) } else { triple(reader, text, written) };
    platform.map(|platform| Spanned::new(platform, text.span))
}

fn cfg(reader: &mut Reader<'_>, text: &Text) -> Option<Platform> {
    let expression = match Expression::parse(text.value.trim()) {
        Ok(expression) => expression,
        Err(error) => {
            let why = match &error.reason {
                Reason::Unexpected([]) => "something is not expected where it stands".to_owned(),
                reason => reason.to_string(),
            };
            reader.report(
                Diagnostic::error(format!("`{}` is no `cfg(…)`: {why}", text.value.trim()))
                    .at(text.span, "")
                    .help("write it as cargo does: `cfg(unix)`, `cfg(all(target_os = \"linux\", not(target_env = \"musl\")))`"),
            );
            return None;
        }
    };
    let mut is_known = true;
    for predicate in expression.predicates() {
        let name = match predicate {
            Predicate::Target(_) | Predicate::Flag("true" | "false") => continue,
            Predicate::Test => "test",
            Predicate::DebugAssertions => "debug_assertions",
            Predicate::ProcMacro => "proc_macro",
            Predicate::Feature(_) => "feature",
            Predicate::TargetFeature(_) => "target_feature",
            Predicate::Flag(name) | Predicate::KeyValue { key: name, .. } => name,
        };
        is_known = false;
        let known = ["unix", "windows", "target_os", "target_arch", "target_family", "target_env"];
        let help = match ALL_BUILTINS.iter().any(|target| target.os.as_ref().is_some_and(|os| os.as_str() == name)) {
            true => format!("did you mean `target_os = \"{name}\"`?"),
            false => suggest::help(name, known, "what it may ask for is"),
        };
        let problem = Diagnostic::error(format!("`{name}` in `cfg(…)` says nothing about the platform"));
        reader.report(problem.at(text.span, "a step is there or not by the host alone").help(help));
    }
    is_known.then(|| Platform::Cfg(Box::new(expression)))
}

fn triple(reader: &mut Reader<'_>, text: &Text, written: &str) -> Option<Platform> {
    let triples = || ALL_BUILTINS.iter().map(|target| target.triple.as_str());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !written.contains('-') || !written.chars().all(is_plain) {
        let os = |target: &TargetInfo| target.os.as_ref().is_some_and(|os| os.as_str() == written);
        let help = if matches!(written, "unix" | "windows") {
            format!("`platform = \"cfg({written})\"`")
        } else if ALL_BUILTINS.iter().any(os) {
            format!("`platform = 'cfg(target_os = \"{written}\")'`")
        } else {
            "`platform = \"cfg(unix)\"`, or a triple such as `\"x86_64-unknown-linux-gnu\"`".to_owned()
        };
        let message = format!("`{}` is neither a `cfg(…)` nor a target triple", written.escape_debug());
        reader.report(Diagnostic::error(message).at(text.span, "").help(help));
        return None;
    }
    if !triples().any(|known| known == written) {
        // A newer rustc may have it.
        let message =
            format!("there is no target `{written}` as far as zen knows: the step is there on that host alone");
        let near = suggest::nearest(written, triples()).map(|near| format!("did you mean `{near}`?"));
        let help = near.unwrap_or_else(|| "`rustc --print target-list` lists them".to_owned());
        reader.report(Diagnostic::warning(message).at(text.span, "").help(help));
    }
    Some(Platform::Triple(written.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(platform: &str, triple: &str) -> bool {
        let platform = match Expression::parse(platform) {
            Ok(expression) if platform.starts_with("cfg") => Platform::Cfg(Box::new(expression)),
            _ => Platform::Triple(platform.to_owned()),
        };
        Host::new(triple).is(&platform)
    }

    #[test]
    fn a_host_is_what_its_triple_says() {
        let (gnu, musl) = ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl");
        let (mac, windows) = ("aarch64-apple-darwin", "x86_64-pc-windows-msvc");
        for (platform, on) in [
            ("cfg(unix)", vec![gnu, musl, mac]),
            ("cfg(windows)", vec![windows]),
            ("cfg(not(unix))", vec![windows]),
            ("cfg(target_os = \"macos\")", vec![mac]),
            ("cfg(all(unix, target_env = \"musl\"))", vec![musl]),
            ("cfg(any(windows, target_arch = \"aarch64\"))", vec![mac, windows]),
            ("cfg(target_pointer_width = \"64\")", vec![gnu, musl, mac, windows]),
            ("cfg(true)", vec![gnu, musl, mac, windows]),
            ("cfg(false)", vec![]),
            (gnu, vec![gnu]),
        ] {
            let found: Vec<&str> = [gnu, musl, mac, windows].into_iter().filter(|host| is(platform, host)).collect();
            assert_eq!(found, on, "{platform}");
        }
    }

    #[test]
    fn a_host_that_nobody_knows_is_what_zen_was_built_for() {
        assert_eq!(is("cfg(unix)", "brand-new-triple"), cfg!(unix));
        assert!(is("brand-new-triple", "brand-new-triple"));
    }
}
