//! Nearest names, for "did you mean". Knows no tables.

/// The candidate that is nearest to `name`: at most three edits away (as cargo has it), and not all of it changed.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let limit = 3.min(name.chars().count().saturating_sub(1));
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The help for an unknown name: the nearest one, else the list of all that there are.
pub(crate) fn help<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, what: &str) -> String {
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    if let Some(near) = nearest(name, all.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match all.len() {
        0 => format!("there are no {}", what.strip_prefix("its ").unwrap_or(what)),
        1..=12 => format!("{what}: {}", quoted(&all)),
        more => format!("{what}: {} and {} more", quoted(&all[..12]), more - 12),
    }
}

/// `a`, `b`, `c`
pub(crate) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_but_not_other_words() {
        assert_eq!(nearest("ouputs", ["inputs", "outputs"]), Some("outputs"));
        assert_eq!(nearest("Train", ["train"]), Some("train"));
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("gamma", ["epsilon"]), None);
    }

    #[test]
    fn lists_what_there_is_when_nothing_is_near() {
        assert_eq!(help("zzz", ["b", "a"], "steps"), "steps: `a`, `b`");
        assert_eq!(help("zzz", [], "steps"), "there are no steps");
    }
}
