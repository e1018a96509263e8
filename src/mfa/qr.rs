//! How a seed is handed over, once: as `otpauth://` URI and as QR code. Both are secrets too.

use fast_qr::convert::{Builder as _, Shape, svg::SvgBuilder};
use fast_qr::{ECL, QRBuilder, QRCode};

use super::label::{Entry, Label};
use super::secret::{Secret, SecretBytes, SecretText, Seed};
use super::totp::{Algorithm, Digits, Parameters};

/// Light modules around the code: ISO/IEC 18004 asks for four.
const QUIET_ZONE: usize = 4;
/// Pixels along a module's edge in the PNG. Eight one-bit pixels are one byte.
const PIXELS: usize = 8;

/// The longest URI, in bytes: that of a QR code with 61 modules to a side at level M. A camera does not
/// read many more from a screen.
const LONGEST_URI: usize = 251;

impl Seed {
    /// The `otpauth://` URI of this seed, for a QR code. What an app takes for granted is left out: SHA1,
    /// six digits and 30 seconds. The label is shortened so that the code can be scanned.
    #[must_use]
    pub fn otpauth_uri(&self, entry: &Entry<'_>, parameters: Parameters) -> SecretText {
        let algorithm = match parameters.algorithm {
            Algorithm::Sha1 => String::new(),
            other @ (Algorithm::Sha256 | Algorithm::Sha512) => {
                format!("&algorithm={}", other.as_str())
            }
        };
        let digits = match parameters.digits {
            Digits::Six => "",
            Digits::Eight => "&digits=8",
        };
        let seed = self.base32();
        let around = ["otpauth://totp/", ":", "?secret=", seed.expose(), "&issuer=", digits];
        let taken: usize = around.iter().map(|part| part.len()).sum();
        let room = LONGEST_URI.saturating_sub(taken.saturating_add(algorithm.len()));
        let Label { issuer, account } = entry.label(room);
        let parts = [
            ["otpauth://totp/", &issuer, ":", &account],
            ["?secret=", seed.expose(), "&issuer=", &issuer],
            [&algorithm, digits, "", ""],
        ];
        // One allocation: `format!` would leave halves of the secret behind as it grows.
        Secret::new(parts.concat().concat())
    }
}

/// One QR code in two formats, to be shown once.
#[derive(Debug)]
pub struct QrImages {
    /// An SVG document, black on white.
    pub svg: SecretText,
    /// A PNG file: 1-bit grayscale, 8 pixels to a module.
    pub png: SecretBytes,
}

/// Why no QR code could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QrError {
    /// More than a QR code of error correction level M can hold: 2331 bytes.
    #[error("the text is too long for a QR code")]
    TooLong,
    /// The PNG encoder refused.
    #[error("the QR code could not be written as PNG")]
    Png,
}

/// Draws a text as QR code with error correction level M and a quiet zone.
///
/// # Errors
/// [`QrError`], without echoing the text.
pub fn render(text: &str) -> Result<QrImages, QrError> {
    let code = encode(text)?;
    let svg = SvgBuilder::default().margin(QUIET_ZONE).shape(Shape::Square).to_str(&code);
    let png = png(&light_modules(&code)).map_err(|_| QrError::Png)?;
    Ok(QrImages { svg: Secret::new(svg), png: Secret::new(png) })
}

/// Draws a text as QR code for a dark terminal: the light modules are half blocks, two rows to a
/// line, and every line ends with a newline.
///
/// # Errors
/// [`QrError`], without echoing the text.
pub fn terminal(text: &str) -> Result<SecretText, QrError> {
    let modules = light_modules(&encode(text)?);
    let mut drawn = String::with_capacity(modules.len() * modules.len() * 2);
    for pair in modules.chunks(2) {
        let upper = pair.first().into_iter().flatten().copied();
        // The number of rows is odd: below the last one there is nothing but quiet zone.
        let lower = pair.get(1).into_iter().flatten().copied().chain(std::iter::repeat(true));
        drawn.extend(upper.zip(lower).map(half_blocks));
        drawn.push('\n');
    }
    Ok(Secret::new(drawn))
}

fn half_blocks(light: (bool, bool)) -> char {
    match light {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

fn encode(text: &str) -> Result<QRCode, QrError> {
    QRBuilder::new(text).ecl(ECL::M).build().map_err(|_| QrError::TooLong)
}

/// The rows of the code and its quiet zone; `true` is a light module.
fn light_modules(code: &QRCode) -> Vec<Vec<bool>> {
    let side = code.size + 2 * QUIET_ZONE;
    let mut rows = vec![vec![true; side]; side];
    let inner = rows.iter_mut().skip(QUIET_ZONE).zip(code.data.chunks(code.size));
    for (row, modules) in inner.take(code.size) {
        for (light, module) in row.iter_mut().skip(QUIET_ZONE).zip(modules) {
            *light = !module.value();
        }
    }
    rows
}

fn png(modules: &[Vec<bool>]) -> Result<Vec<u8>, png::EncodingError> {
    let mut pixels = Vec::with_capacity(modules.len() * modules.len() * PIXELS);
    for row in modules {
        for _ in 0..PIXELS {
            pixels.extend(row.iter().map(|light| if *light { 0xff } else { 0x00 }));
        }
    }
    let pixels = Secret::new(pixels);
    let side = u32::try_from(modules.len() * PIXELS).unwrap_or(u32::MAX);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.expose())?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    const SIX: Parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six };

    const URI: &str =
        "otpauth://totp/Bank:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Bank";

    /// Width, height and one byte for each pixel of a PNG file.
    fn decoded(file: &[u8]) -> (usize, Vec<bool>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let (width, height) = reader.info().size();
        assert_eq!((width, reader.info().bit_depth), (height, png::BitDepth::One));
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        let pixels =
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        (width as usize, pixels.collect())
    }

    #[test]
    fn the_png_shows_every_module_inside_a_quiet_zone() {
        let images = render(URI).unwrap();
        let code = encode(URI).unwrap();
        assert!(images.png.expose().starts_with(b"\x89PNG\r\n\x1a\n"));
        let (side, light) = decoded(images.png.expose());
        assert_eq!(side, (code.size + 8) * 8);
        for (at, light) in light.into_iter().enumerate() {
            let (x, y) = (at % side / 8, at / side / 8);
            let inside = |v: usize| (4..4 + code.size).contains(&v);
            let dark = inside(x) && inside(y) && code.data[(y - 4) * code.size + x - 4].value();
            assert_eq!(light, !dark, "module {x}, {y}");
        }
    }

    #[test]
    fn the_svg_has_a_quiet_zone() {
        let images = render(URI).unwrap();
        let side = encode(URI).unwrap().size + 8;
        let start = format!(r#"<svg viewBox="0 0 {side} {side}" "#);
        assert!(images.svg.expose().starts_with(&start));
    }

    #[test]
    fn a_terminal_shows_light_modules_as_blocks() {
        let drawn = terminal(URI).unwrap();
        let side = encode(URI).unwrap().size + 8;
        let lines: Vec<&str> = drawn.expose().lines().collect();
        assert_eq!(lines.len(), side.div_ceil(2));
        assert!(lines.iter().all(|line| line.chars().count() == side));
        for edge in [lines[0], lines[1], lines[side / 2], lines[side / 2 - 1]] {
            assert!(edge.chars().all(|c| c == '█'), "{edge}");
        }
        let modules = light_modules(&encode(URI).unwrap());
        for (at, row) in modules.iter().enumerate() {
            let blocks = if at % 2 == 0 { "█▀" } else { "█▄" };
            let drawn: Vec<bool> = lines[at / 2].chars().map(|c| blocks.contains(c)).collect();
            assert_eq!(drawn, *row, "row {at}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_shown_by_debug() {
        assert_eq!(render(&"x".repeat(2332)).err(), Some(QrError::TooLong));
        assert!(render(&"x".repeat(2331)).is_ok());
        let shown = format!("{:?}", render(URI).unwrap());
        assert_eq!(shown, "QrImages { svg: [secret], png: [secret] }");
    }

    #[test]
    fn a_name_adds_nothing_to_the_uri() {
        let seed = Seed::from_random(*b"12345678901234567890");
        let entry = |issuer, name| Entry {
            issuer,
            name,
            external_id: name,
            factor: "fac_3f2a",
            is_again: false,
        };
        let plain = seed.otpauth_uri(&entry("Bank", "Zoë Doe"), SIX);
        let rest = "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Bank";
        assert_eq!(*plain.expose(), format!("otpauth://totp/Bank:Zo%C3%AB%20Doe{rest}"));
        let hostile = "a:b?secret=A&issuer=B#/%3A";
        let uri = seed.otpauth_uri(&entry(hostile, hostile), SIX);
        let parsed = totp_rs::Totp::from_url(uri.expose()).unwrap();
        let name = hostile.replace(':', "-");
        // An id that is long when encoded is not shown.
        let account = format!("{name} 3f2a");
        let shown = (parsed.issuer(), parsed.account_name());
        assert_eq!(shown, (Some(name.as_str()), account.as_str()));
        assert_eq!(parsed.secret().as_bytes(), seed.expose());
        for mark in ["secret=", "issuer=", "?", ":"] {
            let times = uri.expose().matches(mark).count();
            assert_eq!(times, if mark == ":" { 2 } else { 1 }, "{mark}");
        }
    }

    #[test]
    fn the_code_of_the_longest_names_has_at_most_61_modules_to_a_side() {
        let seed = Seed::from_random(*b"12345678901234567890");
        let long = ["Ж".repeat(200), "x".repeat(200), "葛".repeat(200), "%".repeat(200)];
        for (name, algorithm) in
            long.iter().zip([Algorithm::Sha1, Algorithm::Sha512].iter().cycle())
        {
            for digits in [Digits::Six, Digits::Eight] {
                let entry = Entry {
                    issuer: name,
                    name,
                    external_id: "j.smith@example",
                    factor: "fac_3f2a",
                    is_again: true,
                };
                let parameters = Parameters { algorithm: *algorithm, digits };
                let uri = seed.otpauth_uri(&entry, parameters);
                let size = encode(uri.expose()).unwrap().size;
                assert!(size <= 61, "{size}: {}", uri.expose());
                let parsed = totp_rs::Totp::from_url(uri.expose()).unwrap();
                assert_eq!(parsed.secret().as_bytes(), seed.expose());
            }
        }
    }
}
