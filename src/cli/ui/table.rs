//! Tables and figures as people read them.

use super::output::{Text, escaped};

/// Lays rows out in columns; the first row is the heading. Columns named in `right` are set
/// flush right.
pub(in crate::cli) fn table(rows: &[Vec<String>], right: &[usize]) -> Text {
    let shown = rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect());
    let rows: Vec<Vec<String>> = shown.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column| {
        rows.iter()
            .filter_map(|row: &Vec<String>| row.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = Text::default();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if right.contains(&column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        text.line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// A count of bytes with three digits: `41.2 MB`. Units are powers of ten, as registries bill.
pub(in crate::cli) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            let digits = usize::from(unit != "B")
                * (usize::from(value < 99.95) + usize::from(value < 9.995));
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.2} TB")
}

/// A duration with as many digits as matter.
pub(in crate::cli) fn seconds(time: std::time::Duration) -> String {
    match time.as_secs_f64() {
        short if short < 0.1 => format!("{} ms", time.as_millis()),
        long => format!("{long:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits_and_a_unit() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (41_234_567, "41.2 MB"),
            (1_230_000_000_000, "1.23 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let rows = [["image", "size"], ["a", "1 B"], ["longer", "10 B"]]
            .map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, &[1]).as_str(), "image   size\na        1 B\nlonger  10 B\n");
    }
}
