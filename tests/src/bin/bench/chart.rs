//! Horizontal bars as SVG. Pure.

use std::fmt::{self, Write};

const WIDTH: f64 = 900.0;
const ROW: f64 = 26.0;
const LABEL_WIDTH: f64 = 480.0;
/// For the number behind the longest bar.
const NUMBER_WIDTH: f64 = 90.0;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// Whether it is ours.
    pub is_ours: bool,
}

/// A chart with its title above it; the longest bar takes the whole width.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let mut text = String::new();
    write_bars(&mut text, title, bars).expect("a text takes what is written to it");
    text
}

fn write_bars(text: &mut String, title: &str, bars: &[Bar]) -> fmt::Result {
    let rows = bars.iter().fold(1.5, |rows, _| rows + 1.0);
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = rows * ROW;
    writeln!(
        text,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="8" y="20" font-weight="bold">{}</text>"##,
        escaped(title)
    )?;
    let mut top = ROW * 1.25;
    for bar in bars {
        let width = bar.value / longest * (WIDTH - LABEL_WIDTH - NUMBER_WIDTH);
        let color = if bar.is_ours { "#0b6e4f" } else { "#9aa5b1" };
        let baseline = top + ROW * 0.6;
        writeln!(
            text,
            r#"<text x="{:.0}" y="{baseline:.1}" text-anchor="end">{}</text><rect x="{LABEL_WIDTH:.0}" y="{top:.1}" width="{width:.1}" height="{:.1}" fill="{color}"/><text x="{:.1}" y="{baseline:.1}">{}</text>"#,
            LABEL_WIDTH - 8.0,
            escaped(&bar.label),
            ROW * 0.8,
            LABEL_WIDTH + width + 6.0,
            number(bar.value),
        )?;
        top += ROW;
    }
    writeln!(text, "</svg>")
}

/// With as many digits as can be compared.
fn number(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0} k", value / 1_000.0)
    } else {
        format!("{value:.1}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_the_others_are_in_proportion() {
        let bar = |label: &str, value| Bar {
            label: label.to_owned(),
            value,
            is_ours: true,
        };
        let svg = bars("a < b", &[bar("one", 50.0), bar("two", 100.0)]);
        assert!(svg.contains("a &lt; b"));
        assert!(
            svg.contains(r#"width="330.0""#) && svg.contains(r#"width="165.0""#),
            "{svg}"
        );
    }
}
