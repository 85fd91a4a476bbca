//! Columns that line up.

/// Rows of cells, the first of them a heading.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()] }
    }

    /// One row more.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The table as text: the ends to the left, what is between to the right.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| -> usize {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                if column == 0 || column + 1 == columns {
                    text.extend(["  ", cell, &gap]);
                } else {
                    text.extend(["  ", &gap, cell]);
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["what", "MiB", ""]);
        table.row(["idle".into(), "7".into(), "ok".into()]);
        table.row(["busy µ".into(), "1234".into(), String::new()]);
        assert_eq!(table.text(), "  what     MiB\n  idle       7  ok\n  busy µ  1234\n");
    }
}
