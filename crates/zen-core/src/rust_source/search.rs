//! From a path to the items that it means: through modules and `use`, to a type's `impl`s. Knows no files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Problem;
use super::outline::{Item, Kind, Leaf};
use super::tree::{Part, Place, Tree};
use crate::digest::{Digest, FieldHasher};
use crate::path::RelPath;
use crate::suggest;

/// How many places are named where an item might be meant.
const NEAR: usize = 3;

pub(super) struct Search<'s> {
    tree: Tree<'s>,
    package: &'s str,
    /// Names that are being looked up: a `use` may lead back to itself.
    open: BTreeSet<(Vec<String>, RelPath, String)>,
}

/// What a name means.
#[derive(Clone)]
enum Target {
    Module(Arc<Place>),
    /// An item of a module, by the numbers of its part and in it.
    Item(Arc<Place>, usize, usize),
    Member(Digest),
}

/// A name that means nothing.
struct Miss {
    within: String,
    name: String,
    known: BTreeSet<String>,
    /// What may make it nevertheless.
    suspects: Vec<String>,
}

type Targets = Result<Vec<Target>, Miss>;

impl<'s> Search<'s> {
    pub(super) fn new(tree: Tree<'s>, package: &'s str) -> Self {
        Self { tree, package, open: BTreeSet::new() }
    }

    pub(super) fn into_files(self) -> BTreeMap<RelPath, Option<Digest>> {
        self.tree.files
    }

    /// The digest of all that `path` means in any of the crates.
    pub(super) fn find(&mut self, roots: &[RelPath], path: &[String]) -> Result<Digest, Problem> {
        let mut digests = BTreeSet::new();
        let mut misses: Vec<Miss> = Vec::new();
        for root in roots {
            let Some(place) = self.tree.root(root)? else { continue };
            match self.path(&place, path)? {
                Ok(targets) => {
                    for target in targets {
                        self.digests_of(&target, &mut digests)?;
                    }
                }
                Err(miss) => misses.push(miss),
            }
        }
        if digests.is_empty() {
            return Err(self.problem(roots, misses, path));
        }
        let mut hasher = FieldHasher::new("zen rust item 1");
        digests.iter().for_each(|digest| {
            hasher.field(&digest.0);
        });
        Ok(hasher.finish())
    }

    /// The miss that came furthest, as a problem.
    fn problem(&mut self, roots: &[RelPath], misses: Vec<Miss>, path: &[String]) -> Problem {
        let furthest = misses.iter().map(|miss| miss.within.matches("::").count()).max().unwrap_or(0);
        let mut misses = misses.into_iter().filter(|miss| miss.within.matches("::").count() == furthest);
        let Some(mut first) = misses.next() else {
            let (within, name) = (self.package.to_owned(), path.join("::"));
            return Problem::NotFound { within, name, known: Vec::new(), near: Vec::new() };
        };
        for other in misses {
            first.known.extend(other.known);
            first.suspects.extend(other.suspects);
        }
        let Miss { within, name, known, suspects } = first;
        // Only what is said depends on it: where the rest of the crate cannot be read, less is said.
        let mut near = self.elsewhere(roots, path).unwrap_or_default();
        if let Some(nearest) = suggest::nearest(&name, known.iter().map(String::as_str)) {
            let rest = path.iter().skip_while(|part| **part != name).skip(1);
            let whole =
                [within.as_str(), nearest].into_iter().chain(rest.map(String::as_str)).collect::<Vec<_>>().join("::");
            if !near.contains(&whole) {
                near.push(whole);
            }
        }
        match suspects.into_iter().next() {
            Some(suspect) => Problem::Refused {
                reason: format!("`{name}` is not written in `{within}` as such: {suspect}"),
                help: match &*near {
                    [] => format!("name what it comes from instead, or all of `{within}`"),
                    near => format!("did you mean {}? else name what it comes from", suggest::quoted(near)),
                },
            },
            None => Problem::NotFound { within, name, known: known.into_iter().collect(), near },
        }
    }

    /// The first modules that have an item of the wanted name, as whole paths.
    fn elsewhere(&mut self, roots: &[RelPath], path: &[String]) -> Result<Vec<String>, Problem> {
        let Some(name) = path.last() else { return Ok(Vec::new()) };
        let mut found = BTreeSet::new();
        for root in roots {
            let Some(root) = self.tree.root(root)? else { continue };
            let mut places = Vec::new();
            self.all(&root, &mut places)?;
            let has_it = |place: &&Arc<Place>| place.items().any(|(_, item)| item.names.contains(name));
            found.extend(places.iter().filter(has_it).map(|place| format!("{}::{name}", self.shown(place))));
        }
        Ok(found.into_iter().take(NEAR).collect())
    }

    fn path(&mut self, place: &Arc<Place>, path: &[String]) -> Result<Targets, Problem> {
        let mut targets = vec![Target::Module(Arc::clone(place))];
        for name in path {
            let mut next = Vec::new();
            let mut missed: Option<Miss> = None;
            for target in &targets {
                let found = match target {
                    Target::Module(place) => self.named(place, name)?,
                    Target::Item(place, part, item) => self.members(place, *part, *item, name)?,
                    Target::Member(_) => continue,
                };
                match found {
                    Ok(found) => next.extend(found),
                    Err(miss) => match &mut missed {
                        Some(all) => {
                            all.known.extend(miss.known);
                            all.suspects.extend(miss.suspects);
                        }
                        None => missed = Some(miss),
                    },
                }
            }
            if next.is_empty() {
                let within = || self.package.to_owned();
                return Ok(Err(missed.unwrap_or_else(|| Miss {
                    within: within(),
                    name: name.clone(),
                    known: BTreeSet::new(),
                    suspects: Vec::new(),
                })));
            }
            targets = next;
        }
        Ok(Ok(targets))
    }

    /// All that `name` means in a module.
    fn named(&mut self, place: &Arc<Place>, name: &str) -> Result<Targets, Problem> {
        let within = self.shown(place);
        let mut miss =
            Miss { within: within.clone(), name: name.to_owned(), known: BTreeSet::new(), suspects: Vec::new() };
        let file = place.parts.first().map_or_else(RelPath::root, |part| part.file.clone());
        let key = (place.way.clone(), file, name.to_owned());
        // A `use` that leads back here: `mod parse; pub use parse::parse;` means the module by its first name.
        let with_uses = self.open.insert(key.clone());
        let found = self.named_here(place, name, with_uses, &mut miss);
        if with_uses {
            self.open.remove(&key);
        }
        let found = found?;
        Ok(if found.is_empty() { Err(miss) } else { Ok(found) })
    }

    fn named_here(
        &mut self,
        place: &Arc<Place>,
        name: &str,
        with_uses: bool,
        miss: &mut Miss,
    ) -> Result<Vec<Target>, Problem> {
        let mut found = Vec::new();
        let mut globs: Vec<(&Part, &Item, &Leaf)> = Vec::new();
        for (part_at, part) in place.parts.iter().enumerate() {
            for (item_at, item) in part.outline.items.iter().enumerate() {
                let at = format!("line {} of `{}`", item.line, part.file);
                miss.known.extend(item.names.iter().cloned());
                match &item.kind {
                    Kind::Module(module) if item.names.iter().any(|known| known == name) => {
                        let opened = self.tree.open(place, part, item, module)?;
                        if opened.places.is_empty() {
                            let files: Vec<String> = opened.looked_for.iter().map(|file| format!("`{file}`")).collect();
                            miss.suspects.push(if opened.is_own {
                                format!("the step makes {} itself", files.join(" or "))
                            } else {
                                format!("its `mod` on {at} means {}, and no such file exists", files.join(" or "))
                            });
                        }
                        found.extend(opened.places.into_iter().map(Target::Module));
                    }
                    Kind::Use(_) if !with_uses => {}
                    Kind::Use(leaves) => {
                        for leaf in leaves {
                            match &leaf.name {
                                None => globs.push((part, item, leaf)),
                                Some(known) if known == name => match self.follow(place, leaf)? {
                                    Some(targets) => found.extend(targets),
                                    None => miss
                                        .suspects
                                        .push(format!("it comes from `{}` by the `use` on {at}", leaf.path.join("::"))),
                                },
                                Some(known) => {
                                    miss.known.insert(known.clone());
                                }
                            }
                        }
                    }
                    Kind::Call { name: call, mentions, include } => match include {
                        Some(Some(_)) => {}
                        Some(None) => {
                            miss.suspects.push(format!("it may lie in the file that `include!` on {at} names"));
                        }
                        None if call.is_empty() => {
                            miss.suspects.push(format!("it may be what stands on {at}, which is not understood"));
                        }
                        None => {
                            let suspect = format!("it may be made by the macro `{call}!` on {at}");
                            // One that has the name among its tokens is the likeliest.
                            let place = if mentions.contains(name) { 0 } else { miss.suspects.len() };
                            miss.suspects.insert(place, suspect);
                        }
                    },
                    _ if item.names.iter().any(|known| known == name) => {
                        found.push(Target::Item(Arc::clone(place), part_at, item_at));
                    }
                    _ => {}
                }
            }
        }
        if found.is_empty() {
            for (part, item, leaf) in globs {
                match self.follow(place, leaf)? {
                    Some(targets) => {
                        for target in targets {
                            let Target::Module(module) = target else { continue };
                            match self.named(&module, name)? {
                                Ok(targets) => found.extend(targets),
                                Err(there) => {
                                    miss.known.extend(there.known);
                                    miss.suspects.extend(there.suspects);
                                }
                            }
                        }
                    }
                    None => miss.suspects.push(format!(
                        "it may come from `{}::*` by the `use` on line {} of `{}`",
                        leaf.path.join("::"),
                        item.line,
                        part.file
                    )),
                }
            }
        }
        Ok(found)
    }

    /// What a `use` means within the crate; `None` if it leads out of it.
    fn follow(&mut self, place: &Arc<Place>, leaf: &Leaf) -> Result<Option<Vec<Target>>, Problem> {
        if leaf.is_global {
            return Ok(None);
        }
        let mut from = Arc::clone(place);
        let mut rest = &*leaf.path;
        loop {
            match rest.first().map(String::as_str) {
                Some("crate") => from = from.root(),
                Some("self") => {}
                Some("super") => match &from.above {
                    Some(above) => from = Arc::clone(above),
                    None => return Ok(None),
                },
                _ => break,
            }
            rest = &rest[1..];
        }
        Ok(self.path(&from, rest)?.ok())
    }

    /// What `name` means in a type's `impl`s, or in a trait.
    fn members(&mut self, place: &Arc<Place>, part: usize, item: usize, name: &str) -> Result<Targets, Problem> {
        let item = &place.parts[part].outline.items[item];
        let own = item.names.first().cloned().unwrap_or_default();
        let within = format!("{}::{own}", self.shown(place));
        let mut miss = Miss { within, name: name.to_owned(), known: BTreeSet::new(), suspects: Vec::new() };
        let mut found = Vec::new();
        let mut take = |miss: &mut Miss, block: &super::outline::Block, cfg: &[Digest]| {
            miss.known.extend(block.names().map(str::to_owned));
            if block.has_calls {
                miss.suspects.push("it may be made by a macro in one of its blocks".to_owned());
            }
            found.extend(block.members(name).map(|parts| Target::Member(joined(parts.iter().chain(cfg)))));
        };
        match &item.kind {
            Kind::Trait(block) => take(&mut miss, block, &place.cfg),
            Kind::Type | Kind::Alias(_) => {
                for related in self.related(place, &own)? {
                    match &related.item().kind {
                        Kind::Impl { block, .. } => {
                            let cfg: Vec<Digest> =
                                related.place.cfg.iter().chain(&related.item().cfg).copied().collect();
                            take(&mut miss, block, &cfg);
                        }
                        Kind::Call { name, .. } => miss.suspects.push(format!(
                            "it may be made by the macro `{name}!` on line {} of `{}`",
                            related.item().line,
                            related.part().file
                        )),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(if found.is_empty() { Err(miss) } else { Ok(found) })
    }

    fn digests_of(&mut self, target: &Target, digests: &mut BTreeSet<Digest>) -> Result<(), Problem> {
        match target {
            Target::Member(digest) => {
                digests.insert(*digest);
            }
            Target::Module(place) => {
                digests.insert(self.module(place)?);
            }
            Target::Item(place, part, at) => {
                let item = &place.parts[*part].outline.items[*at];
                digests.insert(joined([&item.tokens].into_iter().chain(&place.cfg)));
                if let (Kind::Type, Some(name)) = (&item.kind, item.names.first()) {
                    for related in self.related(place, name)? {
                        digests.insert(joined([&related.item().tokens].into_iter().chain(&related.place.cfg)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The digest of all that stands in a module and in those below it.
    fn module(&mut self, place: &Arc<Place>) -> Result<Digest, Problem> {
        let mut hasher = FieldHasher::new("zen rust module 1");
        let header = place.header.as_ref().map_or(&[][..], |digest| &digest.0);
        hasher.field(header).field(&joined(&place.cfg).0).number(place.parts.len() as u64);
        for part in &place.parts {
            hasher.field(&part.outline.inner.0).number(part.outline.items.len() as u64);
            for item in &part.outline.items {
                hasher.field(&item.tokens.0);
                match &item.kind {
                    Kind::Module(module) => {
                        let opened = self.tree.open(place, part, item, module)?;
                        let below: Result<BTreeSet<Digest>, Problem> =
                            opened.places.iter().map(|place| self.module(place)).collect();
                        let below = below?;
                        // Under a `cfg` that does not hold the compiler asks for no file.
                        if below.is_empty() && item.cfg.is_empty() && !opened.is_own {
                            return Err(self.no_file(place, part, item, &opened.looked_for));
                        }
                        hasher.field(&joined(&below).0);
                    }
                    Kind::Call { include: Some(None), .. } => {
                        return Err(self.unknown_include(place, part, item));
                    }
                    _ => {}
                }
            }
        }
        Ok(hasher.finish())
    }

    fn unknown_include(&self, place: &Place, part: &Part, item: &Item) -> Problem {
        Problem::Refused {
            reason: format!(
                "`{}` includes a file that only its build knows, by `include!` on line {} of `{}`",
                self.shown(place),
                item.line,
                part.file
            ),
            help: format!("name the package as a whole, `{}`, or single functions", self.package),
        }
    }

    fn no_file(&self, place: &Place, part: &Part, item: &Item, looked_for: &[RelPath]) -> Problem {
        let name = item.names.first().map_or("", String::as_str);
        let files: Vec<String> = looked_for.iter().map(|file| format!("`{file}`")).collect();
        Problem::Refused {
            reason: format!(
                "`{}::{name}` has no file: its `mod` on line {} of `{}` means {}",
                self.shown(place),
                item.line,
                part.file,
                files.join(" or ")
            ),
            help: "create the file, or name the items that are meant".to_owned(),
        }
    }

    /// What belongs to the type `name` of a module, elsewhere in the crate: its `impl`s, and calls of macros that name it
    /// together with those macros.
    fn related(&mut self, home: &Arc<Place>, name: &str) -> Result<Vec<Related>, Problem> {
        let mut places = Vec::new();
        self.all(&home.root(), &mut places)?;
        let mut names = BTreeSet::from([name.to_owned()]);
        // Other names that it goes by, until there are no more.
        loop {
            let before = names.len();
            for (_, item) in places.iter().flat_map(|place| place.items()) {
                match &item.kind {
                    Kind::Use(leaves) => names.extend(
                        leaves
                            .iter()
                            .filter(|leaf| leaf.path.last().is_some_and(|last| names.contains(last)))
                            .filter_map(|leaf| leaf.name.clone())
                            .collect::<Vec<_>>(),
                    ),
                    Kind::Alias(of) if !of.is_disjoint(&names) => names.extend(item.names.iter().cloned()),
                    _ => {}
                }
            }
            if names.len() == before {
                break;
            }
        }
        let is_about = |mentions: &BTreeSet<String>| !mentions.is_disjoint(&names);
        // Macros that name the type, or get its name.
        let mut macros = BTreeSet::new();
        for (_, item) in places.iter().flat_map(|place| place.items()) {
            match &item.kind {
                Kind::MacroRules(mentions) if is_about(mentions) => macros.extend(item.names.iter().cloned()),
                Kind::Call { name, mentions, .. } if is_about(mentions) => {
                    macros.insert(name.clone());
                }
                _ => {}
            }
        }
        let mut related = Vec::new();
        for place in &places {
            let is_anothers = place.way != home.way && defines(place, name);
            for (part, at) in place.parts.iter().enumerate() {
                for (number, item) in at.outline.items.iter().enumerate() {
                    let belongs = match &item.kind {
                        Kind::Impl { of, is_bare, .. } => {
                            is_about(of) && !(*is_bare && is_anothers && of.contains(name))
                        }
                        Kind::Call { include: Some(None), .. } => {
                            return Err(self.unknown_include(place, at, item));
                        }
                        Kind::Call { name: call, mentions, include: None } => {
                            macros.contains(call) || is_about(mentions)
                        }
                        Kind::Nameless(mentions) => is_about(mentions),
                        Kind::MacroRules(_) => item.names.iter().any(|name| macros.contains(name)),
                        _ => false,
                    };
                    if belongs {
                        related.push(Related { place: Arc::clone(place), at: (part, number) });
                    }
                }
            }
        }
        Ok(related)
    }

    /// A module and all below it.
    fn all(&mut self, place: &Arc<Place>, found: &mut Vec<Arc<Place>>) -> Result<(), Problem> {
        found.push(Arc::clone(place));
        for (part, item) in place.items() {
            if let Kind::Module(module) = &item.kind {
                for below in self.tree.open(place, part, item, module)?.places {
                    self.all(&below, found)?;
                }
            }
        }
        Ok(())
    }

    fn shown(&self, place: &Place) -> String {
        let names = [self.package].into_iter().chain(place.way.iter().map(String::as_str));
        names.collect::<Vec<_>>().join("::")
    }
}

/// An item that belongs to a type.
struct Related {
    place: Arc<Place>,
    at: (usize, usize),
}

impl Related {
    fn part(&self) -> &Part {
        &self.place.parts[self.at.0]
    }

    fn item(&self) -> &Item {
        &self.part().outline.items[self.at.1]
    }
}

/// Does the module define a type of that name itself, so that the bare name there is no other's?
fn defines(place: &Place, name: &str) -> bool {
    let mut items = place.items().map(|(_, item)| item);
    let is_used =
        |item: &Item| matches!(&item.kind, Kind::Use(leaves) if leaves.iter().any(|l| l.name.as_deref() == Some(name)));
    let is_defined = place.items().any(|(_, item)| {
        matches!(item.kind, Kind::Type | Kind::Alias(_)) && item.names.iter().any(|known| known == name)
    });
    is_defined && !items.any(is_used)
}

/// One digest of several.
fn joined<'d>(digests: impl IntoIterator<Item = &'d Digest>) -> Digest {
    let mut hasher = FieldHasher::new("zen rust parts 1");
    digests.into_iter().for_each(|digest| {
        hasher.field(&digest.0);
    });
    hasher.finish()
}
