//! The table as a page of its own: no script, nothing loaded from elsewhere.

use std::fmt::Write as _;

use super::promises::Kept;
use super::row::verdict;
use super::samples::{number, range};
use super::{Line, Row, Table};

const STYLE: &str = include_str!("page.css");

const LEGEND: &str = r"<p class=legend>
<svg width=26 height=12><rect class=ours width=26 height=12 rx=2 /></svg>Cowherd
<svg width=26 height=12><rect class=peer width=26 height=12 rx=2 /></svg>without it
<svg width=26 height=12><line class=whisker x1=2 x2=24 y1=6 y2=6 /><line class=whisker x1=2 x2=2 y1=2 y2=10 /><line class=whisker x1=24 x2=24 y1=2 y2=10 /></svg>5th to 95th percentile
<svg width=8 height=12><line class=target x1=4 x2=4 y1=0 y2=12 /></svg>target
</p><p class=legend>Bars are medians, on one scale for each group and unit. In brackets: the middle half of the samples; of a
comparison, the middle half of what the two sides gave turn by turn.</p>
";

impl Table {
    /// The page.
    pub(crate) fn page(&self, machine: &str) -> String {
        let mut text = format!(
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\"><title>Cowherd, measured</title>\n\
             <style>\n{STYLE}</style></head>\n<body><h1>Cowherd, measured</h1>\n<p class=machine>{}</p>\n",
            escaped(machine)
        );
        text += "<section class=promises><h2>The promises</h2><table>\n";
        for kept in self.promises() {
            text += &kept.cells();
        }
        let _ = writeln!(
            text,
            "</table><p class=note>{}</p></section>",
            self.limits()
        );
        text += LEGEND;
        let mut open = false;
        for (index, line) in self.lines.iter().enumerate() {
            let begins = matches!(line, Line::Row(_));
            if begins != open {
                text += if begins {
                    "<table class=rows>"
                } else {
                    "</table>\n"
                };
                open = begins;
            }
            let _ = match line {
                Line::Head(head) => writeln!(text, "<h2>{}</h2>", escaped(head)),
                Line::Note(note) => writeln!(text, "<p class=note>{}</p>", escaped(note)),
                Line::Row(row) => writeln!(text, "{}", row.cells(self.scale(index, row.unit))),
            };
        }
        text + if open { "</table>" } else { "" } + "</body></html>\n"
    }

    /// Where the bars with this unit end, in the group of a line: a little beyond the largest.
    fn scale(&self, index: usize, unit: &str) -> f64 {
        let head = |line: &Line| matches!(line, Line::Head(_));
        let from = self.lines[..index].iter().rposition(head);
        let group = self.lines[from.map_or(0, |head| head + 1)..].iter();
        let rows = group
            .take_while(|line| !head(line))
            .filter_map(|line| match line {
                Line::Row(row) if row.unit == unit => Some(row),
                _ => None,
            });
        let (mut highest, mut mark) = (0.0_f64, 0.0_f64);
        for row in rows {
            highest = highest.max(row.samples.quantile(0.95));
            mark = mark.max(row.mark().unwrap_or_default());
        }
        // A target that is far away would leave no room for what was measured.
        1.02 * if mark < 2.0 * highest {
            highest.max(mark)
        } else {
            highest
        }
    }
}

impl Row {
    fn cells(&self, scale: f64) -> String {
        let kind = if self.peer { "peer" } else { "ours" };
        let mut more = format!(
            "<span>p95 {}</span> <span>({})</span> <span>n {}</span>",
            number(self.p95()),
            range(self.samples.middle_half()),
            self.samples.0.len()
        );
        let compared = self.compared();
        if !compared.is_empty() || self.holds().is_some() {
            let _ = write!(
                more,
                "<br><span>{}</span> <span>{}</span> {}",
                escaped(&compared),
                escaped(&self.limit()),
                badge(self.holds())
            );
        }
        format!(
            "<tr class={kind}><td class=what>{}<td class=bar>{}<td class=value>{} {}<td class=more>{more}</tr>",
            escaped(&self.what),
            self.bar(kind, scale),
            number(self.samples.median()),
            escaped(self.unit),
        )
    }

    fn bar(&self, kind: &str, scale: f64) -> String {
        let at = |value: f64| {
            let share = value / scale * 100.0;
            if share.is_finite() {
                share.clamp(0.0, 100.0)
            } else {
                0.0
            }
        };
        let quantile = |part: f64| at(self.samples.quantile(part));
        let (low, median, high) = (quantile(0.05), quantile(0.5), quantile(0.95));
        let line = |class: &str, x: [f64; 2], y: [u8; 2]| {
            format!(
                "<line class={class} x1={:.2}% x2={:.2}% y1={} y2={} />",
                x[0], x[1], y[0], y[1]
            )
        };
        let mut drawn = format!(
            "<svg role=img aria-label=\"{} {}\"><rect class={kind} x=0 y=2 width={:.2}% height=14 rx=2 />",
            number(self.samples.median()),
            escaped(self.unit),
            median.max(0.3)
        );
        if self.samples.0.len() > 1 {
            drawn += &line("whisker", [low, high], [9, 9]);
            drawn += &line("whisker", [low, low], [5, 13]);
            drawn += &line("whisker", [high, high], [5, 13]);
        }
        if let Some(mark) = self.mark().filter(|mark| *mark <= scale) {
            drawn += &line("target", [at(mark), at(mark)], [0, 18]);
        }
        drawn + "</svg>"
    }
}

impl Kept {
    fn cells(&self) -> String {
        let class = match self.measured {
            true => "figure",
            false => "figure unmeasured",
        };
        format!(
            "<tr><td>{}<td class=words>{}<td class=\"{class}\">{}<td class=limit>{}<td class=verdict>{}</tr>\n",
            self.number,
            escaped(&self.words),
            escaped(&self.figure),
            escaped(&self.limit),
            badge(self.holds)
        )
    }
}

fn badge(holds: Option<bool>) -> String {
    let class = if holds == Some(false) { "no" } else { "yes" };
    format!("<span class={class}>{}</span>", verdict(holds))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
