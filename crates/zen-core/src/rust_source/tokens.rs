//! Tokens without comments, and their digest: what formatting changes is not in it, and everything else is. Knows no
//! items.

use proc_macro2::{Delimiter, Group, Punct, Spacing, TokenStream, TokenTree};

use crate::digest::{Digest, FieldHasher};

/// Operators of more than one character, longest first. `<-` is none: `x<-1` compares with a negative number.
const OPERATORS: [&str; 23] = [
    "<<=", ">>=", "...", "..=", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "^=",
    "&=", "|=", "::", "->", "..",
];

/// Takes doc comments out, at any depth. `#[doc = "…"]` and `#[doc(hidden)]` that are written as such stay.
pub(super) fn without_docs(stream: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut rest = stream.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Punct(pound) if pound.as_char() == '#' => {
                let bang = rest.next_if(|next| is_punct(next, '!'));
                match rest.peek() {
                    Some(TokenTree::Group(group)) if is_doc_comment(&pound, group) => {
                        rest.next();
                    }
                    _ => {
                        kept.push(TokenTree::Punct(pound));
                        kept.extend(bang);
                    }
                }
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_docs(group.stream()));
                inner.set_span(group.span());
                kept.push(TokenTree::Group(inner));
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

/// The lexer gives all tokens of a doc comment the place of the whole comment; a written attribute has its own.
fn is_doc_comment(pound: &Punct, group: &Group) -> bool {
    let (a, b) = (pound.span(), group.span());
    group.delimiter() == Delimiter::Bracket && a.start() == b.start() && a.end() == b.end()
}

pub(super) fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// The digest of some tokens. No two different sequences meet, but for what only formatting tells apart.
pub(super) fn digest(tokens: &[TokenTree]) -> Digest {
    let mut hasher = FieldHasher::new("zen rust tokens 1");
    feed(&mut hasher, tokens, false);
    hasher.finish()
}

/// `exact`: within a macro's tokens or an attribute, where `>>` is not two closing brackets.
fn feed(hasher: &mut FieldHasher, tokens: &[TokenTree], exact: bool) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) => field(hasher, 'i', &ident.to_string()),
            TokenTree::Literal(literal) => field(hasher, 'l', &literal.to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                field(hasher, 'o', open);
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                feed(hasher, &inner, exact || belongs_to_macro(&tokens[..at]));
                field(hasher, 'c', close);
            }
            TokenTree::Punct(_) => {
                let run = run(&tokens[at..]);
                at += run.len();
                operators(&run, exact, &mut |operator| field(hasher, 'p', operator));
                continue;
            }
        }
        at += 1;
    }
}

fn field(hasher: &mut FieldHasher, kind: char, text: &str) {
    hasher.field(format!("{kind}{text}").as_bytes());
}

/// Does what follows these tokens belong to a macro (`name! …`, `macro_rules! name …`) or an attribute?
fn belongs_to_macro(before: &[TokenTree]) -> bool {
    match before {
        [.., last] if is_punct(last, '!') || is_punct(last, '#') => true,
        [.., bang, TokenTree::Ident(_)] => is_punct(bang, '!'),
        _ => false,
    }
}

/// The characters that stand together without space.
fn run(tokens: &[TokenTree]) -> String {
    let mut run = String::new();
    for token in tokens {
        let TokenTree::Punct(punct) = token else { break };
        run.push(punct.as_char());
        if punct.spacing() == Spacing::Alone {
            break;
        }
    }
    run
}

/// Cuts a run into operators as the compiler does, so that `x=-1` is `x = -1`.
fn operators(run: &str, exact: bool, take: &mut dyn FnMut(&str)) {
    let mut rest = run;
    while let Some(first) = rest.chars().next() {
        let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
        // `Vec<Vec<u8> >` is `Vec<Vec<u8>>`, and nowhere else does anything but an operator follow a `>` at once.
        let operator = operator.filter(|_| exact || first != '>');
        let length = operator.map_or(first.len_utf8(), |operator| operator.len());
        take(&rest[..length]);
        rest = &rest[length..];
    }
}
