//! Bars as SVG, for light and dark.

use std::fmt::Write as _;

/// A row of bars under one name.
pub(super) struct Row {
    pub(super) name: String,
    /// Ours first; a length and what is written behind it.
    pub(super) bars: Vec<(f64, String)>,
}

const LINE: usize = 16;
const LEFT: usize = 260;
const LENGTH: f64 = 300.0;

/// `series` names the bars of a row; they are scaled to the longest of all, or to `longest` if that is given, where
/// longer ones end.
pub(super) fn bars(title: &str, series: &[&str], rows: &[Row], longest: Option<f64>) -> String {
    let lengths = rows
        .iter()
        .flat_map(|row| &row.bars)
        .map(|(length, _)| *length);
    let longest = longest.unwrap_or_else(|| lengths.fold(f64::MIN_POSITIVE, f64::max));
    let lines: usize = rows.iter().map(|row| row.bars.len()).sum();
    let height = 50 + lines * LINE + rows.len() * 6;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" viewBox=\"0 0 720 {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>{title}</title>\n<style>\n\
         text{{fill:#1f2328}}.a{{fill:#0969da}}.b{{fill:#bf8700}}.c{{fill:#8c959f}}.d{{fill:#c4cad0}}\n\
         @media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}.a{{fill:#4493f8}}.b{{fill:#d29922}}.c{{fill:#6e7681}}.d{{fill:#484f58}}}}\n\
         </style>\n<text x=\"10\" y=\"16\" font-weight=\"bold\">{title}</text>\n",
    );
    let classes = ["a", "b", "c", "d"];
    let mut x = 10;
    for (name, class) in series.iter().zip(classes) {
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"25\" width=\"10\" height=\"10\"/><text x=\"{}\" y=\"34\">{name}</text>",
            x + 14
        );
        x += 30 + name.len() * 7;
    }
    let mut y = 46;
    for row in rows {
        let middle = y + row.bars.len() * LINE / 2 + 3;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LEFT - 8,
            escaped(&row.name),
        );
        for ((length, text), class) in row.bars.iter().zip(classes) {
            let width = (length / longest).min(1.0) * LENGTH;
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
                y + 1,
                LINE - 2,
                LEFT as f64 + width + 6.0,
                y + LINE - 4,
                escaped(text),
            );
            y += LINE;
        }
        y += 6;
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_fills_the_width_and_text_is_escaped() {
        let row = |name: &str, length| Row {
            name: name.to_owned(),
            bars: vec![(length, "x".to_owned())],
        };
        let svg = bars("t", &["ours"], &[row("a<b", 2.0), row("c", 1.0)], None);
        assert!(svg.contains("width=\"300.0\"") && svg.contains("width=\"150.0\""));
        assert!(svg.contains("a&lt;b") && svg.ends_with("</svg>\n"));
        let svg = bars("t", &["ours"], &[row("a", 4.0)], Some(2.0));
        assert!(svg.contains("width=\"300.0\""));
    }
}
