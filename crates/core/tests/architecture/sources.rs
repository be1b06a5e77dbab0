//! The files of a crate, and which module is in which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module's place in its crate: the names of the modules around it, its own last. The crate's root has none.
pub(crate) type Place = Vec<String>;

/// A module.
pub(crate) struct Module {
    /// The file that it is written in, from the root of the repository.
    pub(crate) file: PathBuf,
    /// What is in it; modules in it are modules of their own here.
    pub(crate) items: Vec<syn::Item>,
}

/// The modules of a crate.
pub(crate) struct Sources {
    pub(crate) modules: BTreeMap<Place, Module>,
}

impl Sources {
    /// Reads a crate from its head and all files that it declares. Files are named from `root` on.
    pub(crate) fn read(head: &Path, root: &Path) -> Self {
        let mut sources = Self { modules: BTreeMap::new() };
        sources.add_file(head, head.parent().unwrap(), Vec::new(), root);
        sources
    }

    /// `folder` is where the files of the modules in this one are.
    fn add_file(&mut self, file: &Path, folder: &Path, place: Place, root: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(file, folder, place, parsed.items, root);
    }

    fn add(&mut self, file: &Path, folder: &Path, place: Place, items: Vec<syn::Item>, root: &Path) {
        let (modules, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| matches!(item, syn::Item::Mod(_)));
        for module in modules {
            let syn::Item::Mod(module) = module else { continue };
            assert!(
                !module.attrs.iter().any(|attribute| attribute.path().is_ident("path")),
                "{}: a module with #[path] is not understood here",
                file.display()
            );
            let name = module.ident.to_string();
            let inside = [place.as_slice(), std::slice::from_ref(&name)].concat();
            let folder_inside = folder.join(&name);
            match module.content {
                Some((_, items)) => self.add(file, &folder_inside, inside, items, root),
                None => {
                    let beside = folder.join(format!("{name}.rs"));
                    let file = if beside.exists() { beside } else { folder_inside.join("mod.rs") };
                    self.add_file(&file, &folder_inside, inside, root);
                }
            }
        }
        let file = file.strip_prefix(root).unwrap().to_owned();
        self.modules.insert(place, Module { file, items });
    }
}
