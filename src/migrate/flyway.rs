//! Flyway: versioned, repeatable and baseline migrations with their callbacks, after `DbMigrate` and
//! `ResolvedMigrationComparator` of flyway-core.

use std::path::Path;

use super::checksum;
use super::flyway_config::{Project, ScriptConfig};
use super::flyway_name::{Event, Name, Version, parse};
use super::flyway_text::{self, Values};
use super::folder::{self, Entry};
use super::history::{FlywayRow, History};
use super::{Asked, MigrateError, Migration, Tool};

/// What a folder holds, each in its order.
#[derive(Default)]
struct Found {
    versioned: Vec<(Version, String, Entry)>,
    baselines: Vec<(Version, String, Entry)>,
    repeatable: Vec<(String, Entry)>,
    callbacks: Vec<(Event, String, Entry)>,
}

/// What `flyway migrate` runs on an empty database: the newest baseline, the versions above it, then the repeatable
/// migrations by description, with the callbacks around them; and what makes its table.
pub(super) fn migrations(
    dir: &Path,
    asked: &Asked<'_>,
    history: Option<History>,
) -> Result<(Vec<Migration>, Option<String>), MigrateError> {
    let project = Project::find(dir)?;
    let mut found = find(dir)?;
    if let Some(baseline) = found.baselines.pop() {
        found
            .versioned
            .retain(|(version, ..)| *version > baseline.0);
        found.versioned.insert(0, baseline);
    }
    let mut run = Run {
        values: Values::new(&project, asked),
        project: &project,
        asked,
        history,
        callbacks: found.callbacks,
        migrations: Vec::new(),
        rank: 0,
    };
    for event in [
        Event::BeforeValidate,
        Event::AfterValidate,
        Event::BeforeMigrate,
    ] {
        run.callbacks(event)?;
    }
    for (version, description, file) in found.versioned {
        run.migration(file, Some(version), description)?;
    }
    run.callbacks(Event::AfterVersioned)?;
    if !found.repeatable.is_empty() {
        run.callbacks(Event::BeforeRepeatables)?;
    }
    for (description, file) in found.repeatable {
        run.migration(file, None, description)?;
    }
    for event in [
        Event::AfterMigrateApplied,
        Event::AfterMigrate,
        Event::AfterMigrateOperationFinish,
    ] {
        run.callbacks(event)?;
    }
    let migrations = match run.rank {
        // Callbacks alone are no migration.
        0 => Vec::new(),
        _ => run.migrations,
    };
    let table = history.map(|history| history.flyway_table(&project.table));
    Ok((migrations, table))
}

fn find(dir: &Path) -> Result<Found, MigrateError> {
    let mut found = Found::default();
    for file in folder::list_deep(dir)? {
        let Some((name, description)) = parse(&file) else {
            continue;
        };
        match name {
            Name::Versioned(version) => found.versioned.push((version, description, file)),
            Name::Baseline(version) => found.baselines.push((version, description, file)),
            Name::Repeatable => found.repeatable.push((description, file)),
            Name::Callback(event) => found.callbacks.push((event, description, file)),
            Name::Undo | Name::Never => {}
            Name::OutOfReach => return Err(MigrateError::Callback { name: file.name }),
        }
    }
    for set in [&mut found.versioned, &mut found.baselines] {
        set.sort_by(|a, b| a.0.cmp(&b.0));
        for pair in set.windows(2) {
            if pair[0].0.cmp(&pair[1].0).is_eq() {
                return Err(duplicate(&pair[0].0.text, &pair[0].2, &pair[1].2));
            }
        }
    }
    found.repeatable.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in found.repeatable.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(duplicate(&pair[0].0, &pair[0].1, &pair[1].1));
        }
    }
    found.callbacks.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

fn duplicate(version: &str, first: &Entry, second: &Entry) -> MigrateError {
    MigrateError::Duplicate {
        tool: Tool::Flyway,
        version: version.to_owned(),
        first: first.name.clone(),
        second: second.name.clone(),
    }
}

/// The scripts of one `flyway migrate` as they are put together.
struct Run<'a> {
    values: Values<'a>,
    project: &'a Project,
    asked: &'a Asked<'a>,
    history: Option<History>,
    callbacks: Vec<(Event, String, Entry)>,
    migrations: Vec<Migration>,
    rank: usize,
}

impl Run<'_> {
    /// A migration with the callbacks around it.
    fn migration(
        &mut self,
        file: Entry,
        version: Option<Version>,
        description: String,
    ) -> Result<(), MigrateError> {
        let config = ScriptConfig::of(&file, self.project)?;
        if !config.execute {
            return Ok(());
        }
        self.callbacks(Event::BeforeEachMigrate)?;
        self.rank += 1;
        let repeatable = version.is_none();
        let version = version.map(|version| version.text).unwrap_or_default();
        let mut migration = self.script(file, &config)?;
        if let Some(history) = self.history {
            // A repeatable migration is applied again when a placeholder's value changes, a versioned one is not.
            let checksum = match &migration.text {
                Some(text) if repeatable => checksum::flyway(text),
                _ => checksum::flyway(&flyway_text::read(&migration.path, &migration.name)?),
            };
            let kind = match parse_kind(&migration.name) {
                b'B' => "SQL_BASELINE",
                _ => "SQL",
            };
            let row = FlywayRow {
                rank: self.rank,
                version: &version,
                description: &description,
                kind,
                script: &migration.name,
                checksum,
            };
            migration.note = Some(history.flyway(&self.project.table, &row));
        }
        migration.version = version;
        migration.description = description;
        self.migrations.push(migration);
        self.callbacks(Event::AfterEachMigrate)
    }

    fn callbacks(&mut self, event: Event) -> Result<(), MigrateError> {
        let files: Vec<(String, Entry)> = self
            .callbacks
            .iter()
            .filter(|(when, ..)| *when == event)
            .map(|(_, description, file)| (description.clone(), file.clone()))
            .collect();
        for (description, file) in files {
            let config = ScriptConfig::of(&file, self.project)?;
            if config.execute {
                let mut callback = self.script(file, &config)?;
                callback.description = description;
                self.migrations.push(callback);
            }
        }
        Ok(())
    }

    fn script(&self, file: Entry, config: &ScriptConfig) -> Result<Migration, MigrateError> {
        let script = flyway_text::Script::of(&file, self.asked.dialect, config, &self.values)?;
        Ok(Migration {
            path: file.path,
            name: file.name,
            version: String::new(),
            description: String::new(),
            transaction: config.transaction.unwrap_or(!script.alone),
            text: script.text.map(Into::into),
            note: None,
        })
    }
}

/// The first letter of the file's own name.
fn parse_kind(name: &str) -> u8 {
    let own = name.rsplit('/').next().unwrap_or(name);
    own.bytes().next().unwrap_or_default()
}
