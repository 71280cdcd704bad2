//! One Rust file: its items, what they are called, the digest of each one's tokens. Knows no other file.

use std::collections::BTreeSet;
use std::sync::Arc;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use syn::buffer::Cursor;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Item as Parsed, Type, UseTree};

use super::tokens::{digest, is_punct, without_docs};
use crate::digest::Digest;

/// The content of a file or of an inline module.
#[derive(Debug)]
pub(super) struct Outline {
    /// Of its inner attributes.
    pub(super) inner: Digest,
    /// Of those among them that are a `cfg`.
    pub(super) cfg: Vec<Digest>,
    /// As they stand.
    pub(super) items: Vec<Item>,
}

/// An item.
#[derive(Debug)]
pub(super) struct Item {
    /// What it is called; blocks of foreign items have several names.
    pub(super) names: Vec<String>,
    /// 1-based.
    pub(super) line: usize,
    /// Of all its tokens; of a module: those before its content.
    pub(super) tokens: Digest,
    /// Its `cfg` attributes.
    pub(super) cfg: Vec<Digest>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// `fn`, `const`, `static`, a block of foreign items …
    Plain,
    /// `const _`, which may hold `impl`s, with all identifiers in it.
    Nameless(BTreeSet<String>),
    /// `macro_rules!`, with all identifiers in it.
    MacroRules(BTreeSet<String>),
    /// `struct`, `enum`, `union`
    Type,
    /// `type`: the names that the aliased type may go by.
    Alias(BTreeSet<String>),
    Trait(Block),
    Impl {
        /// The last names of its self type.
        of: BTreeSet<String>,
        /// Is that type one name alone?
        is_bare: bool,
        block: Block,
    },
    Module(Module),
    Use(Vec<Leaf>),
    /// An item that a macro makes.
    Call {
        /// `foo` of `foo!`; empty for what is not understood.
        name: String,
        /// All identifiers in it.
        mentions: BTreeSet<String>,
        /// `include!`: the path, if it is a literal.
        include: Option<Option<String>>,
    },
}

/// What stands in the braces of an `impl` or a `trait`.
#[derive(Debug)]
pub(super) struct Block {
    /// Of the tokens before the braces.
    header: Digest,
    members: Vec<(String, Digest)>,
    /// May a macro make some of it?
    pub(super) has_calls: bool,
}

impl Block {
    /// The digests of the members of that name, each with what stands before the braces.
    pub(super) fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = [Digest; 2]> + 'a {
        self.members.iter().filter(move |(known, _)| known == name).map(|(_, digest)| [self.header, *digest])
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }
}

/// `mod name;` or `mod name { … }`
#[derive(Debug)]
pub(super) struct Module {
    /// Its content, if it stands here.
    pub(super) inline: Option<Arc<Outline>>,
    /// Where `#[path]` says that it lies; with `cfg_attr` it may as well lie where its name says.
    pub(super) paths: Vec<String>,
    /// Is one of the paths there whatever the configuration?
    pub(super) is_elsewhere: bool,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Does it start with `::`?
    pub(super) is_global: bool,
    /// As written, without a final `self`.
    pub(super) path: Vec<String>,
    /// Its name here; `None`: `*`.
    pub(super) name: Option<String>,
}

/// A file that is no Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// 1-based.
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads a file.
pub(super) fn outline(text: &str) -> Result<Outline, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A shebang is a comment; the line stays, so that lines keep their numbers.
    let is_shebang = text.starts_with("#!") && !text[2..].trim_start().starts_with('[');
    let text = if is_shebang { &text[text.find('\n').unwrap_or(text.len())..] } else { text };
    let error = |span: Span, message: String| SyntaxError { line: line(span), message };
    let stream: TokenStream = text.parse().map_err(|e: proc_macro2::LexError| error(e.span(), e.to_string()))?;
    content(without_docs(stream)).map_err(|e| error(e.span(), e.to_string()))
}

fn line(span: Span) -> usize {
    span.start().line
}

fn content(stream: TokenStream) -> syn::Result<Outline> {
    let (attributes, inner, parsed) = slices(stream, |input| input.parse::<Parsed>())?;
    let items = parsed.into_iter().map(|(parsed, tokens)| item(parsed, &tokens)).collect::<syn::Result<_>>()?;
    Ok(Outline { inner: digest(&inner), cfg: cfg(&attributes), items })
}

type Slices<T> = (Vec<Attribute>, Vec<TokenTree>, Vec<(T, Vec<TokenTree>)>);

/// Cuts a stream into inner attributes and what `parse` reads, each with exactly the tokens that it was read from.
fn slices<T>(stream: TokenStream, parse: fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<Slices<T>> {
    let all = |input: ParseStream<'_>| {
        let start = input.cursor();
        let attributes = Attribute::parse_inner(input)?;
        let inner = between(start, input.cursor());
        let mut found = Vec::new();
        while !input.is_empty() {
            let start = input.cursor();
            let parsed = parse(input)?;
            found.push((parsed, between(start, input.cursor())));
        }
        Ok((attributes, inner, found))
    };
    all.parse2(stream)
}

fn between(mut from: Cursor<'_>, to: Cursor<'_>) -> Vec<TokenTree> {
    let mut tokens = Vec::new();
    while from != to {
        let Some((token, next)) = from.token_tree() else { break };
        tokens.push(token);
        from = next;
    }
    tokens
}

fn item(parsed: Parsed, tokens: &[TokenTree]) -> syn::Result<Item> {
    let named = |ident: &Ident| vec![name(ident)];
    let (names, attributes, kind) = match &parsed {
        Parsed::Const(item) if item.ident == "_" => (Vec::new(), &*item.attrs, Kind::Nameless(mentions(tokens))),
        Parsed::Const(item) => (named(&item.ident), &*item.attrs, Kind::Plain),
        Parsed::Static(item) => (named(&item.ident), &*item.attrs, Kind::Plain),
        Parsed::Fn(item) => (named(&item.sig.ident), &*item.attrs, Kind::Plain),
        Parsed::TraitAlias(item) => (named(&item.ident), &*item.attrs, Kind::Plain),
        Parsed::Struct(item) => (named(&item.ident), &*item.attrs, Kind::Type),
        Parsed::Enum(item) => (named(&item.ident), &*item.attrs, Kind::Type),
        Parsed::Union(item) => (named(&item.ident), &*item.attrs, Kind::Type),
        Parsed::Type(item) => (named(&item.ident), &*item.attrs, Kind::Alias(last_names(&item.ty))),
        Parsed::Trait(item) => (named(&item.ident), &*item.attrs, Kind::Trait(block(tokens, Of::Trait)?)),
        Parsed::Impl(item) => {
            let is_bare =
                matches!(&*item.self_ty, Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1);
            let of = last_names(&item.self_ty);
            (Vec::new(), &*item.attrs, Kind::Impl { of, is_bare, block: block(tokens, Of::Impl)? })
        }
        Parsed::ForeignMod(item) => (foreign(tokens), &*item.attrs, Kind::Plain),
        Parsed::ExternCrate(item) => (Vec::new(), &*item.attrs, Kind::Plain),
        Parsed::Use(item) => {
            let mut leaves = Vec::new();
            flatten(&item.tree, &mut Vec::new(), item.leading_colon.is_some(), &mut leaves);
            (Vec::new(), &*item.attrs, Kind::Use(leaves))
        }
        Parsed::Mod(item) => {
            let (paths, is_elsewhere) = paths(&item.attrs);
            let inline = match (&item.content, tokens.last()) {
                (Some(_), Some(TokenTree::Group(group))) => Some(Arc::new(content(group.stream())?)),
                _ => None,
            };
            let module = Module { inline, paths, is_elsewhere };
            let header = &tokens[..tokens.len() - 1];
            return Ok(made(named(&item.ident), &item.attrs, digest(header), tokens, Kind::Module(module)));
        }
        Parsed::Macro(item) => {
            let path: Vec<String> = item.mac.path.segments.iter().map(|segment| name(&segment.ident)).collect();
            let last = path.last().cloned().unwrap_or_default();
            match &item.ident {
                Some(ident) => (named(ident), &*item.attrs, Kind::MacroRules(mentions(tokens))),
                None => {
                    let include = (last == "include").then(|| {
                        let literal: Option<syn::LitStr> = syn::parse2(item.mac.tokens.clone()).ok();
                        literal.map(|literal| literal.value())
                    });
                    let call = Kind::Call { name: last, mentions: mentions(tokens), include };
                    (Vec::new(), &*item.attrs, call)
                }
            }
        }
        _ => (Vec::new(), &[][..], Kind::Call { name: String::new(), mentions: mentions(tokens), include: None }),
    };
    Ok(made(names, attributes, digest(tokens), tokens, kind))
}

fn made(names: Vec<String>, attributes: &[Attribute], digest: Digest, tokens: &[TokenTree], kind: Kind) -> Item {
    let line = tokens.first().map_or(1, |first| line(first.span()));
    Item { names, line, tokens: digest, cfg: cfg(attributes), kind }
}

/// Without `r#`: file names and paths in tables lack it.
fn name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

fn cfg(attributes: &[Attribute]) -> Vec<Digest> {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let tokens = conditions.filter_map(|attribute| match &attribute.meta {
        syn::Meta::List(list) => Some(list.tokens.clone().into_iter().collect::<Vec<_>>()),
        _ => None,
    });
    tokens.map(|tokens| digest(&tokens)).collect()
}

/// The values of `#[path = "…"]`, on its own or in a `cfg_attr`; and whether one stands on its own.
fn paths(attributes: &[Attribute]) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    let mut is_elsewhere = false;
    for attribute in attributes {
        match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => {
                if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value {
                    found.push(text.value());
                    is_elsewhere = true;
                }
            }
            syn::Meta::List(list) if list.path.is_ident("cfg_attr") => paths_within(list.tokens.clone(), &mut found),
            _ => {}
        }
    }
    (found, is_elsewhere)
}

/// Every `path = "…"`, at any depth.
fn paths_within(stream: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => paths_within(group.stream(), found),
            TokenTree::Ident(ident)
                if ident == "path" && tokens.get(at + 1).is_some_and(|next| is_punct(next, '=')) =>
            {
                let value = tokens.get(at + 2).cloned().into_iter().collect();
                found.extend(syn::parse2::<syn::LitStr>(value).ok().map(|literal| literal.value()));
            }
            _ => {}
        }
    }
}

/// The last name of a type, behind references and the like; all names of one that a macro makes.
fn last_names(ty: &Type) -> BTreeSet<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| name(&segment.ident)).into_iter().collect(),
        Type::Reference(reference) => last_names(&reference.elem),
        Type::Ptr(pointer) => last_names(&pointer.elem),
        Type::Paren(inner) => last_names(&inner.elem),
        Type::Group(inner) => last_names(&inner.elem),
        Type::Slice(slice) => last_names(&slice.elem),
        Type::Array(array) => last_names(&array.elem),
        Type::Macro(call) => mentions(&call.mac.tokens.clone().into_iter().collect::<Vec<_>>()),
        _ => BTreeSet::new(),
    }
}

fn mentions(tokens: &[TokenTree]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                found.insert(name(ident));
            }
            TokenTree::Group(group) => found.extend(mentions(&group.stream().into_iter().collect::<Vec<_>>())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

#[derive(Clone, Copy)]
enum Of {
    Impl,
    Trait,
}

/// What follows these words in a block is a member's name.
const MEMBERS: [&str; 4] = ["fn", "const", "type", "static"];

/// Takes the braces of an `impl` or a `trait` apart.
fn block(tokens: &[TokenTree], of: Of) -> syn::Result<Block> {
    let Some((TokenTree::Group(braces), header)) = tokens.split_last() else {
        return Ok(Block { header: digest(tokens), members: Vec::new(), has_calls: true });
    };
    let members = match of {
        Of::Impl => members(braces, |input| input.parse::<syn::ImplItem>().map(drop))?,
        Of::Trait => members(braces, |input| input.parse::<syn::TraitItem>().map(drop))?,
    };
    let has_calls = members.iter().any(|(name, _)| name.is_none());
    let named = members.into_iter().filter_map(|(name, tokens)| Some((name?, digest(&tokens))));
    Ok(Block { header: digest(header), members: named.collect(), has_calls })
}

type Member = (Option<String>, Vec<TokenTree>);

fn members(braces: &Group, parse: fn(ParseStream<'_>) -> syn::Result<()>) -> syn::Result<Vec<Member>> {
    let (_, _, found) = slices(braces.stream(), parse)?;
    Ok(found.into_iter().map(|((), tokens)| (member_name(&tokens), tokens)).collect())
}

/// The name that the tokens of a member declare; `None` if a macro makes it.
fn member_name(tokens: &[TokenTree]) -> Option<String> {
    tokens.windows(2).find_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(ident)] if MEMBERS.iter().any(|member| word == member) => {
            // `const unsafe fn f` declares `f`.
            let is_keyword = ["async", "const", "extern", "fn", "unsafe"].iter().any(|keyword| ident == keyword);
            (!is_keyword).then(|| name(ident))
        }
        _ => None,
    })
}

/// The names in an `extern` block.
fn foreign(tokens: &[TokenTree]) -> Vec<String> {
    let Some(TokenTree::Group(braces)) = tokens.last() else { return Vec::new() };
    let inner: Vec<TokenTree> = braces.stream().into_iter().collect();
    let pairs = inner.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(ident)] if MEMBERS.iter().any(|member| word == member) => {
            Some(name(ident)).filter(|name| name != "mut")
        }
        _ => None,
    });
    let mutable = inner.windows(3).filter_map(|three| match three {
        [TokenTree::Ident(word), TokenTree::Ident(mutable), TokenTree::Ident(ident)]
            if word == "static" && mutable == "mut" =>
        {
            Some(name(ident))
        }
        _ => None,
    });
    pairs.chain(mutable).collect()
}

fn flatten(tree: &UseTree, way: &mut Vec<String>, is_global: bool, leaves: &mut Vec<Leaf>) {
    let leaf = |way: &[String], last: &Ident, called: &Ident| {
        let mut path = way.to_vec();
        let (last, mut called) = (name(last), name(called));
        if last != "self" {
            path.push(last);
        } else if called == "self" {
            called = path.last().cloned().unwrap_or_default();
        }
        Leaf { is_global, path, name: Some(called) }
    };
    match tree {
        UseTree::Path(path) => {
            way.push(name(&path.ident));
            flatten(&path.tree, way, is_global, leaves);
            way.pop();
        }
        UseTree::Name(last) => leaves.push(leaf(way, &last.ident, &last.ident)),
        UseTree::Rename(rename) => leaves.push(leaf(way, &rename.ident, &rename.rename)),
        UseTree::Glob(_) => leaves.push(Leaf { is_global, path: way.clone(), name: None }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, way, is_global, leaves)),
    }
}
