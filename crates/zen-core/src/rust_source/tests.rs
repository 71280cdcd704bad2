//! Which edits count and which do not, and where items are found.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Found, Library, Problem, Reading, Unreadable, find};
use crate::digest::Digest;
use crate::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// A crate `api` in memory; its roots are `src/lib.rs` and `src/main.rs`.
#[derive(Clone)]
struct Crate(BTreeMap<RelPath, String>);

fn files(files: &[(&str, &str)]) -> Crate {
    Crate(files.iter().map(|(name, text)| (path(name), (*text).to_owned())).collect())
}

fn lib(text: &str) -> Crate {
    files(&[("src/lib.rs", text)])
}

impl Crate {
    fn look(&self, item: &str) -> Found {
        let names: Vec<String> = item.split("::").map(str::to_owned).collect();
        let roots = [path("src/lib.rs"), path("src/main.rs")];
        find(&mut Library::default(), "api", &roots, &names, &mut |file| match self.0.get(file) {
            Some(text) if text == "own" => Ok(Reading::Own),
            Some(text) if text == "later" => Ok(Reading::NotYet),
            Some(text) if text == "made" => {
                Err(Unreadable { reason: format!("`{file}` is made by another step"), help: "wait for it".to_owned() })
            }
            Some(text) => Ok(Reading::Text(text.as_str().into())),
            None => Ok(Reading::Absent),
        })
    }

    fn digest(&self, item: &str) -> Digest {
        self.look(item).digest.unwrap_or_else(|problem| panic!("`{item}` must be found: {problem}"))
    }

    fn problem(&self, item: &str) -> Problem {
        self.look(item).digest.expect_err("it must not be found")
    }

    fn edited(&self, file: &str, from: &str, to: &str) -> Self {
        let mut edited = self.clone();
        let text = edited.0.get_mut(&path(file)).unwrap();
        assert!(text.contains(from), "`{from}` must be in {file}");
        *text = text.replace(from, to);
        edited
    }
}

/// Is the item the same in both texts of the root?
fn same(item: &str, a: &str, b: &str) -> bool {
    lib(a).digest(item) == lib(b).digest(item)
}

#[test]
fn comments_doc_comments_and_formatting_do_not_count() {
    let plain =
        "pub fn f(x: Vec<Vec<u8>>) -> u8 { let y: Vec<u8> = g(); if x.len() < 1 && y[0] == -1 { 0 } else { 1 } }";
    for other in [
        "/// Documented.\npub fn f(x: Vec<Vec<u8>>) -> u8 {\n    // A comment.\n    let y: Vec<u8> = g();\n    if x.len() < 1 && y[0] == -1 { 0 } else { 1 }\n}\n",
        "//! The crate.\n/** Block */ pub fn f(x:Vec<Vec<u8> >)->u8{let y:Vec<u8>=g();if x.len()<1&&y[0]==-1{0}else{1}}",
        "pub fn f(x: Vec<Vec<u8>>) -> u8 { /* a /* b */ */ //! inner\n let y: Vec<u8> = g(); if x.len() < 1 && y[0] == -1 { 0 } else { 1 } }",
    ] {
        assert!(same("f", plain, other), "{other}");
    }
    assert!(same("f", plain, &format!("#!/usr/bin/env run\r\n{plain}")), "a shebang");
    assert!(same("f", plain, &format!("\u{feff}{plain}")), "a byte order mark");
    assert!(same("S", "struct S { a: u8 }", "/// S\nstruct S {\n    /// A\n    a: u8 }"));
    assert!(same("m", "macro_rules! m { () => { struct S; } }", "macro_rules! m { () => { /// S\n struct S; } }"));
}

#[test]
fn everything_else_counts() {
    let plain = "#[inline] pub fn f(a: &u8, b: u8) -> u8 { a & &b; \"x\"; r\"x\"; 1u8; m!(a >> b) }";
    for (from, to) in [
        ("#[inline]", ""),
        ("#[inline]", "#[inline] #[doc(hidden)]"),
        ("#[inline]", "#[inline] #[doc = \"x\"]"),
        ("pub ", ""),
        ("a & &b", "a && b"),
        ("\"x\"", "\"y\""),
        ("r\"x\"", "\"x\""),
        ("1u8", "1_u8"),
        ("a >> b", "a > > b"),
        ("(a >> b)", "[a >> b]"),
        ("b: u8", "b: u16"),
        ("b; ", "b; ; "),
    ] {
        assert!(plain.contains(from));
        assert!(!same("f", plain, &plain.replacen(from, to, 1)), "{from} → {to}");
    }
}

#[test]
fn only_the_item_counts() {
    assert!(same("f", "fn f() {} fn g() {}", "use x::y; fn g() { 1; } fn f() {}"));
    assert!(same("a::f", "mod a { fn f() {} }", "mod a { fn f() {} fn g() {} } struct S;"));
    for item in [
        "fn x() {}",
        "struct x;",
        "enum x { A }",
        "union x { a: u8 }",
        "trait x {}",
        "type x = u8;",
        "const x: u8 = 1;",
        "static x: u8 = 1;",
        "macro_rules! x { () => {} }",
        "extern \"C\" { fn x(); }",
        "mod x { fn f() {} }",
        "fn r#x() {}",
    ] {
        lib(item).digest("x");
        lib(&format!("mod a {{ {item} }}")).digest("a::x");
    }
}

#[test]
fn items_that_share_a_name_all_count() {
    let all = "fn x() {} mod x { fn f() {} } macro_rules! x { () => {} }";
    for (from, to) in [("fn x() {}", "fn x() { 1; }"), ("fn f() {}", "fn f() { 1; }"), ("() => {}", "(a) => {}")] {
        assert!(!same("x", all, &all.replace(from, to)), "{from}");
    }
}

#[test]
fn modules_are_found_where_the_compiler_finds_them() {
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("a::f", &[("src/lib.rs", "mod a;"), ("src/a.rs", "fn f() {}")]),
        ("a::f", &[("src/lib.rs", "mod a;"), ("src/a/mod.rs", "fn f() {}")]),
        ("a::b::f", &[("src/lib.rs", "mod a;"), ("src/a.rs", "mod b;"), ("src/a/b.rs", "fn f() {}")]),
        ("a::b::f", &[("src/lib.rs", "mod a;"), ("src/a/mod.rs", "mod b;"), ("src/a/b/mod.rs", "fn f() {}")]),
        ("a::b::f", &[("src/lib.rs", "mod a { mod b; }"), ("src/a/b.rs", "fn f() {}")]),
        ("a::f", &[("src/lib.rs", "#[path = \"x/y.rs\"] mod a;"), ("src/x/y.rs", "fn f() {}")]),
        (
            "a::b::f",
            &[("src/lib.rs", "#[path = \"x/y.rs\"] mod a;"), ("src/x/y.rs", "mod b;"), ("src/x/b.rs", "fn f() {}")],
        ),
        (
            "a::i::b::f",
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a.rs", "mod i { #[path = \"z.rs\"] mod b; }"),
                ("src/a/i/z.rs", "fn f() {}"),
            ],
        ),
        ("a::b::f", &[("src/lib.rs", "#[path = \"t\"] mod a { mod b; }"), ("src/t/b.rs", "fn f() {}")]),
    ];
    for (item, crate_files) in cases {
        files(crate_files).digest(item);
    }
    files(&[("src/main.rs", "mod r#type; fn main() {}"), ("src/type.rs", "fn f() {}")]).digest("type::f");
}

#[test]
fn a_module_is_all_that_stands_in_it_and_below() {
    let tree = files(&[
        ("src/lib.rs", "mod a;\nfn other() {}"),
        ("src/a.rs", "mod b;\nfn f() {}"),
        ("src/a/b.rs", "fn g() {}"),
    ]);
    let before = tree.digest("a");
    assert_eq!(before, tree.edited("src/lib.rs", "other", "another").digest("a"));
    assert_eq!(before, tree.edited("src/a.rs", "fn f", "// x\nfn f").digest("a"));
    assert_ne!(before, tree.edited("src/a.rs", "fn f", "fn h").digest("a"));
    assert_ne!(before, tree.edited("src/a/b.rs", "fn g", "fn h").digest("a"));
    let moved = files(&[("src/lib.rs", "mod a;"), ("src/a/mod.rs", "mod b;\nfn f() {}"), ("src/a/b.rs", "fn g() {}")]);
    assert_eq!(before, moved.digest("a"), "the same tokens at another place");
}

#[test]
fn what_was_looked_for_is_told_too() {
    let found = files(&[("src/lib.rs", "mod a;"), ("src/a/mod.rs", "fn f() {}")]).look("a::f");
    let looked: Vec<String> = found.files.iter().map(|(file, digest)| format!("{file} {}", digest.is_some())).collect();
    assert_eq!(looked, ["src/a.rs false", "src/a/mod.rs true", "src/lib.rs true", "src/main.rs false"]);
}

#[test]
fn the_library_and_the_binaries_all_count() {
    let both = files(&[("src/lib.rs", "fn f() {}"), ("src/main.rs", "fn f() {} fn main() {}")]);
    assert_ne!(both.digest("f"), both.edited("src/main.rs", "fn f() {}", "fn f() { 1; }").digest("f"));
    assert_ne!(both.digest("f"), both.edited("src/lib.rs", "fn f() {}", "fn f() { 1; }").digest("f"));
    both.digest("main");
}

#[test]
fn all_alternatives_of_a_cfg_count() {
    let doubled = "#[cfg(unix)] fn f() { 1; } #[cfg(windows)] fn f() { 2; }";
    for (from, to) in [("1;", "3;"), ("2;", "3;"), ("unix", "macos"), ("windows", "wasi")] {
        assert!(!same("f", doubled, &doubled.replace(from, to)), "{from}");
    }
    let modules = files(&[
        ("src/lib.rs", "#[cfg_attr(unix, path = \"unix.rs\")] #[cfg_attr(windows, path = \"win.rs\")] mod os;"),
        ("src/unix.rs", "pub fn f() { 1; }"),
        ("src/win.rs", "pub fn f() { 2; }"),
        ("src/os.rs", "pub fn f() { 3; }"),
    ]);
    for file in ["src/unix.rs", "src/win.rs", "src/os.rs"] {
        assert_ne!(modules.digest("os::f"), modules.edited(file, "f() {", "f() { 0;").digest("os::f"), "{file}");
        assert_ne!(modules.digest("os"), modules.edited(file, "f() {", "f() { 0;").digest("os"), "{file}");
    }
    assert!(!same("a::f", "#[cfg(unix)] mod a { fn f() {} }", "#[cfg(windows)] mod a { fn f() {} }"));
}

#[test]
fn a_type_is_its_definition_and_its_impls_in_the_crate() {
    let tree = files(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        (
            "src/a.rs",
            "pub struct P { x: u8 } impl P { fn f(&self) { 1; } } impl Clone for P { fn clone(&self) { 2; } }",
        ),
        ("src/b.rs", "use crate::a::P as Q; impl Q { fn g() { 3; } } make!(P, 4;); struct Z; impl Z { fn z() { 6; } }"),
        (
            "src/c.rs",
            "struct P; impl P { fn h() { 5; } } const _: () = { use super::b::Q; impl Q { fn n() { 8; } } }; macro_rules! make { ($t:ty, $n:expr) => { impl $t { fn m() { 7; } } } }",
        ),
    ]);
    let before = tree.digest("a::P");
    for (file, from, counts) in [
        ("src/a.rs", "u8", true),
        ("src/a.rs", "1;", true),
        ("src/a.rs", "2;", true),
        ("src/b.rs", "3;", true),
        ("src/b.rs", "4;", true),
        ("src/c.rs", "7;", true),
        ("src/c.rs", "8;", true),
        ("src/c.rs", "5;", false),
        ("src/b.rs", "6;", false),
    ] {
        let edited = tree.edited(file, from, if from == "u8" { "u16" } else { "0;" });
        assert_eq!(before != edited.digest("a::P"), counts, "{file}: {from}");
    }
}

#[test]
fn a_method_is_found_in_the_impls_of_its_type() {
    let text = "struct P; impl P { const X: fn() -> u8 = g; pub const unsafe fn f() { 1; } fn g() { 2; } } \
                impl T for P { fn f() { 3; } } trait T { fn f(); fn d() { 4; } }";
    for (item, from, counts) in [
        ("P::f", "1;", true),
        ("P::f", "3;", true),
        ("P::f", "2;", false),
        ("P::f", "T for P", true),
        ("P::X", "= g", true),
        ("T::d", "4;", true),
        ("T::d", "3;", false),
    ] {
        let to = if from == "T for P" { "T for &P" } else { &format!("{from} ; /* */").replace("= g ;", "= h") };
        let edited = text.replacen(from, to, 1);
        assert_eq!(!same(item, text, &edited), counts, "{item}: {from}");
    }
    let Problem::NotFound { within, name, known, .. } = lib(text).problem("P::gg") else { panic!("it is not there") };
    assert_eq!((within.as_str(), name.as_str()), ("api::P", "gg"));
    assert_eq!(known, ["X", "f", "g"]);
}

#[test]
fn uses_within_the_crate_are_followed() {
    for text in [
        "mod a { pub fn f() { 1; } } pub use a::f;",
        "mod a { pub fn f() { 1; } } pub use self::a::{f};",
        "mod a { pub fn g() { 1; } } pub use crate::a::g as f;",
        "mod a { pub fn f() { 1; } } pub use a::*;",
        "mod a { pub fn f() { 1; } pub use super::*; } mod b { pub use crate::a::*; pub use crate::*; } pub use b::*;",
    ] {
        assert!(!same("f", text, &text.replace("1;", "2;")), "{text}");
    }
    let parse = "mod parse { pub fn parse() { 1; } } pub use parse::parse;";
    assert!(!same("parse", parse, &parse.replace("1;", "2;")), "the module and the function");
    let circle = "mod a { pub use crate::b::*; } mod b { pub use crate::a::*; } pub use a::*;";
    assert!(matches!(lib(circle).problem("f"), Problem::NotFound { .. }));
}

fn refused(tree: &Crate, item: &str, reason: &str) {
    match tree.problem(item) {
        Problem::Refused { reason: text, help } => {
            assert!(text.contains(reason), "`{reason}` must be in: {text}");
            assert!(!help.is_empty(), "it must say what to do");
        }
        other => panic!("`{item}` must be refused: {other}"),
    }
}

#[test]
fn what_cannot_be_known_is_refused_with_the_reason() {
    refused(
        &lib("\n\nfoo! { struct X; }"),
        "X",
        "`X` is not written in `api` as such: it may be made by the macro `foo!` on line 3",
    );
    refused(&lib("use serde::X;"), "X", "it comes from `serde::X` by the `use` on line 1");
    refused(&lib("pub use other::*;"), "X", "it may come from `other::*`");
    refused(&lib("mod a;"), "a::f", "means `src/a.rs` or `src/a/mod.rs`, and no such file exists");
    refused(&lib("mod a { mod b; }"), "a", "`api::a::b` has no file");
    let generated = "mod a { include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); } struct S;";
    refused(&lib(generated), "a", "includes a file that only its build knows");
    refused(&lib(generated), "S", "includes a file that only its build knows");
    refused(&lib(generated), "a::f", "the file that `include!`");
    refused(&files(&[("src/lib.rs", "mod a;"), ("src/a.rs", "made")]), "a", "made by another step");
    lib("#[cfg(any())] mod a; fn f() {}").digest("f");
    lib("mod b { #[cfg(any())] mod a; }").digest("b");
    files(&[("src/lib.rs", "mod a { mod gen; }"), ("src/a/gen.rs", "own")]).digest("a");
}

#[test]
fn an_included_file_stands_where_it_is_included() {
    let tree = files(&[("src/lib.rs", "mod a { include!(\"x/part.rs\"); }"), ("src/x/part.rs", "pub fn f() { 1; }")]);
    let edited = tree.edited("src/x/part.rs", "1;", "2;");
    assert_ne!(tree.digest("a::f"), edited.digest("a::f"));
    assert_ne!(tree.digest("a"), edited.digest("a"));
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let tree = lib("pub mod model { pub struct Params; pub fn load() { fn inner() {} } }");
    let case = |item: &str, expected: (&str, &str), known: &[&str], near: &[&str]| match tree.problem(item) {
        Problem::NotFound { within, name, known: found, near: meant } => {
            assert_eq!((within.as_str(), name.as_str()), expected);
            assert_eq!(found, known);
            assert_eq!(meant, near, "{item}");
        }
        other => panic!("`{item}` must not be found: {other}"),
    };
    case("model::Parms", ("api::model", "Parms"), &["Params", "load"], &["api::model::Params"]);
    case("modl::Params", ("api", "modl"), &["model"], &["api::model::Params"]);
    case("Params", ("api", "Params"), &["model"], &["api::model::Params"]);
    case("model::inner", ("api::model", "inner"), &["Params", "load"], &[]);
    let with_macro = lib("thread_local! { static X: u8 = 1; }\nmake! { Y }\nfn params() {}");
    let Problem::Refused { reason, help } = with_macro.problem("parms") else { panic!("a macro may make it") };
    assert!(reason.contains("`thread_local!`"), "{reason}");
    assert!(help.contains("did you mean `api::params`?"), "{help}");
    refused(&with_macro, "Y", "`make!` on line 2");
}

#[test]
fn a_file_that_is_no_rust_is_told_with_its_line() {
    for text in ["fn a() {}\nfn f( {", "fn a() {}\nfn fn", "fn a() {}\n\"open"] {
        let Problem::Syntax { file, line, .. } = lib(text).problem("f") else { panic!("{text} is no Rust") };
        assert_eq!((file, line), (path("src/lib.rs"), 2), "{text}");
    }
}

#[test]
fn what_is_not_made_yet_is_waited_for_only_if_the_item_may_lie_there() {
    let tree = files(&[("src/lib.rs", "mod a; mod b { pub fn f() {} }"), ("src/a.rs", "later")]);
    assert_eq!(tree.problem("a::f"), Problem::NotYet(path("src/a.rs")));
    tree.digest("b::f");
    assert!(matches!(tree.problem("b::g"), Problem::NotFound { .. }));
}

/// The tokens of an item with many kinds of them.
const TOKENS: &str = "# [ derive ( Debug ) ] pub unsafe fn long < 'a , T : Into < Vec < u8 >> > ( one : & 'a T , two : u8 ) -> \
    Option < u8 > where T : Copy { let mut three = two << 1 ; three += - 1 ; if three >= 2 && one != 'x' { return None ; } \
    match three { 0 ..= 9 => call :: < T > ( | four | four || true ) , _ => mac ! { five => \"text\" >> 1.5e3 } } }";

/// What may stand between two tokens.
fn between() -> impl Strategy<Value = Vec<&'static str>> {
    let space = prop::sample::select(vec![" ", "\n", "\t\r\n", " // note\n", " /* a /* b */ */ ", "  "]);
    prop::collection::vec(space, TOKENS.split_whitespace().count())
}

/// Which of the tokens are names, but for the item's own.
fn names() -> Vec<usize> {
    let names = ["Debug", "T", "one", "two", "three", "four", "five", "call", "mac", "u8", "Copy", "Option", "Into"];
    (0..).zip(TOKENS.split_whitespace()).filter(|(_, token)| names.contains(token)).map(|(at, _)| at).collect()
}

proptest! {
    #[test]
    fn space_and_comments_anywhere_change_nothing(spaces in between()) {
        let text: String = TOKENS.split_whitespace().zip(spaces).flat_map(|(token, space)| [token, space]).collect();
        prop_assert_eq!(lib(TOKENS).digest("long"), lib(&text).digest("long"));
    }

    #[test]
    fn another_name_anywhere_is_a_change(at in prop::sample::select(names()), spaces in between()) {
        let mut tokens: Vec<String> = TOKENS.split_whitespace().map(str::to_owned).collect();
        tokens[at].push('x');
        let text: String = tokens.iter().map(String::as_str).zip(spaces).flat_map(|(token, space)| [token, space]).collect();
        prop_assert_ne!(lib(TOKENS).digest("long"), lib(&text).digest("long"));
    }
}
