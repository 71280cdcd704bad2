//! What was typed after `cargo xtask bench`, as data. Knows no scenario but by its name.

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Name the scenarios.
    List,
    /// Print the Markdown table of the figures in a file that `--json` wrote.
    Table(String),
    Measure(Options),
}

/// How it is to be measured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Names of scenarios; none means all.
    pub(crate) scenarios: Vec<String>,
    /// Measurements of which the median counts.
    pub(crate) repeats: usize,
    /// Where the figures go as JSON as well.
    pub(crate) json: Option<String>,
    /// Whether ninja and n2 do the same work in turn.
    pub(crate) peers: bool,
    /// Size of the one large input, in MiB; its output has a quarter of it.
    pub(crate) big_mib: u64,
    /// What the number of packages is divided by: for a trial of the bench itself.
    pub(crate) divide: usize,
}

impl Request {
    /// Reads the words after `bench`.
    ///
    /// # Errors
    /// An option that is unknown or lacks its value, or a number that is none.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options =
            Options { scenarios: Vec::new(), repeats: 5, json: None, peers: false, big_mib: 4096, divide: 1 };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("error: `{word}` needs a value"));
            match word {
                "--list" => return Ok(Self::List),
                "--table" => return Ok(Self::Table(value()?.to_owned())),
                "--peers" => options.peers = true,
                "--json" => options.json = Some(value()?.to_owned()),
                "--repeats" => options.repeats = number(word, value()?)?,
                "--divide" => options.divide = number(word, value()?)?,
                "--big-mib" => options.big_mib = number(word, value()?)?,
                other if other.starts_with('-') => {
                    return Err(format!("error: unknown option `{other}`\n\n{}", crate::USAGE));
                }
                name => options.scenarios.push(name.to_owned()),
            }
        }
        Ok(Self::Measure(options))
    }
}

fn number<T: std::str::FromStr + PartialOrd + From<u8>>(option: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .ok()
        .filter(|number| *number > T::from(0))
        .ok_or_else(|| format!("error: `{option}` needs a number above 0, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_means_all_scenarios_five_times() {
        let all = Options { scenarios: Vec::new(), repeats: 5, json: None, peers: false, big_mib: 4096, divide: 1 };
        assert_eq!(Request::parse(&[]), Ok(Request::Measure(all)));
    }

    #[test]
    fn options_and_names_may_be_mixed() {
        let words = "start --repeats 9 --peers right --json out.json --divide 10 --big-mib 64";
        let words: Vec<&str> = words.split(' ').collect();
        let expected = Options {
            scenarios: vec!["start".to_owned(), "right".to_owned()],
            repeats: 9,
            json: Some("out.json".to_owned()),
            peers: true,
            big_mib: 64,
            divide: 10,
        };
        assert_eq!(Request::parse(&words), Ok(Request::Measure(expected)));
        assert_eq!(Request::parse(&["--table", "a.json"]), Ok(Request::Table("a.json".to_owned())));
        assert_eq!(Request::parse(&["--list"]), Ok(Request::List));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [&["--repeats"][..], &["--repeats", "0"], &["--divide", "many"], &["--size", "3"], &["--json"]] {
            assert!(Request::parse(wrong).is_err(), "{wrong:?} is refused");
        }
    }
}
