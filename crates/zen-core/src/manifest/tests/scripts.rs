//! What the shell lexer knows.

use crate::manifest::shell::{Item, Script, Surround, lex, shell_variables};

/// `@` stands for a placeholder.
fn read(script: &str) -> Script {
    let mut holes = 0..;
    let items: Vec<Item> =
        script.chars().map(|c| if c == '@' { Item::Hole(holes.next().unwrap()) } else { Item::Char(c) }).collect();
    lex(&items)
}

fn surrounds(script: &str) -> Vec<&'static str> {
    let mut holes = read(script).holes;
    holes.sort_by_key(|(number, _)| *number);
    let name = |surround: &Surround| match surround {
        Surround::Bare => "bare",
        Surround::Quotes('"', _) => "double",
        Surround::Quotes(..) => "single",
        Surround::Backticks => "backticks",
        Surround::Substitution => "substitution",
        Surround::Expansion => "expansion",
        Surround::Arithmetic => "arithmetic",
        Surround::HereDocument => "here",
        Surround::Comment => "comment",
        Surround::Backslash => "backslash",
        Surround::Dollar => "dollar",
    };
    holes.iter().map(|(_, surround)| name(surround)).collect()
}

#[test]
fn every_placeholder_is_seen_once_and_in_its_surroundings() {
    let cases: &[(&str, &[&str])] = &[
        ("echo @ a@b --x=@", &["bare", "bare", "bare"]),
        ("X=@ y \"a\"@'b'@", &["bare", "bare", "bare"]),
        ("(cd @; { x @; })", &["bare", "bare"]),
        ("if x; then @; fi # done @", &["bare", "comment"]),
        ("echo a#@ #@", &["bare", "comment"]),
        ("'@' \"@\" \"\\\"@\" '\\'@", &["single", "double", "double", "bare"]),
        ("\"a $(b @ \"@\") @\" @", &["substitution", "double", "double", "bare"]),
        ("$(a $(b @) @) @", &["substitution", "substitution", "bare"]),
        ("`a @` @", &["backticks", "bare"]),
        ("\"`a @`\" @", &["backticks", "bare"]),
        ("$((1 + (2 * @))) @", &["arithmetic", "bare"]),
        ("$((a); @) @", &["substitution", "bare"]),
        ("${x:-@} ${x:-\"@\"} ${x#'}'} @", &["expansion", "double", "bare"]),
        ("\"${x:-'@'}\" @", &["expansion", "bare"]),
        ("cat <<EOF @\na @\nEOF\n@", &["bare", "here", "bare"]),
        ("cat <<-'EOF'\n\ta \"@ $(\n\tEOF\n@", &["here", "bare"]),
        ("cat <<A <<B\n@\nA\n@\nB\n@", &["here", "here", "bare"]),
        ("cat <<EOF\n@", &["here"]),
        ("cat <<''\n@\n\n@", &["here", "bare"]),
        ("cat <<< @ > @ 2>&1 @", &["bare", "bare", "bare"]),
        ("a 2>&- @ <(b @) @", &["bare", "substitution", "bare"]),
        ("\\@ $@ \\\\@", &["backslash", "dollar", "bare"]),
        ("case @ in a|b) echo @;; (c) x;; esac; @", &["bare", "bare", "bare"]),
        ("$(case x in a) @;; esac) @", &["substitution", "bare"]),
        ("echo \\\n @", &["bare"]),
        ("echo $'a\\'@' @", &["single", "bare"]),
        ("f() { @; }; @", &["bare", "bare"]),
        ("echo it\\'s @", &["bare"]),
        ("'open @", &["single"]),
        ("\"open @", &["double"]),
        ("$(open @", &["substitution"]),
    ];
    for (script, expected) in cases {
        assert_eq!(&surrounds(script), expected, "{script}");
    }
}

fn commands(script: &str) -> (Vec<String>, bool) {
    let script = read(script);
    let shown = |words: &Vec<super::super::shell::Word>| {
        words.iter().map(|word| word.literal().unwrap_or_else(|| "?".to_owned())).collect::<Vec<_>>().join(" ")
    };
    (script.commands.iter().map(shown).collect(), script.is_simple)
}

#[test]
fn commands_are_found_wherever_they_stand() {
    let cases: &[(&str, &[&str], bool)] = &[
        ("cargo build", &["cargo build"], true),
        ("  A=1 cargo 'build' --x=\"y z\" > log 2>&1\n", &["cargo build --x=y z"], true),
        ("cargo test $(nproc) $X", &["nproc", "cargo test ? ?"], true),
        ("cd x && cargo build", &["cd x", "cargo build"], false),
        ("a | b; c & d\ne", &["a", "b", "c", "d", "e"], false),
        ("if ! a; then b; else c; fi", &["a", "b", "c"], false),
        ("for x in cargo b; do cargo run; done", &["cargo run"], false),
        ("case $x in cargo) cargo run;; esac", &["cargo run"], false),
        ("(cargo build)", &["cargo build"], false),
        ("cargo build # cargo test", &["cargo build"], true),
        ("cargo build \\\n  -p api", &["cargo build -p api"], true),
        ("cat <<EOF\ncargo build\nEOF", &["cat"], true),
        ("echo cargo", &["echo cargo"], true),
    ];
    for (script, expected, simple) in cases {
        let (found, is_simple) = commands(script);
        assert_eq!(&found, expected, "{script}");
        assert_eq!(is_simple, *simple, "is `{script}` one simple command?");
    }
}

#[test]
fn variables_from_outside_are_named() {
    let cases: &[(&str, &[&str])] = &[
        ("echo $A ${B} ${C:-x} ${#D} \"$E\" '$F' \\$G $1 $$ $?", &["A", "B", "C", "D", "E"]),
        ("A=1; echo $A $B", &["B"]),
        ("echo $A; A=1", &["A"]),
        ("A=$A", &["A"]),
        ("for x in $L; do echo $x; done", &["L"]),
        ("read x y; export Z=1; echo $x $y $Z", &[]),
        ("echo ${A:=1} $A", &["A"]),
        ("echo $(echo $A) `echo $B` $(( $C + 1 )) ${D:-$E}", &["A", "B", "C", "D", "E"]),
        ("cat <<EOF\n$A \\$B\nEOF", &["A"]),
        ("cat <<'EOF'\n$A\nEOF\necho $B", &["B"]),
        ("echo $A-$B # $C", &["A", "B"]),
    ];
    for (script, expected) in cases {
        assert_eq!(&shell_variables(script), expected, "{script}");
    }
}

proptest::proptest! {
    /// Whatever the script, each placeholder is judged, and once: none slips through unjudged.
    #[test]
    fn no_placeholder_is_lost(script in "[a@ \n\t\"'`$(){}<>&|;#\\\\-]{0,24}") {
        let mut numbers: Vec<usize> = read(&script).holes.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        let expected: Vec<usize> = (0..script.matches('@').count()).collect();
        proptest::prop_assert_eq!(numbers, expected);
    }

    /// A value that is quoted where it is put in changes nothing of what stands around it.
    #[test]
    fn what_is_bare_is_one_word(before in "[a \"'$(){};\\\\`]{0,10}", after in "[a \"'$(){};\\\\`]{0,10}") {
        let script = format!("{before}@{after}");
        if read(&script).holes == [(0, Surround::Bare)] {
            let filled = format!("{before}'x y; $(z)'{after}");
            let (with_hole, _) = commands(&script);
            let (with_value, _) = commands(&filled);
            proptest::prop_assert_eq!(with_hole.len(), with_value.len());
        }
    }
}
