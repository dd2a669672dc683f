//! Manifests from text: checked before anything is sent, and wrong ones named by file and line.
//!
//! YAML of any number of documents; JSON is YAML too. Parts of an object that Lepton fills in (`uid`, `status`, …) are left
//! out, so that what `lepton get -o yaml` printed can be applied again; its `revision` stays and guards against overwriting
//! somebody else's change.

mod located;

use lepton_model::{FieldError, FieldErrors, Manifest, Name, Scope};
use serde_json::Value;

use located::Tree;

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

/// Reads the documents of one text as values; empty ones are left out.
///
/// # Errors
/// The line and what is wrong there.
pub fn values(text: &str) -> Result<Vec<Value>, (u64, String)> {
    let documents = located::documents(text)?;
    Ok(documents.iter().map(Tree::to_value).filter(|value| !value.is_null()).collect())
}

/// Reads the documents of one text as manifests. Those without a project get `project`.
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
