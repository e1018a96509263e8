//! The processor time of one operation as a picture: one bar for each row.

use std::fmt::Write as _;

use crate::report::{Report, Row};

const BAR: f64 = 16.0;
const GAP: f64 = 6.0;
const LEFT: f64 = 380.0;
const RIGHT: f64 = 200.0;
const LONGEST: f64 = 520.0;
const TOP: f64 = 60.0;

/// The chart as an SVG document.
pub fn draw(report: &Report) -> String {
    let totals = report.rows.iter().map(|row| row.pawl_micros() + row.database_micros());
    let scale = LONGEST / totals.fold(1.0, f64::max);
    let height = TOP + crate::load::count(report.rows.len()) * (BAR + GAP) + 20.0;
    let width = LEFT + LONGEST + RIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"16\">Processor time of one operation, in µs</text>\n\
         <text x=\"10\" y=\"42\" fill=\"#666\">{}; dark: Pawl, light: PostgreSQL</text>\n",
        escaped(&report.machine)
    );
    let mut y = TOP;
    for row in &report.rows {
        bar(&mut svg, row, y, scale);
        y += BAR + GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, row: &Row, y: f64, scale: f64) {
    let (pawl, database) = (row.pawl_micros() * scale, row.database_micros() * scale);
    let label = format!(
        "{}, {}, {} callers, {} users{}{}",
        row.name(),
        row.engine,
        row.callers,
        row.population.users,
        if row.population.tenants > 1 { ", 1000 tenants" } else { "" },
        if row.replicas > 1 { ", two replicas" } else { "" }
    );
    let text = y + BAR - 4.0;
    let _ = write!(
        svg,
        "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{LEFT:.0}\" y=\"{y:.0}\" width=\"{pawl:.1}\" height=\"{BAR:.0}\" fill=\"#1f5f8b\"/>\n\
         <rect x=\"{:.1}\" y=\"{y:.0}\" width=\"{database:.1}\" height=\"{BAR:.0}\" fill=\"#9cc5de\"/>\n\
         <text x=\"{:.1}\" y=\"{text:.0}\">{:.0} µs, {:.0}/s</text>\n",
        LEFT - 8.0,
        escaped(&label),
        LEFT + pawl,
        LEFT + pawl + database + 6.0,
        row.pawl_micros() + row.database_micros(),
        row.seen.per_second()
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
