//! The comparison for people: numbers first, then what differs, most of it on one line each.

use std::io::{self, BufWriter, Write};

use cowherd::difference::{
    FileFacts, FilesDifference, Found, Only, RowDifference, SchemaDifference, SequenceDifference,
    TableDifference, TableRows, words,
};
use cowherd::units::format_size;

use super::Told;
use crate::cli::args::Limit;
use crate::cli::output::{Table, count};

pub(super) struct Text {
    limit: Limit,
    numbers_only: bool,
    output: BufWriter<anstream::AutoStream<io::Stdout>>,
    names: [String; 2],
    /// How many tables were compared.
    compared: u64,
    tables: Vec<TableRows>,
    /// The rows of the table that is being compared.
    rows: Vec<RowDifference>,
    /// Whether its first row was written.
    begun: bool,
    sequences: Vec<SequenceDifference>,
}

impl Text {
    pub(super) fn new(limit: Limit, numbers_only: bool) -> Self {
        Self {
            limit,
            numbers_only,
            output: BufWriter::new(anstream::stdout()),
            names: Default::default(),
            compared: 0,
            tables: Vec::new(),
            rows: Vec::new(),
            begun: false,
            sequences: Vec::new(),
        }
    }

    pub(super) fn told(&mut self, told: &Told<'_>) -> io::Result<()> {
        match told {
            Told::Begin(before, after) => {
                self.names = [before, after].map(|name| (*name).to_owned());
                Ok(())
            }
            Told::Service(_, true) => Ok(()),
            Told::Service(name, false) => {
                writeln!(self.output, "{}", strong(&format!("service {name}")))
            }
            Told::Incomparable(why) => writeln!(self.output, "not compared: {why}"),
            Told::SameLayers => writeln!(self.output, "the same: it has the same layers in both"),
            Told::Files(files) => self.files(files),
            Told::Schema(schema) => self.schema(schema),
            Told::Rows(found) => self.found(found),
            Told::RowsEnd => self.rows_end(),
            Told::End(_) => self.output.flush(),
        }
    }

    fn files(&mut self, files: &FilesDifference) -> io::Result<()> {
        let marks = files
            .files
            .iter()
            .map(|file| mark(file.before.is_some(), file.after.is_some()));
        let numbers = numbers(&marks.collect::<Vec<_>>(), ["new", "changed", "gone"]);
        writeln!(self.output, "{} {numbers}", strong("files:"))?;
        if self.numbers_only || files.files.is_empty() {
            return Ok(());
        }
        for file in &files.files {
            let what = match (&file.before, &file.after) {
                (Some(one), Some(other)) => changed(one, other),
                (one, other) => one
                    .as_ref()
                    .or(other.as_ref())
                    .map(size)
                    .unwrap_or_default(),
            };
            let mark = mark(file.before.is_some(), file.after.is_some());
            let path = file.path.display();
            writeln!(self.output, "{}", marked(mark, &format!("{path}  {what}")))?;
        }
        writeln!(self.output)
    }

    fn schema(&mut self, schema: &SchemaDifference) -> io::Result<()> {
        let marks = schema.objects.iter();
        let marks = marks.map(|object| mark(object.before.is_some(), object.after.is_some()));
        let numbers = numbers(&marks.collect::<Vec<_>>(), ["new", "changed", "gone"]);
        writeln!(self.output, "{} {numbers}", strong("schema:"))?;
        if self.numbers_only || schema.objects.is_empty() {
            return Ok(());
        }
        for object in &schema.objects {
            let mut name = format!("{} {}", object.kind.word(), object.name);
            if let Some(table) = &object.table {
                name += &format!(" of {table}");
            }
            match (&object.before, &object.after) {
                (Some(before), Some(after)) => {
                    writeln!(self.output, "{}", marked('~', &name))?;
                    for (mark, line) in lines(before, after) {
                        writeln!(self.output, "    {}", marked(mark, line).trim_start())?;
                    }
                }
                (before, after) => {
                    let mark = mark(before.is_some(), after.is_some());
                    let definition = before.as_ref().or(after.as_ref());
                    // What a table or a routine is made of would fill the screen.
                    let short =
                        definition.filter(|text| object.table.is_some() && !text.contains('\n'));
                    let short = short.map_or_else(String::new, |text| format!("  {text}"));
                    writeln!(self.output, "{}", marked(mark, &format!("{name}{short}")))?;
                }
            }
        }
        writeln!(self.output)
    }

    fn found(&mut self, found: &Found<'_>) -> io::Result<()> {
        match found {
            Found::Row(table, row) => match self.limit {
                _ if self.numbers_only => Ok(()),
                Limit::Rows(limit) => {
                    if self.rows.len() < limit {
                        self.rows.push(row.clone());
                    }
                    Ok(())
                }
                Limit::All => {
                    if !std::mem::replace(&mut self.begun, true) {
                        self.heading(table)?;
                    }
                    writeln!(self.output, "{}", line(table, row))
                }
            },
            Found::Table(table) => {
                self.compared += 1;
                if std::mem::take(&mut self.begun) {
                    writeln!(self.output)?;
                }
                let rows = std::mem::take(&mut self.rows);
                if table.differs() || table.only.is_some() {
                    let table = (*table).clone();
                    self.tables.push(TableRows { table, rows });
                }
                Ok(())
            }
            Found::Sequence(sequence) => {
                self.sequences.push(sequence.clone());
                Ok(())
            }
        }
    }

    fn rows_end(&mut self) -> io::Result<()> {
        let (tables, sequences) = (
            std::mem::take(&mut self.tables),
            std::mem::take(&mut self.sequences),
        );
        let compared = count(std::mem::take(&mut self.compared), "table");
        let heading = strong("rows:");
        if tables.is_empty() && sequences.is_empty() {
            return writeln!(self.output, "{heading} the same in {compared}");
        }
        writeln!(
            self.output,
            "{heading} {} of {compared} {}",
            tables.len(),
            if tables.len() == 1 {
                "differs"
            } else {
                "differ"
            }
        )?;
        let mut summary = Table::default();
        for TableRows { table, .. } in &tables {
            let only = table.only.map(|only| {
                let [before, after] = &self.names;
                let name = if only == Only::Before { before } else { after };
                format!(
                    "only in {name}: {}",
                    count(table.inserted + table.deleted, "row")
                )
            });
            let numbers = only.unwrap_or_else(|| words::numbers(table));
            summary.row([format!("  {}", table.table), numbers]);
        }
        for sequence in &sequences {
            let [before, after] =
                [&sequence.before, &sequence.after].map(|last| last.as_deref().unwrap_or("unused"));
            summary.row([
                format!("  {} (sequence)", sequence.name),
                format!("{before} → {after}"),
            ]);
        }
        write!(self.output, "{summary}")?;
        for TableRows { table, rows } in &tables {
            if !rows.is_empty() {
                writeln!(self.output)?;
                self.heading(table)?;
                for row in rows {
                    writeln!(self.output, "{}", line(table, row))?;
                }
                let left = table.inserted + table.updated + table.deleted - rows.len() as u64;
                if left > 0 {
                    let more = format!("  … {left} more; --limit all shows them");
                    writeln!(self.output, "{}", faint(&more))?;
                }
            }
        }
        Ok(())
    }

    /// The table's name, and what it was compared by.
    fn heading(&mut self, table: &TableDifference) -> io::Result<()> {
        let by = match table.key {
            0 => "no common key: whole rows".to_owned(),
            key => format!("key: {}", table.columns[..key].join(", ")),
        };
        writeln!(self.output, "{} ({by})", strong(&table.table))?;
        let alone = table
            .columns_before
            .iter()
            .map(|column| (column, &self.names[0]));
        let alone = alone.chain(
            table
                .columns_after
                .iter()
                .map(|column| (column, &self.names[1])),
        );
        if table.only.is_none() {
            for (column, name) in alone {
                writeln!(
                    self.output,
                    "{}",
                    faint(&format!("  not compared: {column}, which only {name} has"))
                )?;
            }
        }
        Ok(())
    }
}

/// `+` for what is new, `~` for what was there, `-` for what is gone.
fn mark(before: bool, after: bool) -> char {
    match (before, after) {
        (true, true) => '~',
        (true, false) => '-',
        (false, _) => '+',
    }
}

/// `2 new, 1 gone`.
fn numbers(marks: &[char], [new, changed, gone]: [&str; 3]) -> String {
    let numbers = [('+', new), ('~', changed), ('-', gone)].map(|(mark, what)| {
        let number = marks.iter().filter(|other| **other == mark).count();
        (number > 0).then(|| format!("{number} {what}"))
    });
    let numbers: Vec<String> = numbers.into_iter().flatten().collect();
    match numbers.is_empty() {
        true => "the same".to_owned(),
        false => numbers.join(", "),
    }
}

fn line(table: &TableDifference, row: &RowDifference) -> String {
    let (mark, text) = words::row(table, row);
    marked(mark, &text)
}

/// The lines of two texts that are not the same at their beginnings and ends.
fn lines<'t>(before: &'t str, after: &'t str) -> impl Iterator<Item = (char, &'t str)> {
    let [mut one, mut other]: [Vec<&str>; 2] = [before, after].map(|text| text.lines().collect());
    let same = one
        .iter()
        .zip(&other)
        .take_while(|(one, other)| one == other)
        .count();
    one.drain(..same);
    other.drain(..same);
    let tails = one.iter().rev().zip(other.iter().rev());
    let same = tails.take_while(|(one, other)| one == other).count();
    one.truncate(one.len() - same);
    other.truncate(other.len() - same);
    let gone = one.into_iter().map(|line| ('-', line));
    gone.chain(other.into_iter().map(|line| ('+', line)))
}

fn size(facts: &FileFacts) -> String {
    facts
        .bytes
        .map_or_else(|| facts.kind.to_owned(), format_size)
}

fn changed(before: &FileFacts, after: &FileFacts) -> String {
    if before.kind != after.kind || before.bytes != after.bytes {
        format!("{} → {}", size(before), size(after))
    } else if before.mode != after.mode {
        format!("mode {:o} → {:o}", before.mode, after.mode)
    } else {
        size(before)
    }
}

fn marked(mark: char, text: &str) -> String {
    let colour = match mark {
        '+' => "32",
        '-' => "31",
        _ => "33",
    };
    format!("  \x1b[{colour}m{mark}\x1b[0m {text}")
}

fn strong(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

fn faint(text: &str) -> String {
    format!("\x1b[2m{text}\x1b[0m")
}
