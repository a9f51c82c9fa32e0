//! What a PostgreSQL container takes before its test has written anything.

use crate::fixture::{Fixture, ask, connect};
use crate::process;
use crate::table::{Samples, Table, Target};

/// Several containers live at once: what they share counts once.
pub(crate) fn memory(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    const MB: f64 = 1024.0 * 1024.0;
    let state = &fixture.shop;
    let count = if fixture.quick { 4 } else { 30 };
    let before = process::available_memory()?;
    let mut live = Vec::new();
    for _ in 0..count {
        let container = fixture.container(state)?;
        ask(&mut connect(state, &container)?)?;
        live.push(container);
    }
    let taken = (before - process::available_memory()?) / f64::from(count);
    let (mut mapped, mut copied, mut both) = Default::default();
    let (mapped, copied, both): (&mut Samples, &mut Samples, &mut Samples) =
        (&mut mapped, &mut copied, &mut both);
    for container in &live {
        let family = process::family(container.container.pid());
        let memory = family.into_iter().map(process::proportional_memory);
        let memory = memory.sum::<anyhow::Result<f64>>()?;
        let files = container.container.copied_up().bytes as f64 / MB;
        mapped.0.push(memory);
        copied.0.push(files);
        both.0.push(memory + files);
    }
    let largest = live[0].container.copied_up();
    drop(live);
    table.head(format!(
        "PostgreSQL: {count} live containers after their first answer, each"
    ));
    table.row("memory that its processes map (PSS)", "MB", mapped, None);
    table.row(
        "files written or copied up, in memory",
        "MB",
        copied,
        Some(Target::AtMost(4.0)),
    );
    table.row("both", "MB", both, Some(Target::AtMost(16.0)));
    table.row(
        "what the machine has less available, kernel included",
        "MB",
        &Samples(vec![taken]),
        Some(Target::AtMost(16.0)),
    );
    let names = largest.files.iter().filter(|(_, bytes)| *bytes > 0);
    let names: Vec<String> = names
        .map(|(path, bytes)| format!("{} {} K", path.display(), bytes / 1024))
        .collect();
    table.note(format!(
        "{} files in the writable layer, the largest: {}",
        largest.files.len(),
        names[..names.len().min(12)].join(", ")
    ));
    Ok(())
}
