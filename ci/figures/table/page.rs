//! The table as a page of its own: no script, nothing loaded from elsewhere.

use std::fmt::Write as _;

use super::{Line, Row, Table, number};

/// How wide the bars are, in pixels.
const WIDE: f64 = 240.0;

const HEAD: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Cowherd, measured</title>
<style>
 body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #222; background: #fff }
 pre { white-space: pre-wrap; color: #555 }
 table { border-collapse: collapse; width: 100% }
 th { text-align: right; font-weight: normal; color: #555 } th:first-child, td:first-child { text-align: left }
 th.section { text-align: left; font-weight: bold; color: #222; padding: 1.6em 0 .3em }
 td { text-align: right; padding: .15em .5em; border-top: 1px solid #eee; font-variant-numeric: tabular-nums; white-space: nowrap }
 td:first-child { white-space: normal } td.note { color: #555; border: 0 }
 .no { color: #a40000; font-weight: bold } .yes { color: #046b04 }
 line { stroke: #7a9cc6; stroke-width: 6 } line.median { stroke: #123; stroke-width: 2 }
 @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } pre, th, td.note { color: #aaa }
  th.section { color: #ddd } td { border-color: #333 } .no { color: #ff7b72 } .yes { color: #7ee787 } line.median { stroke: #fff } }
</style>
<h1>Cowherd, measured</h1>
"#;

impl Table {
    /// The page. A row's bar goes from its quickest sample to the 95th percentile, with a mark at the median, on the scale
    /// of its section.
    pub(crate) fn page(&self, machine: &str) -> String {
        let mut text = HEAD.to_owned();
        let _ = writeln!(text, "<pre>{}</pre>\n<table>", escaped(machine));
        text += "<tr><th><th>median<th>p95<th>min<th>n<th>unit<th><th>compared<th>target<th>holds</tr>\n";
        for (index, line) in self.0.iter().enumerate() {
            let _ = match line {
                Line::Head(head) => writeln!(
                    text,
                    "<tr><th class=section colspan=10>{}</tr>",
                    escaped(head)
                ),
                Line::Note(note) => {
                    writeln!(text, "<tr><td class=note colspan=10>{}</tr>", escaped(note))
                }
                Line::Row(row) => writeln!(text, "{}", row.cells(self.scale(index, row.unit))),
            };
        }
        text += "</table></html>\n";
        text
    }

    /// The largest value with this unit in the section of a line.
    fn scale(&self, index: usize, unit: &str) -> f64 {
        let head = |line: &Line| matches!(line, Line::Head(_));
        let from = self.0[..index].iter().rposition(head).unwrap_or(0);
        let section = self.0[from + 1..].iter().take_while(|line| !head(line));
        let highest = section.filter_map(|line| match line {
            Line::Row(row) if row.unit == unit => Some(row.samples.quantile(0.95)),
            _ => None,
        });
        highest.fold(0.0, f64::max)
    }
}

impl Row {
    fn cells(&self, scale: f64) -> String {
        let samples = &self.samples;
        let at = |part: f64| {
            let share = samples.quantile(part) / scale;
            if share.is_finite() { share * WIDE } else { 0.0 }
        };
        let (low, median, high) = (at(0.0), at(0.5), at(0.95).max(at(0.0) + 1.0));
        let bar = format!(
            "<svg width={WIDE} height=14 role=img><line x1={low:.1} x2={high:.1} y1=7 y2=7 />\
             <line class=median x1={median:.1} x2={median:.1} y1=1 y2=13 /></svg>"
        );
        let holds = match self.holds() {
            Some(true) => "<td class=yes>yes",
            Some(false) => "<td class=no>no",
            None => "<td>",
        };
        let words = [
            self.what.as_str(),
            self.unit,
            &self.compared(),
            &self.limit(),
        ]
        .map(escaped);
        let [what, unit, compared, limit] = words;
        format!(
            "<tr><td>{what}<td>{}<td>{}<td>{}<td>{}<td>{unit}<td>{bar}<td>{compared}<td>{limit}{holds}</tr>",
            number(samples.median()),
            number(samples.quantile(0.95)),
            number(samples.quantile(0.0)),
            samples.0.len(),
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
