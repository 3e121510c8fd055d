//! A line plot as SVG text: enough for the plots of the documentation. Lines differ by dashes and markers, not only by
//! colour, and carry their names at their ends; the background is white, so that a dark page changes nothing.

use std::fmt::Write;

/// One line of a plot.
pub struct Line {
    /// What stands at its end.
    pub name: String,
    /// One value for each place on the horizontal axis, in percent.
    pub values: Vec<f64>,
}

/// A plot of percentages.
pub struct Plot {
    /// What the plot shows, in a sentence.
    pub title: String,
    /// What the horizontal axis counts.
    pub horizontal: String,
    /// What the vertical axis counts.
    pub vertical: String,
    /// Names of the places on the horizontal axis, at equal distances.
    pub places: Vec<String>,
    /// The upper end of the vertical axis, in percent.
    pub most: f64,
    /// A level to compare with, and its name.
    pub level: Option<(f64, String)>,
    /// The lines, five at most.
    pub lines: Vec<Line>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 372.0;
/// The least distance of two names.
const NAME_STEP: f64 = 19.0;
/// Colours that stay apart for most kinds of colour vision, and in grey. Source: M. Okabe and K. Ito, 2008.
const COLOURS: [&str; 5] = ["#000000", "#d55e00", "#0072b2", "#007a5a", "#a0568a"];
const DASHES: [&str; 5] = ["none", "9 4", "2 4", "12 3 2 3", "5 2"];

/// The plot as SVG.
pub fn draw(plot: &Plot) -> String {
    let mut svg = String::new();
    let title = escape(&plot.title);
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{title}" font-family="sans-serif" font-size="13" fill="#222222">"##
    )
    .unwrap();
    writeln!(svg, "<title>{title}</title>").unwrap();
    writeln!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"##).unwrap();
    writeln!(svg, r#"<text x="{LEFT}" y="30" font-size="15" font-weight="bold">{title}</text>"#).unwrap();
    axes(&mut svg, plot);
    let mut ends: Vec<(usize, f64)> = Vec::new();
    for (index, line) in plot.lines.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            line.values.iter().enumerate().map(|(place, value)| (across(plot, place), height(plot, *value))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (colour, dash) = (COLOURS[index % 5], DASHES[index % 5]);
        writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#,
            path.join(" ")
        )
        .unwrap();
        for (x, y) in &points {
            marker(&mut svg, index, *x, *y);
        }
        ends.push((index, points.last().unwrap().1));
    }
    names(&mut svg, plot, ends);
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, plot: &Plot) {
    let steps = 5_u32;
    for step in 0..=steps {
        let value = plot.most * f64::from(step) / f64::from(steps);
        let y = height(plot, value);
        writeln!(svg, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#dddddd"/>"##).unwrap();
        writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{value:.0} %</text>"#, LEFT - 8.0, y + 4.5).unwrap();
    }
    for (place, name) in plot.places.iter().enumerate() {
        let x = across(plot, place);
        writeln!(svg, r##"<line x1="{x:.1}" y1="{BOTTOM}" x2="{x:.1}" y2="{}" stroke="#222222"/>"##, BOTTOM + 9.0)
            .unwrap();
        writeln!(svg, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#, BOTTOM + 25.0, escape(name))
            .unwrap();
    }
    writeln!(svg, r##"<line x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}" stroke="#222222"/>"##).unwrap();
    let middle = f64::midpoint(LEFT, RIGHT);
    let name = escape(&plot.horizontal);
    writeln!(svg, r#"<text x="{middle}" y="{}" text-anchor="middle">{name}</text>"#, BOTTOM + 50.0).unwrap();
    let (middle, name) = (f64::midpoint(TOP, BOTTOM), escape(&plot.vertical));
    writeln!(svg, r#"<text transform="translate(20 {middle}) rotate(-90)" text-anchor="middle">{name}</text>"#)
        .unwrap();
    if let Some((value, name)) = &plot.level {
        let y = height(plot, *value);
        writeln!(svg, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#888888"/>"##).unwrap();
        let name = escape(name);
        writeln!(svg, r##"<text x="{}" y="{:.1}" fill="#555555" font-size="12">{name}</text>"##, LEFT + 4.0, y - 5.0)
            .unwrap();
    }
}

/// The names at the ends of the lines, moved apart where they would touch, each with a thin line to its end.
fn names(svg: &mut String, plot: &Plot, mut ends: Vec<(usize, f64)>) {
    ends.sort_by(|first, second| first.1.total_cmp(&second.1));
    let mut places: Vec<f64> = Vec::new();
    for (_, y) in &ends {
        let least = places.last().map_or(TOP, |above| above + NAME_STEP);
        places.push(y.max(least));
    }
    // What ran out at the bottom goes up again.
    let mut most = BOTTOM + 4.0;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - NAME_STEP;
    }
    for ((index, y), place) in ends.iter().zip(places) {
        let line = &plot.lines[*index];
        let colour = COLOURS[index % 5];
        let (from, to) = (across(plot, line.values.len() - 1) + 7.0, RIGHT + 8.0);
        writeln!(
            svg,
            r#"<line x1="{from:.1}" y1="{y:.1}" x2="{to}" y2="{place:.1}" stroke="{colour}" stroke-width="0.7"/>"#
        )
        .unwrap();
        let name = escape(&line.name);
        writeln!(svg, r#"<text x="{}" y="{:.1}" fill="{colour}">{name}</text>"#, to + 5.0, place + 4.5).unwrap();
    }
}

fn marker(svg: &mut String, index: usize, x: f64, y: f64) {
    let colour = COLOURS[index % 5];
    let shape = match index % 5 {
        0 => format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5""#),
        1 => format!(r#"<path d="M{:.1} {:.1}h9v9h-9z""#, x - 4.5, y - 4.5),
        2 => format!(r#"<path d="M{x:.1} {:.1}l5.5 9.5h-11z""#, y - 6.0),
        3 => format!(r#"<path d="M{x:.1} {:.1}l6 6l-6 6l-6 -6z""#, y - 6.0),
        _ => format!(r#"<path d="M{x:.1} {:.1}l-5.5 -9.5h11z""#, y + 6.0),
    };
    // Lines with an even index have filled markers, the others hollow ones.
    let fill = if index.is_multiple_of(2) { colour } else { "#ffffff" };
    writeln!(svg, r#"{shape} fill="{fill}" stroke="{colour}" stroke-width="1.5"/>"#).unwrap();
}

#[expect(clippy::cast_precision_loss, reason = "a handful of places")]
fn across(plot: &Plot, place: usize) -> f64 {
    let (first, last) = (LEFT + 30.0, RIGHT - 30.0);
    first + (last - first) * place as f64 / (plot.places.len().max(2) - 1) as f64
}

fn height(plot: &Plot, value: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * value / plot.most
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
