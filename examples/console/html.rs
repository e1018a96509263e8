//! HTML with everything escaped that was not written here, and the frame around each page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};

/// A piece of HTML.
pub struct Html(pub String);

/// Fills a template. What goes into `{}` is escaped, unless it is HTML already. A template cannot name
/// variables, for `concat!` keeps `format!` from seeing them: nothing slips by unescaped.
#[macro_export]
macro_rules! html {
    ($template:literal $(, $piece:expr)* $(,)?) => {
        $crate::html::Html(format!(concat!($template), $($crate::html::Piece::piece(&$piece)),*))
    };
}

/// What can stand in a template.
pub trait Piece {
    /// As HTML.
    fn piece(&self) -> String;
}

impl Piece for str {
    fn piece(&self) -> String {
        let mut escaped = String::with_capacity(self.len());
        for character in self.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
        }
        escaped
    }
}

impl Piece for String {
    fn piece(&self) -> String {
        self.as_str().piece()
    }
}

impl Piece for i64 {
    fn piece(&self) -> String {
        self.to_string()
    }
}

impl Piece for Html {
    fn piece(&self) -> String {
        self.0.clone()
    }
}

impl<T: Piece + ?Sized> Piece for &T {
    fn piece(&self) -> String {
        (**self).piece()
    }
}

impl<T: Piece> Piece for Option<T> {
    fn piece(&self) -> String {
        self.as_ref().map(Piece::piece).unwrap_or_default()
    }
}

impl<T: Piece> Piece for Vec<T> {
    fn piece(&self) -> String {
        self.iter().map(Piece::piece).collect()
    }
}

/// One page's own part.
pub struct Page {
    /// Also its heading.
    pub title: &'static str,
    /// The top bar's links, for whoever is signed in.
    pub bar: Option<Html>,
    /// What it is about.
    pub body: Html,
}

impl Page {
    /// Answers the page.
    pub fn with(self, status: StatusCode) -> HttpResponse {
        let page = html!(
            r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{} · Harbour</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><a class="brand" href="/">Harbour</a>{}</header>
<main id="main"><h1>{}</h1>
{}</main>
<footer>Harbour is an example: a console that leaves MFA to Pawl.</footer>
</body>
</html>
"##,
            self.title,
            self.bar,
            self.title,
            self.body
        );
        HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            // No script at all; pictures only from here, and the QR code, which is in its page.
            .insert_header((
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'",
            ))
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .insert_header(("Referrer-Policy", "no-referrer"))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .body(page.0)
    }

    /// Answers the page, and all is well.
    pub fn ok(self) -> HttpResponse {
        self.with(StatusCode::OK)
    }
}

/// Sends the browser to another page.
pub fn see(path: &'static str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// A message above what it is about; screen readers say it at once.
pub fn alert(text: &str) -> Html {
    html!(r#"<p class="alert" role="alert">{}</p>"#, text)
}

/// An instant as people read it.
pub fn when(timestamp: &str) -> String {
    let read: Result<jiff::Timestamp, _> = timestamp.parse();
    read.map_or_else(|_| timestamp.to_owned(), |at| at.strftime("%-d %b %Y, %H:%M UTC").to_string())
}
