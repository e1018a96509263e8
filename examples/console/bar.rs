//! The top bar, for whoever is in.

use super::html;
use super::html::{Html, when};
use super::sessions::{Because, SignedIn};
use super::trouble::Trouble;
use super::visit::Visit;

/// Links, whose session it is, the way out, and what has just happened.
///
/// # Errors
/// The person is gone.
pub fn bar(visit: &Visit, signed_in: &SignedIn) -> Result<Html, Trouble> {
    let (person, tenant) = visit.whose(signed_in.person)?;
    let pages = [
        ("/detections", "Detections", true),
        ("/account", "Account", true),
        ("/admin", "Requests", person.is_administrator),
        ("/admin/people", "People", person.is_administrator),
    ];
    let links = pages.into_iter().filter(|(_, _, shown)| *shown);
    let links: Vec<_> =
        links.map(|(path, name, _)| html!(r#"<a href="{}">{}</a>"#, path, name)).collect();
    let exempt = match &signed_in.because {
        Because::Exempt(until) => Some(html!(
            r#"<p class="notice">You are in without a code: an administrator exempted you until {}.</p>"#,
            when(&until.to_string())
        )),
        Because::Code(_) | Because::NotRequired => None,
    };
    let notice = signed_in.notice.as_ref().map(|notice| {
        // Once, and nothing that another tab has to say since.
        visit.change(|now| drop(now.notice.take_if(|said| said == notice)));
        html!(r#"<p class="notice" role="status">{}</p>"#, notice)
    });
    Ok(html!(
        r#"<nav aria-label="Pages">{}</nav><div class="who"><span>{} · {}</span>
<form method="post" action="/sign-out">{}<button class="quiet">Sign out</button></form></div>{}{}"#,
        links,
        person.name,
        tenant.name,
        visit.csrf(),
        exempt,
        notice
    ))
}
