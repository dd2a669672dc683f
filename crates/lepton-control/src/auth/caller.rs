//! The caller of a request, and the rules of who may do what. Every handler asks here.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{Method, header, request::Parts};
use lepton_model::{Actor, AnyObject, Kind, Name, Role, Scope};
use serde_json::Value;

use super::Credential;
use crate::app::App;
use crate::clock;
use crate::http::Fail;

/// Who is asking: proof that a request carried an accepted token. Taking it as the first argument makes a handler
/// answer 401 without one, and 429 when the token changes things too often.
pub(crate) struct Caller(Arc<Credential>);

impl Deref for Caller {
    type Target = Credential;
    fn deref(&self) -> &Credential {
        &self.0
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fail> {
        let Some(header) = parts.headers.get(header::AUTHORIZATION) else {
            return Err(Fail::unauthorised("a token is needed: Authorization: Bearer lpt_…"));
        };
        let secret = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, secret)| secret.trim());
        let Some(secret) = secret else {
            return Err(Fail::unauthorised("the Authorization header is not of the form: Bearer lpt_…"));
        };
        let credential = app.credentials.find(secret, clock::now()).map_err(Fail::unauthorised)?;
        let person = !matches!(credential.role, Role::Agent | Role::Join);
        let path = parts.uri.path();
        let measures = path.starts_with("/v1/telemetry/") || path == "/api/v1/write" || path == "/usage";
        if person && !measures && parts.method != Method::GET && parts.method != Method::HEAD {
            let rate = app.config.limits.changes_per_second;
            credential.take_change(rate).map_err(|wait| {
                Fail::too_many(wait, format!("more than {rate} changes per second with this token"))
            })?;
        }
        Ok(Self(credential))
    }
}

impl Caller {
    /// For the timeline.
    pub fn actor(&self) -> Actor {
        match (self.role, &self.node) {
            (Role::Agent, Some(node)) => Actor::agent(node),
            _ => Actor::token(self.name.as_str()),
        }
    }

    fn role_at_least(&self, allowed: &[Role]) -> Result<(), Fail> {
        if allowed.contains(&self.role) {
            return Ok(());
        }
        let words: Vec<_> = allowed.iter().map(|role| role.as_str()).collect();
        Err(Fail::forbidden(format!(
            "this needs the role {}, and the token has {}",
            words.join(" or "),
            self.role.as_str()
        )))
    }

    /// May look at things.
    pub fn may_read(&self) -> Result<(), Fail> {
        self.role_at_least(&[Role::Viewer, Role::Operator, Role::Admin])
    }

    /// May change objects and incidents, somewhere.
    pub fn may_write(&self) -> Result<(), Fail> {
        self.role_at_least(&[Role::Operator, Role::Admin])
    }

    /// May change tokens, nodes and the server itself.
    pub fn may_administer(&self) -> Result<(), Fail> {
        self.role_at_least(&[Role::Admin])?;
        self.in_estate()
    }

    /// May send measurements.
    pub fn may_measure(&self) -> Result<(), Fail> {
        self.role_at_least(&[Role::Agent, Role::Operator, Role::Admin])
    }

    /// Is the agent of this node.
    pub fn is_agent(&self, node: &Name) -> Result<(), Fail> {
        self.role_at_least(&[Role::Agent])?;
        if self.node.as_ref() == Some(node) {
            return Ok(());
        }
        Err(Fail::forbidden(format!("this credential is not node {node}'s")))
    }

    /// Is there to join an agent.
    pub fn may_join(&self) -> Result<(), Fail> {
        self.role_at_least(&[Role::Join])
    }

    /// May make or change an object of this kind in this project.
    pub fn may_write_object(&self, kind: Kind, project: &Name) -> Result<(), Fail> {
        self.may_write()?;
        match kind.scope() {
            Scope::Estate => self.may_administer(),
            Scope::Project if self.sees(project) => Ok(()),
            Scope::Project => Err(Fail::forbidden(format!(
                "the token is limited to project {}",
                self.project.as_ref().map_or("?", Name::as_str)
            ))),
        }
    }

    /// Whether things of a project exist for this caller.
    pub fn sees(&self, project: &Name) -> bool {
        self.project.as_ref().is_none_or(|own| own == project)
    }

    fn in_estate(&self) -> Result<(), Fail> {
        match &self.project {
            None => Ok(()),
            Some(own) => Err(Fail::forbidden(format!("the token is limited to project {own}"))),
        }
    }
}

/// The object as this caller may see it, or `None` when it does not exist for them: objects of other projects and of the
/// estate for a token of one project, tokens for anyone but administrators. Hashes are never shown.
pub(crate) fn shown_to(caller: &Caller, mut object: AnyObject) -> Option<AnyObject> {
    if !caller.sees(&object.meta.project) {
        return None;
    }
    if object.kind == Kind::Token {
        caller.may_administer().ok()?;
        if let Value::Object(spec) = &mut object.spec {
            spec.shift_remove("hash");
        }
    }
    Some(object)
}
