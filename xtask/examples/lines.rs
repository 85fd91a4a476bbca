//! How long functions are: the ten longest and the 95th percentile, with limits. A program of its
//! own because it reads Rust by `syn`, which the other chores need not wait for. Tests are not
//! measured: a table of cases is as long as it has cases.
#![expect(clippy::print_stdout, reason = "chores talk to a person")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use syn::{
    Attribute, Ident, ImplItemFn, ItemFn, ItemMod, Signature, TraitItemFn, spanned::Spanned as _,
    visit::Visit,
};

/// No function is longer, in lines from its `fn` to its last brace.
const LONGEST: usize = 80;
/// 95 of 100 functions are no longer.
const P95: usize = 33;
/// How many of the longest are listed.
const LISTED: usize = 10;

/// A function, and where it is.
#[derive(Debug)]
struct Function {
    lines: usize,
    name: String,
    file: PathBuf,
    line: usize,
}

/// Collects the functions of one file, nested ones too.
struct Functions<'a> {
    file: &'a Path,
    found: &'a mut Vec<Function>,
}

impl Functions<'_> {
    fn note(&mut self, signature: &Signature, body: &syn::Block) {
        let (first, last) = (signature.span().start().line, body.span().end().line);
        let (name, file) = (signature.ident.to_string(), self.file.to_owned());
        self.found.push(Function { lines: last - first + 1, name, file, line: first });
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
        };
        if !module.attrs.iter().any(is_test) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.note(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.note(&function.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for one in fs::read_dir(root.join("crates"))? {
        collect(&one?.path().join("src"), &root, &mut found)?;
    }
    found.sort_by(|one, other| (other.lines, &one.file).cmp(&(one.lines, &other.file)));
    for Function { lines, name, file, line } in found.iter().take(LISTED) {
        println!("{lines:4}  {name}  {}:{line}", file.display());
    }
    let too_long = found.iter().filter(|one| one.lines > LONGEST).count();
    let p95 = percentile_95(&found);
    println!(
        "{} functions; p95 {p95} lines (at most {P95}); {too_long} longer than {LONGEST}",
        found.len()
    );
    Ok(match too_long == 0 && p95 <= P95 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn collect(folder: &Path, root: &Path, found: &mut Vec<Function>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, root, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root)?;
            let parsed = syn::parse_file(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            Functions { file, found }.visit_file(&parsed);
        }
    }
    Ok(())
}

/// Of functions in order, the longest first.
fn percentile_95(sorted: &[Function]) -> usize {
    sorted.get(sorted.len() / 20).map_or(0, |function| function.lines)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use syn::visit::Visit as _;

    use super::{Function, Functions, percentile_95};

    #[test]
    fn every_kind_of_function_is_measured_without_its_attributes() {
        let text = "/// Says.\n#[inline]\nfn one() {}\nimpl A {\n    fn two(\n        a: u8,\n    ) {\n        \
                    fn three() {\n        }\n    }\n}\ntrait B {\n    fn four() {\n    }\n    fn none();\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn five() {}\n}\n";
        let mut found = Vec::new();
        let mut functions = Functions { file: Path::new("a.rs"), found: &mut found };
        functions.visit_file(&syn::parse_file(text).unwrap());
        let measured: Vec<_> =
            found.iter().map(|one| (one.name.as_str(), one.line, one.lines)).collect();
        assert_eq!(measured, [("one", 3, 1), ("two", 5, 6), ("three", 8, 2), ("four", 13, 2)]);
    }

    #[test]
    fn one_in_twenty_may_be_longer() {
        let of = |lines| Function { lines, name: String::new(), file: "a.rs".into(), line: 1 };
        let functions: Vec<_> = (1..=100).rev().map(of).collect();
        assert_eq!(percentile_95(&functions), 95);
        assert_eq!(percentile_95(&[]), 0);
    }
}
