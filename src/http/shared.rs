//! A body that is the same for everybody: made once and compressed once, and no request copies it.

use std::io::Write as _;
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH,
    VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::document::served;
use super::problem::{Code, Problem};
use super::public::MAX_AGE_SECONDS;

/// The body, plain and compressed.
#[derive(Debug, Clone)]
pub struct Shared {
    plain: web::Bytes,
    gzip: web::Bytes,
    etag: String,
    gzip_etag: String,
}

impl Shared {
    /// Compresses it.
    ///
    /// # Errors
    /// If it cannot be compressed.
    pub fn new(text: String) -> std::io::Result<Self> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let digest = HEXLOWER.encode(digest.as_ref());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes())?;
        let gzip = web::Bytes::from(encoder.finish()?);
        let (etag, gzip_etag) = (format!("\"{digest}\""), format!("\"{digest}-gzip\""));
        Ok(Self { plain: web::Bytes::from(text), gzip, etag, gzip_etag })
    }

    /// The answer to a request: 304 to who has it, compressed to who takes that.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let takes_gzip = takes_gzip(request.headers());
        let (body, etag) =
            if takes_gzip { (&self.gzip, &self.gzip_etag) } else { (&self.plain, &self.etag) };
        if is_known(request.headers(), &[&self.etag, &self.gzip_etag]) {
            let mut unchanged = HttpResponse::NotModified();
            unchanged.insert_header((VARY, "accept-encoding"));
            return unchanged.insert_header((ETAG, etag.as_str())).insert_header(kept()).finish();
        }
        let mut response = HttpResponse::Ok();
        response.insert_header((ETAG, etag.as_str())).insert_header(kept());
        response.insert_header((VARY, "accept-encoding"));
        if takes_gzip {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        response.content_type("application/json").body(body.clone())
    }
}

/// The OpenAPI document as a server sends it: made for the first request, or before by [`Self::made`].
#[derive(Debug)]
pub struct ServedDocument {
    base_url: String,
    made: OnceLock<Shared>,
}

impl ServedDocument {
    /// With the address by which callers reach the server.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), made: OnceLock::new() }
    }

    /// The document.
    ///
    /// # Errors
    /// If it cannot be written or compressed, which a test would find.
    pub fn made(&self) -> std::io::Result<&Shared> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = Shared::new(served(&self.base_url)?)?;
        Ok(self.made.get_or_init(|| made))
    }

    /// The answer to a request.
    pub(super) fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let made = self.made().map_err(|_| Problem::new(Code::Unavailable))?;
        Ok(made.answer(request))
    }
}

/// How long it may be kept. Without `must-revalidate` a cache may serve it on while the server cannot
/// be reached (RFC 9111 4.2.4), and a revoked key with it.
pub(super) fn kept() -> (HeaderName, String) {
    (CACHE_CONTROL, format!("public, max-age={MAX_AGE_SECONDS}, must-revalidate"))
}

/// The elements of a list header, of all its lines.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Whether `If-None-Match` names one of these tags: it is a list, `*` is any, and a tag that a proxy
/// made weak is the same (RFC 9110 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etags: &[&str]) -> bool {
    elements(headers, IF_NONE_MATCH)
        .any(|given| given == "*" || etags.contains(&given.strip_prefix("W/").unwrap_or(given)))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    elements(headers, ACCEPT_ENCODING).any(|given| {
        let (coding, weight) = given.split_once(';').unwrap_or((given, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        coding.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn a_tag_is_known_in_a_list_as_a_star_and_made_weak() {
        let known = |lines: &[&'static str]| is_known(&headers(IF_NONE_MATCH, lines), &["\"a\""]);
        for lines in
            [&["\"a\""][..], &["*"], &["W/\"a\""], &["\"b\", W/\"c\" , \"a\""], &["\"b\"", "\"a\""]]
        {
            assert!(known(lines), "{lines:?}");
        }
        for lines in [&[][..], &["\"b\""], &["a"], &["w/\"a\""], &["\"b\", \"c\""]] {
            assert!(!known(lines), "{lines:?}");
        }
    }

    #[test]
    fn who_does_not_ask_for_gzip_gets_none() {
        let takes = |line| takes_gzip(&headers(ACCEPT_ENCODING, &[line]));
        for line in ["gzip", "br, GZIP;q=0.5", "deflate, gzip ; q=1.0"] {
            assert!(takes(line), "{line}");
        }
        for line in ["", "br", "gzip;q=0", "gzip;q=0.000", "gzip;q=x", "xgzip"] {
            assert!(!takes(line), "{line}");
        }
    }
}
