//! Who may call an operation, as the document says it: one bearer scheme, and for each operation the
//! scopes of a client, the roles of a person, and whether any person may call it for their own account.

use std::fmt::Write as _;

use serde_json::{Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use crate::operations::access::Access;

/// The name of the one scheme.
pub const BEARER: &str = "bearerAuth";

const ABOUT: &str = "A client's credential or a person's. A client sends its key, `pawl_{id}_{secret}`, or \
    its access token, `pawl_at_{id}_{secret}`. A person sends their access token for Pawl's own audience, a \
    JWT. `x-callers` of an operation says which of them may call it.";

/// The one scheme.
pub fn bearer() -> SecurityScheme {
    let mut http = Http::new(HttpAuthScheme::Bearer);
    http.description = Some(ABOUT.to_owned());
    SecurityScheme::Http(http)
}

/// Says who may call an operation: its row of the access table, or everybody.
pub fn say_callers(operation: &mut Operation, access: Option<&Access>) {
    let Some(access) = access else {
        operation.security = Some(Vec::new());
        return;
    };
    operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    let callers = ExtensionsBuilder::new().add("x-callers", callers(access)).build();
    operation.extensions.get_or_insert_default().merge(callers);
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    // Writing to a string cannot fail.
    let _ = write!(description, "Callers: {}.", in_words(access));
}

fn callers(access: &Access) -> Value {
    let mut callers = serde_json::Map::new();
    if let Some(scope) = access.scope {
        callers.insert("client".to_owned(), json!({ "scope": scope.as_str() }));
    }
    if access.own_account || !access.roles.is_empty() {
        let roles: Vec<&str> = access.roles.iter().map(|role| role.as_str()).collect();
        let person = json!({ "roles": roles, "own_account": access.own_account });
        callers.insert("person".to_owned(), person);
    }
    Value::Object(callers)
}

fn in_words(access: &Access) -> String {
    let mut callers = Vec::new();
    if let Some(scope) = access.scope {
        callers.push(format!("a client with the scope `{}`", scope.as_str()));
    }
    if !access.roles.is_empty() {
        let roles: Vec<String> =
            access.roles.iter().map(|role| format!("`{}`", role.as_str())).collect();
        callers.push(format!("a person with the role {}", roles.join(" or ")));
    }
    if access.own_account {
        callers.push("any person for their own account".to_owned());
    }
    callers.join("; ")
}
