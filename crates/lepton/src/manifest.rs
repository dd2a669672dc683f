//! Manifests from files: bounded, checked before anything is sent, and wrong ones named by file and line.
//!
//! YAML of any number of documents; JSON is YAML too. Parts of an object that Lepton fills in (`uid`, `status`, …) are left
//! out, so that what `lepton get -o yaml` printed can be applied again; its `revision` stays and guards against overwriting
//! somebody else's change.

mod located;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use lepton_model::{FieldError, FieldErrors, Manifest, Name, Scope};
use serde_json::Value;

use crate::failure::{Exit, Failure};
use located::Tree;

/// Largest file, and largest sum of all files: what a server takes in one request.
const MAX_BYTES: u64 = 8 << 20;
/// Most manifests in one go: what a server takes in one request.
const MAX_MANIFESTS: usize = 1_000;
/// What Lepton fills in, and people need not repeat.
const FILLED_IN: [&str; 5] = ["uid", "generation", "created_at", "updated_at", "status"];

/// A manifest and where it was written.
#[derive(Debug, Clone)]
pub struct Source {
    /// What was written.
    pub manifest: Manifest,
    file: String,
    document: usize,
    tree: Tree,
}

impl Source {
    /// `shop.yaml:12: service/default/shop: spec.replicas: …`: an error where a person can find it.
    pub fn place(&self, error: &FieldError) -> String {
        let line = self.tree.line_of(&error.field);
        format!("{}:{line}: document {} ({}): {error}", self.file, self.document, self.manifest.key())
    }
}

/// Reads every file, folder and `-` (stdin). Manifests without a project get `project`.
///
/// # Errors
/// Everything that is wrong, in all files.
pub fn read_all(paths: &[PathBuf], project: Option<&Name>) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    let mut left = MAX_BYTES;
    for path in paths {
        for (file, text) in texts(path, &mut left)? {
            match parse(&file, &text, project) {
                Ok(found) => sources.extend(found),
                Err(found) => problems.extend(found),
            }
        }
    }
    if !problems.is_empty() {
        return Err(Failure::all(Exit::Invalid, problems));
    }
    if sources.is_empty() {
        let named: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::invalid(format!("{}: no manifest in it", named.join(", ")))
            .hint("examples/shop.yaml shows what one looks like"));
    }
    if sources.len() > MAX_MANIFESTS {
        return Err(Failure::invalid(format!(
            "{} manifests in one go; at most {MAX_MANIFESTS} are taken",
            sources.len()
        )));
    }
    Ok(sources)
}

/// The files of one `-f`: itself, or those of a folder by name.
fn texts(path: &Path, left: &mut u64) -> Result<Vec<(String, String)>, Failure> {
    if path == Path::new("-") {
        return Ok(vec![("stdin".to_owned(), bounded(std::io::stdin().lock(), "stdin", left)?)]);
    }
    let failed = |path: &Path, error: &std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        Failure::new(exit, format!("cannot read {}: {error}", path.display()))
    };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| failed(path, &error))? {
            let file = entry.map_err(|error| failed(path, &error))?.path();
            let known = file.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            if known && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    files
        .into_iter()
        .map(|file| {
            let name = file.display().to_string();
            let reader = std::fs::File::open(&file).map_err(|error| failed(&file, &error))?;
            Ok((name.clone(), bounded(reader, &name, left)?))
        })
        .collect()
}

fn bounded(reader: impl std::io::Read, name: &str, left: &mut u64) -> Result<String, Failure> {
    let mut text = String::new();
    let size = reader
        .take(*left + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::invalid(format!("cannot read {name}: {error}")))?;
    *left = left.checked_sub(size as u64).ok_or_else(|| {
        Failure::invalid(format!(
            "{name}: more than {} MiB of manifests; apply them in parts",
            MAX_BYTES >> 20
        ))
    })?;
    Ok(text)
}

/// Reads the documents of one text.
///
/// # Errors
/// Everything that is wrong with it, each with file, line and field.
pub fn parse(file: &str, text: &str, project: Option<&Name>) -> Result<Vec<Source>, Vec<String>> {
    let trees =
        located::documents(text).map_err(|(line, problem)| vec![format!("{file}:{line}: {problem}")])?;
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for (at, tree) in trees.into_iter().enumerate() {
        let document = at + 1;
        match manifest(&tree, project) {
            Ok(manifest) => {
                let source = Source { manifest, file: file.to_owned(), document, tree };
                match source.manifest.validate() {
                    Ok(()) => sources.push(source),
                    Err(errors) => problems.extend(errors.iter().map(|error| source.place(error))),
                }
            }
            Err(errors) => problems.extend(errors.iter().map(|error| {
                format!("{file}:{}: document {document}: {}", tree.line_of(&error.field), without_dot(error))
            })),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

fn without_dot(error: &FieldError) -> String {
    if error.field == "." { error.problem.clone() } else { error.to_string() }
}

fn manifest(tree: &Tree, project: Option<&Name>) -> Result<Manifest, FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut value = tree.to_value();
    let Value::Object(fields) = &mut value else {
        errors.push(".", "is not a manifest; one has the fields kind, name and spec");
        return Err(errors);
    };
    if fields.contains_key("apiVersion") && fields.contains_key("metadata") {
        errors.push(
            "apiVersion",
            "this is a Kubernetes manifest; Lepton's have the fields kind, name and spec",
        );
        return Err(errors);
    }
    for field in FILLED_IN {
        fields.remove(field);
    }
    let own_project = fields.contains_key("project");
    let mut manifest: Manifest = serde_path_to_error::deserialize(value).map_err(|error| {
        errors.push(error.path().to_string(), error.inner());
        errors.clone()
    })?;
    if let (Some(project), Scope::Project) = (project, manifest.kind.scope()) {
        if !own_project {
            manifest.project = project.clone();
        } else if manifest.project != *project {
            errors.push("project", format!("is {}, but --project says {project}", manifest.project));
            return Err(errors);
        }
    }
    Ok(manifest)
}
