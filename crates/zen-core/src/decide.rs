//! The one question: is this step fresh, to be restored, or to be run, and why. Pure: takes what was observed.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use crate::artifact::{Key, Record, Timestamp};
use crate::key::Change;

/// What is to happen with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// A record exists and the outputs on disk match it.
    Fresh,
    /// A record exists; its outputs are to be put back.
    Restore,
    /// It must run.
    Run,
    /// It depends on a step that would run: only then is it known.
    Maybe,
}

/// Why a step runs (or may run): one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No earlier record of this step.
    NeverRun,
    /// Caching is disabled; the text says by which place.
    CacheDisabled(String),
    /// `--no-cache`, `--force`
    Forced,
    /// The record is older than the limit; `age` is negative seconds for one from the future.
    Expired {
        /// In seconds.
        age: i64,
        /// The limit.
        limit: Duration,
    },
    /// One component's item differs from the nearest earlier record.
    Changed(Change),
    /// An object of the record is missing from the store, or damaged.
    ArtifactMissing(String),
    /// A part of the key cannot be computed; the text says which and why.
    Uncacheable(String),
    /// *maybe*: this upstream step would run (its display id).
    Upstream(String),
}

/// What is known of a step when all of its inputs are settled.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its key, or which part of it cannot be computed.
    pub key: Result<Key, String>,
    /// Is caching disabled? The text says by which place.
    pub disabled: Option<String>,
    /// Is the look-up left out?
    pub forced: bool,
    /// The record of that key.
    pub record: Option<&'a Record>,
    /// `expires-after`
    pub limit: Option<Duration>,
    /// The time of this run.
    pub now: Timestamp,
    /// Do the outputs on disk match the record?
    pub on_disk: bool,
    /// The first artifact of the record that the store does not have whole.
    pub missing: Option<String>,
}

/// Decides. `changes` is asked only if no record has the key: the differences to the nearest earlier record of the
/// step; `None` if there is no earlier one.
pub fn decide(known: &Known<'_>, changes: impl FnOnce() -> Option<Vec<Change>>) -> (Decision, Vec<Why>) {
    let run = |why: Why| (Decision::Run, vec![why]);
    if let Some(place) = &known.disabled {
        return run(Why::CacheDisabled(place.clone()));
    }
    if known.forced {
        return run(Why::Forced);
    }
    if let Err(why) = &known.key {
        return run(Why::Uncacheable(why.clone()));
    }
    let Some(record) = known.record else {
        return match changes() {
            None => run(Why::NeverRun),
            Some(changes) => (Decision::Run, changes.into_iter().map(Why::Changed).collect()),
        };
    };
    if let Some(limit) = known.limit {
        let age = known.now.0 - record.ended.0;
        // From the future: no limit can be judged.
        if age < 0 || limit.is_zero() || u128::from(age.unsigned_abs()) >= limit.as_millis() {
            return run(Why::Expired { age: age.div_euclid(1000), limit });
        }
    }
    if known.on_disk {
        return (Decision::Fresh, Vec::new());
    }
    match &known.missing {
        Some(missing) => run(Why::ArtifactMissing(missing.clone())),
        None => (Decision::Restore, Vec::new()),
    }
}

impl Why {
    /// `never-run`, `changed` …: the name of the kind in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NeverRun => "never-run",
            Self::CacheDisabled(_) => "cache-disabled",
            Self::Forced => "forced",
            Self::Expired { .. } => "expired",
            Self::Changed(_) => "changed",
            Self::ArtifactMissing(_) => "artifact-missing",
            Self::Uncacheable(_) => "uncacheable",
            Self::Upstream(_) => "upstream",
        }
    }
}

impl Why {
    /// `{ kind, component, item, old, new, text }`: what messages and hooks are told.
    pub fn to_json(&self) -> serde_json::Value {
        let change = if let Self::Changed(change) = self { Some(change) } else { None };
        let item = match self {
            Self::Changed(change) if change.item.is_empty() => change.path.clone(),
            Self::Changed(change) => Some(change.item.clone()),
            Self::ArtifactMissing(item) | Self::Upstream(item) => Some(item.clone()),
            _ => None,
        };
        let (old, new) = match self {
            Self::Expired { age, limit } => (Some(format!("{age}s")), Some(format!("{}s", limit.as_secs()))),
            _ => (change.and_then(|c| c.old.clone()), change.and_then(|c| c.new.clone())),
        };
        let mut value = json!({
            "kind": self.kind(),
            "component": change.map(|change| change.component.name()),
            "item": item,
            "old": old,
            "new": new,
            "text": self.to_string(),
        });
        if let Some(path) = change.and_then(|change| change.path.as_ref()) {
            value["path"] = json!(path);
        }
        value
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => f.write_str("never run"),
            Self::CacheDisabled(place) => write!(f, "caching disabled by {place}"),
            Self::Forced => f.write_str("forced"),
            Self::Expired { age, .. } if *age < 0 => f.write_str("expired: the record is from the future"),
            Self::Expired { age, limit } => {
                let age = Duration::from_secs(age.unsigned_abs());
                write!(f, "expired: {} old, limit {}", age_text(age), age_text(*limit))
            }
            Self::Changed(change) => change.fmt(f),
            Self::ArtifactMissing(what) => write!(f, "artifact `{what}` is missing from the store"),
            Self::Uncacheable(why) => write!(f, "uncacheable: {why}"),
            Self::Upstream(step) => write!(f, "if {step} writes other bytes"),
        }
    }
}

/// `90s`, `3h`, `2d`: the largest unit that says enough.
pub fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::{Piece, Production, RunId};
    use crate::digest::Digest;

    fn record(ended: i64) -> Record {
        Record {
            key: Key(Digest([1; 32])),
            production: Production([0; 16]),
            step: "p/s".into(),
            run: RunId(1),
            ended: Timestamp(ended),
            duration_ms: 5,
            artifacts: Arc::default(),
            explanation: Piece { object: Digest([0; 32]), at: 0, len: 0 },
            log: None,
        }
    }

    fn known(record: Option<&Record>) -> Known<'_> {
        Known {
            key: Ok(Key(Digest([1; 32]))),
            disabled: None,
            forced: false,
            record,
            limit: None,
            now: Timestamp(100_000),
            on_disk: false,
            missing: None,
        }
    }

    fn decision(known: &Known<'_>) -> (Decision, String) {
        let (decision, why) = decide(known, || None);
        (decision, why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn the_record_and_the_disk_decide() {
        let record = record(0);
        assert_eq!(decision(&known(None)), (Decision::Run, "never run".into()));
        assert_eq!(decision(&known(Some(&record))).0, Decision::Restore);
        assert_eq!(decision(&Known { on_disk: true, ..known(Some(&record)) }).0, Decision::Fresh);
        let missing = Some("model".to_owned());
        assert_eq!(decision(&Known { missing: missing.clone(), ..known(Some(&record)) }).0, Decision::Run);
        let fresh = Known { missing, on_disk: true, ..known(Some(&record)) };
        assert_eq!(decision(&fresh).0, Decision::Fresh, "what is on disk needs no object");
    }

    #[test]
    fn f_24_expiry_is_judged_at_look_up_by_the_policy_of_now() {
        let expires = |ended, limit: u64| {
            let record = record(ended);
            let limit = Some(Duration::from_millis(limit));
            decision(&Known { limit, on_disk: true, ..known(Some(&record)) }).0
        };
        assert_eq!(expires(0, 100_001), Decision::Fresh);
        assert_eq!(expires(0, 100_000), Decision::Run);
        assert_eq!(expires(99_999, 0), Decision::Run, "0 is always stale");
        assert_eq!(expires(100_000, 0), Decision::Run, "0 is always stale");
        assert_eq!(
            expires(100_001, 1_000_000),
            Decision::Run,
            "a record from the future is stale where a limit applies"
        );
        let record = record(200_000);
        assert_eq!(decision(&Known { on_disk: true, ..known(Some(&record)) }).0, Decision::Fresh, "and only there");
    }

    #[test]
    fn f_2_a_key_that_cannot_be_computed_runs() {
        let record = record(0);
        let known = Known { key: Err("file x cannot be read".into()), on_disk: true, ..known(Some(&record)) };
        assert_eq!(decision(&known), (Decision::Run, "uncacheable: file x cannot be read".into()));
    }

    #[test]
    fn disabled_comes_before_forced() {
        let known = Known { disabled: Some("the step".into()), forced: true, ..known(None) };
        assert_eq!(decision(&known).1, "caching disabled by the step");
    }
}
