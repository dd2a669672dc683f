//! How people name things: `service/shop`, `service shop`, `services`.

use std::str::FromStr;

use lepton_model::{Key, Kind, Name, Scope};

use crate::failure::Failure;

/// `KIND/NAME`, such as `service/shop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub kind: Kind,
    pub name: Name,
}

impl FromStr for Thing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').ok_or_else(|| {
            format!("{text:?} is not of the form KIND/NAME, such as service/shop or node/edge-1")
        })?;
        Ok(Self { kind: kind.parse()?, name: name.parse().map_err(|problem| not_a_name(name, &problem))? })
    }
}

impl Thing {
    /// Its address; project only matters for kinds that have one.
    pub fn key(&self, project: &Name) -> Key {
        Key::new(self.kind, project.clone(), self.name.clone())
    }

    /// Reads `service/shop …` or `service shop …`.
    pub fn list(words: &[String]) -> Result<Vec<Self>, Failure> {
        let Some((first, names)) = words.split_first() else {
            return Err(Failure::usage("name something, such as service/shop"));
        };
        if first.contains('/') || names.is_empty() {
            return words.iter().map(|word| word.parse().map_err(Failure::usage)).collect();
        }
        let kind: Kind = first.parse().map_err(Failure::usage)?;
        names.iter().map(|name| Ok(Self { kind, name: name_of(name)? })).collect()
    }
}

/// Reads a name that a person typed.
pub(crate) fn name_of(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|problem| Failure::usage(not_a_name(text, &problem)))
}

fn not_a_name(text: &str, problem: &lepton_model::NameError) -> String {
    format!("{text:?} is not a name: it {problem}")
}

/// `service/shop`, with the project where it is not the one at hand.
pub(crate) fn shown(key: &Key, project: &Name) -> String {
    if key.kind.scope() == Scope::Estate || key.project == *project {
        format!("{}/{}", key.kind, key.name)
    } else {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_named_as_people_do() {
        let check = |words: &[&str], expect: Result<&[&str], &str>| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let got = Thing::list(&words)
                .map(|list| list.iter().map(|t| format!("{}/{}", t.kind, t.name)).collect::<Vec<_>>())
                .map_err(|failure| failure.text());
            let expect = expect.map(|e| e.iter().map(|&t| t.to_owned()).collect()).map_err(str::to_owned);
            assert_eq!(got, expect);
        };
        check(&["service/shop"], Ok(&["service/shop"]));
        check(&["services", "shop", "web"], Ok(&["service/shop", "service/web"]));
        check(&["service/shop", "node/a"], Ok(&["service/shop", "node/a"]));
        check(&["shop"], Err("\"shop\" is not of the form KIND/NAME, such as service/shop or node/edge-1"));
        check(
            &["service", "Shop"],
            Err("\"Shop\" is not a name: it may hold a-z, 0-9, '-' and '.', not 'S'"),
        );
        check(
            &["pod/x"],
            Err(
                "\"pod\" is not a kind; it is one of node, service, job, runbook, webhook, policy, assignment, plan, incident, token",
            ),
        );
    }
}
