//! The paths that a file names, and which file each leads to.
//!
//! A path leads to the file of the innermost module that it names; what that module re-exports is its own import.
//! Declaring a module imports nothing. What a macro says counts too, as far as it is written as a path.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Graph;
use super::sources::{Place, Sources};

/// Each file of the crate, and the files that it imports.
pub(crate) fn of(sources: &Sources) -> Graph {
    let mut graph = Graph::new();
    for (place, module) in &sources.modules {
        let imported = graph.entry(module.file.clone()).or_default();
        let mut paths = Paths::default();
        module.items.iter().for_each(|item| paths.visit_item(item));
        let scope = Scope { sources, place, names: paths.names() };
        for path in paths.used.iter().map(|used| &used.path).chain(&paths.named) {
            if let Some(file) = scope.resolve(path).and_then(|place| sources.modules.get(&place)) {
                imported.insert(file.file.clone());
            }
        }
        imported.remove(&module.file);
    }
    graph
}

/// A module, and what the names in it stand for.
struct Scope<'a> {
    sources: &'a Sources,
    place: &'a Place,
    /// The names that `use` brings in, with their paths.
    names: BTreeMap<String, Vec<String>>,
}

impl Scope<'_> {
    /// The innermost module that a path names; `None` if it leads out of the crate, or only to a name of this module.
    fn resolve(&self, path: &[String]) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Place::new(),
            "self" => self.place.clone(),
            "super" => self.above(self.place)?,
            name if self.sources.modules.contains_key(&self.child(self.place, name)) => {
                self.child(self.place, name)
            }
            name => match self.names.get(name) {
                // `use http::self` would lead here again.
                Some(used) if used.first() != Some(first) => self.resolve(used)?,
                _ => return None,
            },
        };
        for name in rest {
            let next = if name == "super" { self.above(&at)? } else { self.child(&at, name) };
            if !self.sources.modules.contains_key(&next) {
                break;
            }
            at = next;
        }
        Some(at)
    }

    fn above(&self, place: &Place) -> Option<Place> {
        place.split_last().map(|(_, above)| above.to_vec())
    }

    fn child(&self, place: &Place, name: &str) -> Place {
        [place.as_slice(), &[name.to_owned()]].concat()
    }
}

/// A path of a `use`, and the name that it brings in; `None` for `*`.
struct Used {
    path: Vec<String>,
    name: Option<String>,
}

/// All paths of a module.
#[derive(Default)]
struct Paths {
    used: Vec<Used>,
    named: Vec<Vec<String>>,
}

impl Paths {
    fn names(&self) -> BTreeMap<String, Vec<String>> {
        self.used.iter().filter_map(|used| Some((used.name.clone()?, used.path.clone()))).collect()
    }

    fn add_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let mut add = |name: &syn::Ident, called: &syn::Ident| {
            // `use super::lock::{self}` brings in the module itself.
            let (path, called) = match before.last() {
                Some(last) if name == "self" && called == "self" => (before.to_vec(), last.clone()),
                Some(_) if name == "self" => (before.to_vec(), called.to_string()),
                _ => (with(name), called.to_string()),
            };
            self.used.push(Used { path, name: Some(called) });
        };
        match tree {
            syn::UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => add(&name.ident, &name.ident),
            syn::UseTree::Rename(renamed) => add(&renamed.ident, &renamed.rename),
            syn::UseTree::Glob(_) => self.used.push(Used { path: before.to_vec(), name: None }),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
        }
    }

    /// `a::b::c` wherever it stands in a macro, which is not parsed any further.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.named.push(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                // `pub(in a::b)`
                TokenTree::Group(_) if path.last().is_some_and(|name| name == "pub") => {}
                TokenTree::Group(group) => {
                    let list = if colons == 2 { path.as_slice() } else { &[] };
                    // `use a::{b, c}` in a macro: each of the names with the path in front.
                    self.add_group(list, group.stream());
                    self.named.push(std::mem::take(&mut path));
                    colons = 0;
                }
                _ => {
                    self.named.push(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.named.push(path);
    }

    fn add_group(&mut self, before: &[String], tokens: TokenStream) {
        let from = self.named.len();
        self.add_tokens(tokens);
        if !before.is_empty() {
            for path in self.named.iter_mut().skip(from).filter(|path| !path.is_empty()) {
                *path = [before, path].concat();
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.add_tokens(call.tokens.clone());
    }

    // `pub(in crate::server)` and attributes import nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
