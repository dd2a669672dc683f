//! The one shape of every object, and the list of kinds.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FieldErrors, Labels, Name, Timestamp, Uid};

/// Gives a type that travels as a string its OpenAPI schema.
macro_rules! string_schema {
    ($type:ty, $description:literal, $example:literal $(, $option:ident = $text:literal)*) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .examples([serde_json::Value::from($example)])
                    $(.$option(Some($crate::object::$option($text))))*
                    .into()
            }
        }
        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
        }
    };
}
pub(crate) use string_schema;

pub(crate) fn pattern(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn format(text: &str) -> utoipa::openapi::SchemaFormat {
    utoipa::openapi::SchemaFormat::Custom(text.to_owned())
}

/// Whether objects of a kind belong to a project or to the whole estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Lives in a project; a token of another project does not see it.
    Project,
    /// Lives in the reserved project `estate`.
    Estate,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $one:literal, $many:literal, $scope:ident, applied: $applied:literal;)*) => {
        /// What an object is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// `service`
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $one),* } }
            /// `services`: the table and URL form.
            pub const fn plural(self) -> &'static str { match self { $(Self::$variant => $many),* } }
            /// Where its objects live.
            pub const fn scope(self) -> Scope { match self { $(Self::$variant => Scope::$scope),* } }
            /// Whether people write it; the others are written by Lepton itself.
            pub const fn is_applied(self) -> bool { match self { $(Self::$variant => $applied),* } }
        }
    };
}

kinds! {
    /// A machine of the estate with an agent on it.
    Node => "node", "nodes", Estate, applied: true;
    /// A program that should always run.
    Service => "service", "services", Project, applied: true;
    /// A program that should run to its end.
    Job => "job", "jobs", Project, applied: true;
    /// Commands that mend something, with check, act, verify and roll back.
    Runbook => "runbook", "runbooks", Project, applied: true;
    /// An address that is told of incidents.
    Webhook => "webhook", "webhooks", Project, applied: true;
    /// What Lepton may do by itself.
    Policy => "policy", "policies", Estate, applied: true;
    /// Everything one node should run.
    Assignment => "assignment", "assignments", Estate, applied: false;
    /// An immutable decision of the planner.
    Plan => "plan", "plans", Estate, applied: false;
    /// Something a person has to look at.
    Incident => "incident", "incidents", Project, applied: false;
    /// A credential, stored as a hash.
    Token => "token", "tokens", Estate, applied: false;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;
    /// Reads `service`, `services` or `Service`.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        Self::ALL.iter().copied().find(|k| lower == k.as_str() || lower == k.plural()).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|k| k.as_str()).collect();
            format!("{text:?} is not a kind; it is one of {}", known.join(", "))
        })
    }
}

/// The address of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its project; `estate` for kinds of estate scope.
    pub project: Name,
    /// Its name, unique among its kind in its project.
    pub name: Name,
}

impl Key {
    /// The reserved project of estate-scoped kinds.
    pub fn estate() -> Name {
        Name::new("estate").unwrap_or_else(|_| unreachable!("a constant name"))
    }

    /// The project of manifests that name none.
    pub fn default_project() -> Name {
        Name::new("default").unwrap_or_else(|_| unreachable!("a constant name"))
    }

    /// An address; the project is `estate` for estate-scoped kinds, whatever was given.
    pub fn new(kind: Kind, project: Name, name: Name) -> Self {
        let project = match kind.scope() {
            Scope::Project => project,
            Scope::Estate => Self::estate(),
        };
        Self { kind, project, name }
    }

    /// The address of an estate-scoped object.
    pub fn of_estate(kind: Kind, name: Name) -> Self {
        Self { kind, project: Self::estate(), name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.scope() {
            Scope::Estate => write!(f, "{}/{}", self.kind, self.name),
            Scope::Project => write!(f, "{}/{}/{}", self.kind, self.project, self.name),
        }
    }
}

/// What every object carries beside its spec and status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Meta {
    /// Its project; `estate` for kinds of estate scope.
    pub project: Name,
    /// Its name, unique among its kind in its project.
    pub name: Name,
    /// Identity over its whole life.
    pub uid: Uid,
    /// Labels to select it by.
    #[serde(default)]
    pub labels: Labels,
    /// Counts changes of the spec or the labels, from 1.
    pub generation: u64,
    /// Store revision of the last change of any part; the token for compare-and-set.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When any part last changed.
    pub updated_at: Timestamp,
}

/// An object of any kind, spec and status untyped: what the store keeps and the API carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AnyObject {
    /// What it is.
    pub kind: Kind,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub meta: Meta,
    /// Wanted state, as the kind's spec.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// Observed state, as the kind's status; null until something is observed.
    #[schema(value_type = Option<Object>)]
    pub status: Value,
}

impl AnyObject {
    /// Its address.
    pub fn key(&self) -> Key {
        Key { kind: self.kind, project: self.meta.project.clone(), name: self.meta.name.clone() }
    }

    /// Reads spec and status as the types of `S`. An empty status is the default one.
    ///
    /// # Errors
    /// The first field that does not read; also when the kind is another.
    pub fn decode<S: Spec>(&self) -> Result<Object<S>, FieldErrors> {
        let mut errors = FieldErrors::new();
        if self.kind != S::KIND {
            errors.push("kind", format!("is {}, wanted {}", self.kind, S::KIND));
            return Err(errors);
        }
        let spec = read("spec", &self.spec)?;
        let status = match &self.status {
            Value::Null => S::Status::default(),
            status => read("status", status)?,
        };
        Ok(Object { meta: self.meta.clone(), spec, status })
    }
}

/// An object with its spec and status typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<S: Spec> {
    /// Names, labels, versions.
    pub meta: Meta,
    /// Wanted state.
    pub spec: S,
    /// Observed state.
    pub status: S::Status,
}

impl<S: Spec> Object<S> {
    /// The same, spec and status untyped.
    ///
    /// # Errors
    /// When one of them has no JSON form.
    pub fn untyped(&self) -> serde_json::Result<AnyObject> {
        Ok(AnyObject {
            kind: S::KIND,
            meta: self.meta.clone(),
            spec: serde_json::to_value(&self.spec)?,
            status: serde_json::to_value(&self.status)?,
        })
    }

    /// Its address.
    pub fn key(&self) -> Key {
        Key { kind: S::KIND, project: self.meta.project.clone(), name: self.meta.name.clone() }
    }
}

/// The wanted state of one kind of object.
pub trait Spec: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;
    /// What is observed of it.
    type Status: Serialize + DeserializeOwned + Default + Clone + PartialEq + fmt::Debug;

    /// Adds what is wrong with it; fields are named from `spec.` on.
    fn validate(&self, errors: &mut FieldErrors);

    /// Reads and validates a spec.
    ///
    /// # Errors
    /// The field that does not read, or every rule that is broken.
    fn parse(spec: &Value) -> Result<Self, FieldErrors> {
        let spec: Self = read("spec", spec)?;
        let mut errors = FieldErrors::new();
        spec.validate(&mut errors);
        errors.into_result().map(|()| spec)
    }
}

/// Deserialises `value`, naming the path of what does not fit.
fn read<T: DeserializeOwned>(at: &str, value: &Value) -> Result<T, FieldErrors> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { at.to_owned() } else { format!("{at}.{path}") };
        let mut errors = FieldErrors::new();
        errors.push(field, error.into_inner());
        errors
    })
}

/// What a person writes: an object without the parts that Lepton fills in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub kind: Kind,
    /// Its project; `default` when absent. Not used for kinds of estate scope.
    #[serde(default = "Key::default_project")]
    pub project: Name,
    /// Its name.
    pub name: Name,
    /// Labels to select it by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The revision that this was read at: applying fails when somebody has written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Wanted state.
    #[schema(value_type = Object)]
    pub spec: Value,
}

impl Manifest {
    /// The address it will have.
    pub fn key(&self) -> Key {
        Key::new(self.kind, self.project.clone(), self.name.clone())
    }

    /// Everything wrong with it, checked as its kind.
    ///
    /// # Errors
    /// Every mistake, by field.
    pub fn validate(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        for (key, value) in &self.labels {
            errors.require(
                (1..=253).contains(&key.len()) && value.len() <= 253,
                format!("labels.{key}"),
                "keys are 1 to 253 bytes long and values at most 253",
            );
        }
        errors.require(self.labels.len() <= 64, "labels", "at most 64 labels");
        if self.kind.scope() == Scope::Project && self.project == Key::estate() {
            errors.push("project", "\"estate\" is reserved; choose another name");
        }
        let spec = match self.kind {
            Kind::Node => crate::NodeSpec::parse(&self.spec).map(drop),
            Kind::Service => crate::ServiceSpec::parse(&self.spec).map(drop),
            Kind::Job => crate::JobSpec::parse(&self.spec).map(drop),
            Kind::Runbook => crate::RunbookSpec::parse(&self.spec).map(drop),
            Kind::Webhook => crate::WebhookSpec::parse(&self.spec).map(drop),
            Kind::Policy => {
                let only = crate::PolicySpec::NAME;
                errors.require(
                    self.name == only,
                    "name",
                    format!("the estate has one policy; call it {only}"),
                );
                crate::PolicySpec::parse(&self.spec).map(drop)
            }
            kind => {
                let applied: Vec<_> =
                    Kind::ALL.iter().filter(|k| k.is_applied()).map(|k| k.as_str()).collect();
                errors.push(
                    "kind",
                    format!("{kind} is written by Lepton itself; apply one of {}", applied.join(", ")),
                );
                Ok(())
            }
        };
        if let Err(found) = spec {
            for error in found.into_vec() {
                errors.push(error.field, error.problem);
            }
        }
        errors.into_result()
    }
}
