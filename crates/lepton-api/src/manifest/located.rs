//! YAML values that remember the line they stand on.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A value of a document.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    line: u64,
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

/// Reads every document of a text.
///
/// # Errors
/// The line and what is wrong there.
pub(crate) fn documents(text: &str) -> Result<Vec<Tree>, (u64, String)> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_aliases: 0,
            max_anchors: 0,
        },
    };
    let documents: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            let text = error.without_snippet().to_string();
            if text.contains("Anchors") || text.contains("Aliases") {
                return (
                    line.max(1),
                    "anchors and aliases (& and *) are not read; write the value out".to_owned(),
                );
            }
            // The line is said already, in front, where editors look for it.
            let text = text.split(" at line ").next().unwrap_or_default();
            (line.max(1), text.to_owned())
        })?;
    Ok(documents.into_iter().map(Tree::from).collect())
}

impl From<Spanned<Node>> for Tree {
    fn from(spanned: Spanned<Node>) -> Self {
        Self { line: spanned.referenced.line(), node: spanned.value }
    }
}

impl Tree {
    pub fn to_value(&self) -> Value {
        self.node.to_value()
    }

    /// The line of a field such as `spec.checks[0].probe`; of the nearest thing around it when it is not there.
    pub fn line_of(&self, field: &str) -> u64 {
        let (mut line, mut node, mut rest) = (self.line, &self.node, field);
        loop {
            rest = rest.trim_start_matches('.');
            let next = match node {
                Node::Scalar(_) => None,
                // A key may itself hold dots (`labels.team.example/x`): the longest one that fits is meant.
                Node::Map(entries) => entries
                    .iter()
                    .filter_map(|(key, value)| {
                        rest.strip_prefix(key.as_str()).map(|rest| (key.len(), value, rest))
                    })
                    .filter(|(_, _, rest)| rest.is_empty() || rest.starts_with(['.', '[']))
                    .max_by_key(|(length, _, _)| *length)
                    .map(|(_, value, rest)| (value, rest)),
                Node::List(items) => rest.strip_prefix('[').and_then(|inner| inner.split_once(']')).and_then(
                    |(index, rest)| {
                        index.parse::<usize>().ok().and_then(|n| items.get(n)).map(|item| (item, rest))
                    },
                ),
            };
            let Some((value, after)) = next else { return line.max(1) };
            (line, node, rest) = (value.referenced.line(), &value.value, after);
        }
    }
}

impl Node {
    fn to_value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_value()).collect(),
            Self::Map(entries) => Value::Object(
                entries.iter().map(|(k, v)| (k.clone(), v.value.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list, text, a number, true, false or null")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("is not a finite number"))?;
        Ok(Node::Scalar(number.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.len() >= 10_000 {
                return Err(A::Error::custom("a mapping has more than 10000 keys"));
            }
            map.push((key, entries.next_value()?));
        }
        Ok(Node::Map(map))
    }
}
