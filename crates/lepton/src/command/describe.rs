//! `lepton describe`

use std::fmt::Write as _;

use clap::Args;
use lepton_api::TimelineQuery;
use lepton_model::AnyObject;
use serde_json::Value;

use super::explain::{history, plain};
use crate::args::{InProject, Show};
use crate::command::{Desk, now};
use crate::failure::Failure;
use crate::screen::{Screen, Tone, ago};
use crate::subject::{self, Thing};

/// Show everything known of an object: labels, what is wanted, what is, and what happened to it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton describe node/edge-1
  lepton describe service shop
  lepton describe incident/0198c3a1-7f2e-7000-8000-000000000000 -p shop")]
pub(crate) struct DescribeArgs {
    /// KIND/NAME …, or KIND NAME …
    #[arg(required = true, value_name = "KIND/NAME")]
    pub what: Vec<String>,
    #[command(flatten)]
    pub project: InProject,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: DescribeArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let project = desk.project(&args.project);
    for thing in Thing::list(&args.what)? {
        let key = thing.key(&project);
        let object = desk.client.object(&key).await?;
        if let Some(result) = desk.screen.document(args.show.output, &object) {
            result?;
            continue;
        }
        let query = TimelineQuery {
            kind: Some(key.kind),
            name: Some(key.name.clone()),
            project: Some(key.project.clone()),
            limit: Some(10),
            ..TimelineQuery::default()
        };
        let page = desk.client.timeline(&query).await?;
        let mut text = described(&object, &subject::shown(&key, &project), desk.screen);
        let _ = writeln!(text, "\n{}", desk.screen.tone(Some(Tone::Strong), "Last events"));
        if page.entries.is_empty() {
            text.push_str("  none\n");
        } else {
            text.push_str(&history(&page.entries, now(), desk.screen));
        }
        desk.screen.print(&text)?;
    }
    Ok(())
}

fn described(object: &AnyObject, name: &str, screen: &Screen) -> String {
    let mut text = String::new();
    let meta = &object.meta;
    let _ = writeln!(text, "{}", screen.tone(Some(Tone::Strong), name));
    let _ = writeln!(text, "  created     {} ({} ago)", meta.created_at, ago(meta.created_at, now()));
    let _ = writeln!(text, "  changed     {} ({} ago)", meta.updated_at, ago(meta.updated_at, now()));
    let _ = writeln!(text, "  generation  {}", meta.generation);
    let _ = writeln!(text, "  revision    {}", meta.revision);
    for (key, value) in &meta.labels {
        let _ = writeln!(text, "  label       {key}={value}");
    }
    for (heading, part) in [("Wanted", &object.spec), ("Observed", &object.status)] {
        if part.as_object().is_some_and(serde_json::Map::is_empty) || part.is_null() {
            continue;
        }
        let _ = writeln!(text, "\n{}", screen.tone(Some(Tone::Strong), heading));
        write_value(&mut text, part, 1);
    }
    text
}

/// Nested values as indented lines; what is empty is left out.
fn write_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
                match scalar(value) {
                    Some(line) => {
                        let _ = writeln!(text, "{indent}{key}: {line}");
                    }
                    None => {
                        let _ = writeln!(text, "{indent}{key}:");
                        write_value(text, value, depth + 1);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match scalar(item) {
                    Some(line) => {
                        let _ = writeln!(text, "{indent}- {line}");
                    }
                    None => {
                        let mut inner = String::new();
                        write_value(&mut inner, item, depth + 1);
                        let _ = write!(text, "{indent}- {}", inner.trim_start());
                    }
                }
            }
        }
        scalar => {
            let _ = writeln!(text, "{indent}{}", plain(&scalar.to_string()));
        }
    }
}

/// What fits on the line of its key.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(plain(text)),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            let words: Vec<_> = items.iter().filter_map(scalar).collect();
            let line = words.join(" ");
            (line.len() <= 100).then_some(line)
        }
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
