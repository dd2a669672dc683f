//! Manifests from files, folders and stdin, bounded; [`lepton_api::manifest`] reads their text.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use lepton_api::manifest::{Source, parse};
use lepton_model::Name;

use crate::failure::{Exit, Failure};

/// Largest file, and largest sum of all files: what a server takes in one request.
const MAX_BYTES: u64 = 8 << 20;
/// Most manifests in one go: what a server takes in one request.
const MAX_MANIFESTS: usize = 1_000;

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
