//! The API's description: what the routes' annotations say, completed by what is true of every route.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;

use lepton_api::Problem;
use lepton_model::FieldError;

use super::{lasting, ordinary};

const ABOUT: &str = "One estate over clouds, own machines and the edge. Objects have a wanted state (`spec`) and an observed one \
(`status`); every change is on the timeline. Errors are RFC 9457 problems. A path parameter that cannot be a name answers 404, \
a query parameter or body field that does not fit 422 with the field, a body that is not of its media type 400.";

/// The OpenAPI 3.1 description of every route.
pub fn openapi() -> OpenApi {
    let routes: OpenApiRouter<_> = ordinary().merge(lasting());
    let mut api = OpenApiBuilder::from(routes.into_openapi())
        .info(
            InfoBuilder::new()
                .title("Lepton")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
                ))
                .build(),
        )
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .tags(Some(tags()))
        .build();
    let components = api.components.get_or_insert_default();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("lpt_…")
        .description(Some(
            "A token of role viewer, operator or admin; agents and joining machines have their own",
        ))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    for item in api.paths.paths.values_mut() {
        operations(item).for_each(complete);
    }
    api
}

fn tags() -> Vec<utoipa::openapi::Tag> {
    [
        ("objects", "What is wanted and what is"),
        ("timeline", "What happened, and why things are as they are"),
        ("incidents", "What Lepton could not mend alone"),
        ("offers", "What can be rented, at what price"),
        ("sql", "Everything as tables"),
        ("logs", "Output of services and jobs"),
        ("telemetry", "Measurements in; the contract for foreign agents"),
        ("agents", "What agents ask and say"),
        ("tokens", "Credentials"),
        ("server", "The server itself"),
    ]
    .into_iter()
    .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())
    .collect()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

/// Adds the refusals that an operation can answer with by its form.
fn complete(operation: &mut Operation) {
    let public = operation.security.is_some();
    let has_body = operation.request_body.is_some();
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let in_path = parameters
        .iter()
        .any(|p| matches!(p, RefOr::T(p) if p.parameter_in == utoipa::openapi::path::ParameterIn::Path));
    let mut refusals = vec![("500", "The server failed"), ("503", "Not now; see Retry-After")];
    if !public {
        refusals.push(("401", "No token, or one that is not accepted"));
        refusals.push(("403", "The token's role or project does not allow it"));
        refusals.push(("429", "Too often, or memory is full; see Retry-After"));
        refusals.push(("504", "It took too long"));
    }
    if in_path {
        refusals.push(("404", "It does not exist, or is not yours to see"));
    }
    if has_body {
        refusals.push(("400", "The body is not of its media type"));
        refusals.push(("408", "The body did not arrive in time"));
        refusals.push(("413", "The body is too large"));
        refusals.push(("415", "Another media type is needed"));
    }
    if has_body || parameters.len() > usize::from(in_path) {
        refusals.push(("422", "Fields that do not fit, each with what would be right"));
    }
    if !public && (has_body || in_path) {
        refusals.push(("409", "Somebody else was faster, or it is done already"));
    }
    for (status, about) in refusals {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
            RefOr::T(ResponseBuilder::new().description(about).content(Problem::MEDIA_TYPE, problem).build())
        });
    }
}
