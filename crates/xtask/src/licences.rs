//! Licences of everything that is linked, against deny.toml.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::metadata::Metadata;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    name: String,
    reason: String,
}

/// Crates whose licence is not allowed, or that are banned.
pub fn check(metadata: &Metadata, deny: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(deny).with_context(|| format!("cannot read {}", deny.display()))?;
    let deny: Deny = toml::from_str(&text).context("deny.toml")?;
    let mut findings = Vec::new();
    for package in metadata.foreign() {
        match &package.license {
            None => findings.push(format!("{} names no licence", package.name)),
            Some(expression) if !allowed(expression, &deny.licenses.allow) => {
                findings
                    .push(format!("{} is under {expression}, which deny.toml does not allow", package.name));
            }
            Some(_) => {}
        }
        if let Some(ban) = deny.bans.deny.iter().find(|ban| ban.name == package.name) {
            findings.push(format!("{} is banned: {}", package.name, ban.reason));
        }
    }
    Ok(findings)
}

/// Whether an SPDX expression can be met by allowed licences: one side of an OR, every side of an AND.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    split(&expression, " AND ").iter().all(|part| {
        split(part, " OR ").iter().any(|choice| {
            let choice = choice.trim();
            match choice.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
                Some(inner) => allowed(inner, allow),
                None => allow.iter().any(|licence| licence == choice),
            }
        })
    })
}

/// Splits at `separator` outside parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && at >= start && text.get(at..).is_some_and(|rest| rest.starts_with(separator)) {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + separator.len();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        let allow = ["MIT", "Apache-2.0", "NCSA"].map(str::to_owned);
        let check =
            |expression: &str, expect: bool| assert_eq!(allowed(expression, &allow), expect, "{expression}");
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("MIT/Apache-2.0", true);
        check("MIT AND GPL-3.0", false);
        check("(MIT OR Apache-2.0) AND NCSA", true);
        check("(MIT OR Apache-2.0) AND BUSL-1.1", false);
    }
}
