//! Long files: past 500 lines look twice, past 800 it is two ideas.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

const LIMIT: usize = 800;

/// Source files and their lines, longest first.
pub fn longest(root: &Path, most: usize) -> Result<Vec<(usize, String)>> {
    let output = Command::new("git")
        .args(["ls-files", "*.rs", "*.ts", "*.tsx"])
        .current_dir(root)
        .output()
        .context("cannot run git ls-files")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let mut files = Vec::new();
    for file in String::from_utf8_lossy(&output.stdout).lines() {
        // A tracked file may have been deleted in the working tree.
        if let Ok(text) = std::fs::read_to_string(root.join(file)) {
            files.push((text.lines().count(), file.to_owned()));
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    files.truncate(most);
    Ok(files)
}

/// Files past the limit.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let files = longest(root, usize::MAX)?;
    let long = files.into_iter().filter(|(lines, _)| *lines > LIMIT);
    Ok(long.map(|(lines, file)| format!("{file} has {lines} lines; past {LIMIT} it is two ideas")).collect())
}
