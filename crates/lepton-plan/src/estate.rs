//! A snapshot as a file: objects as the API shows them, so that a person can read and change it.

use std::collections::BTreeMap;

use lepton_model::{AnyObject, Currency, FieldErrors, Kind, Name, Object, ReplicaReport, Spec};
use serde::{Deserialize, Serialize};

use crate::{NodePrice, Snapshot};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Estate {
    /// Store revision it was taken at.
    pub revision: u64,
    /// Currency of the prices.
    pub currency: Option<Currency>,
    /// Prices of nodes by name.
    pub prices: BTreeMap<Name, NodePrice>,
    /// Nodes, services, jobs, runbooks and assignments.
    pub objects: Vec<AnyObject>,
    /// What agents last reported of replicas.
    pub reports: Vec<ReplicaReport>,
}

impl TryFrom<&Snapshot> for Estate {
    type Error = serde_json::Error;
    fn try_from(snapshot: &Snapshot) -> Result<Self, serde_json::Error> {
        fn all<S: Spec>(objects: &[Object<S>]) -> impl Iterator<Item = serde_json::Result<AnyObject>> {
            objects.iter().map(Object::untyped)
        }
        let objects = all(&snapshot.nodes)
            .chain(all(&snapshot.services))
            .chain(all(&snapshot.jobs))
            .chain(all(&snapshot.runbooks))
            .chain(all(&snapshot.assignments));
        Ok(Self {
            revision: snapshot.revision,
            currency: snapshot.currency,
            prices: snapshot.prices.clone(),
            objects: objects.collect::<Result<_, _>>()?,
            reports: snapshot.reports.clone(),
        })
    }
}

impl TryFrom<Estate> for Snapshot {
    type Error = FieldErrors;
    /// Every object that does not read is named by its place in `objects`.
    fn try_from(estate: Estate) -> Result<Self, FieldErrors> {
        let mut snapshot = Self {
            revision: estate.revision,
            currency: estate.currency,
            prices: estate.prices,
            reports: estate.reports,
            ..Self::default()
        };
        let mut errors = FieldErrors::new();
        for (at, object) in estate.objects.iter().enumerate() {
            if let Err(found) = snapshot.put(object) {
                for error in found.into_vec() {
                    errors.push(format!("objects[{at}].{}", error.field), error.problem);
                }
            }
        }
        errors.into_result().map(|()| snapshot)
    }
}

impl Snapshot {
    /// Sets an object as if it had been applied, keeping what is known of the one it replaces. Kinds that placement does not
    /// look at are passed over.
    ///
    /// # Errors
    /// The field that does not read.
    pub fn imagine(&mut self, object: &AnyObject) -> Result<(), FieldErrors> {
        let mut object = object.clone();
        let before = match object.kind {
            Kind::Node => known(&self.nodes, &object),
            Kind::Service => known(&self.services, &object),
            Kind::Job => known(&self.jobs, &object),
            _ => None,
        };
        if let Some(before) = before {
            object.meta.generation = before.meta.generation + 1;
            object.meta.revision = object.meta.revision.max(before.meta.revision);
            object.status = before.status;
        }
        self.put(&object)
    }

    fn put(&mut self, object: &AnyObject) -> Result<(), FieldErrors> {
        match object.kind {
            Kind::Node => shelve(&mut self.nodes, object),
            Kind::Service => shelve(&mut self.services, object),
            Kind::Job => shelve(&mut self.jobs, object),
            Kind::Runbook => shelve(&mut self.runbooks, object),
            Kind::Assignment => shelve(&mut self.assignments, object),
            Kind::Webhook | Kind::Policy | Kind::Plan | Kind::Incident | Kind::Token => Ok(()),
        }
    }
}

fn is<S: Spec>(have: &Object<S>, object: &AnyObject) -> bool {
    have.meta.project == object.meta.project && have.meta.name == object.meta.name
}

fn known<S: Spec>(shelf: &[Object<S>], object: &AnyObject) -> Option<AnyObject> {
    shelf.iter().find(|have| is(have, object))?.untyped().ok()
}

fn shelve<S: Spec>(shelf: &mut Vec<Object<S>>, object: &AnyObject) -> Result<(), FieldErrors> {
    let decoded = object.decode::<S>()?;
    match shelf.iter_mut().find(|have| is(have, object)) {
        Some(have) => *have = decoded,
        None => shelf.push(decoded),
    }
    Ok(())
}
