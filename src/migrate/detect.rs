//! Which tool a folder belongs to, where the user has not said so.

use std::fs;
use std::path::Path;

use super::folder::{self, Entry};
use super::foreign::{self, Foreign, Marked};
use super::{MigrateError, Tool, dbmate, flyway_name, natural_order, plain, refinery, sqlx};

/// The tool, when there is one reading only. `history`: whether it matters in which table a tool notes what it applied.
pub(super) fn detect(dir: &Path, history: bool) -> Result<Tool, MigrateError> {
    let listing = folder::list(dir, "")?;
    if let Some((tool, evidence)) = foreign_layout(dir, &listing)? {
        return Err(MigrateError::Foreign {
            tool,
            evidence: Some(evidence),
        });
    }
    let folders = listing.folders.iter();
    let diesel: Vec<&Entry> = folders
        .filter(|folder| folder.path.join("up.sql").is_file())
        .collect();
    if !diesel.is_empty() {
        let names = diesel.iter().map(|folder| folder.name.as_str());
        return check_text_order(Tool::Diesel, names);
    }
    if let Some(program) = listing.files.iter().find(|file| refinery::is_program(file)) {
        return Err(MigrateError::Program {
            name: program.name.clone(),
        });
    }
    let scripts: Vec<&Entry> = listing
        .files
        .iter()
        .filter(|file| file.sql_stem().is_some())
        .collect();
    for file in &scripts {
        match foreign::marked(&folder::head(&file.path)?) {
            Some(Marked::Dbmate) => {
                let seen = scripts
                    .iter()
                    .filter(|file| dbmate::version(file).is_some());
                return check_text_order(Tool::Dbmate, seen.map(|file| file.name.as_str()));
            }
            Some(Marked::Foreign(tool)) => {
                return Err(MigrateError::Foreign {
                    tool,
                    evidence: Some(file.name.clone()),
                });
            }
            None => {}
        }
    }
    let deep = folder::list_deep(dir)?;
    if let Some(ours) = deep.iter().find(|file| flyway_name::is_migration(file)) {
        return detect_flyway(dir, ours, &deep);
    }
    if scripts.is_empty() {
        return Err(MigrateError::Empty { tool: None });
    }
    if let Some(pair) = scripts.iter().find(|file| is_directed(file)) {
        return detect_pairs(dir, pair, &scripts, history);
    }
    if has_sqlx(dir, &scripts)? {
        return Ok(Tool::Sqlx);
    }
    check_order(&scripts)?;
    Ok(Tool::Sql)
}

/// Refuses numbers of different lengths where the tool compares them as text.
fn check_text_order<'a>(
    tool: Tool,
    names: impl Iterator<Item = &'a str>,
) -> Result<Tool, MigrateError> {
    let mut natural: Vec<&str> = names.collect();
    natural.sort_by(|a, b| natural_order(a, b));
    match natural.windows(2).find(|pair| pair[0] > pair[1]) {
        None => Ok(tool),
        Some(pair) => Err(MigrateError::Ambiguous {
            why: format!(
                "{tool} compares names as text and runs `{}` before `{}`, which their numbers don't say",
                pair[1], pair[0]
            ),
            remedies: vec![(tool, "keeps to that")],
        }),
    }
}

/// Tools that show in the names of files and folders.
fn foreign_layout(
    dir: &Path,
    listing: &folder::Listing,
) -> Result<Option<(Foreign, String)>, MigrateError> {
    for folder in &listing.folders {
        if folder.path.join("migration.sql").is_file() {
            let evidence = format!("{}/migration.sql", folder.name);
            return Ok(Some((Foreign::Prisma, evidence)));
        }
        if folder.name == "versions" && listing.files.iter().any(|file| file.name == "env.py") {
            return Ok(Some((Foreign::Alembic, "env.py".into())));
        }
    }
    let has = |name: &str| dir.join(name).is_file();
    if has("sqitch.plan") {
        return Ok(Some((Foreign::Sqitch, "sqitch.plan".into())));
    }
    for file in &listing.files {
        let numbered = !plain::number(file.file_name()).is_empty();
        let extension = file
            .name
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        let tool = match extension {
            "rb" if numbered => Foreign::Rails,
            "py" if numbered && has("__init__.py") => Foreign::Django,
            "xml" | "yaml" | "yml" if names_liquibase(&folder::head(&file.path)?) => {
                Foreign::Liquibase
            }
            _ => continue,
        };
        return Ok(Some((tool, file.name.clone())));
    }
    Ok(None)
}

fn names_liquibase(head: &[u8]) -> bool {
    head.windows(b"databaseChangeLog".len())
        .any(|part| part == b"databaseChangeLog")
}

fn detect_flyway(dir: &Path, ours: &Entry, deep: &[Entry]) -> Result<Tool, MigrateError> {
    if depends_on(dir, "refinery") {
        return Ok(Tool::Refinery);
    }
    match deep
        .iter()
        .find(|file| file.sql_stem().is_some() && !flyway_name::is_known(file))
    {
        None => Ok(Tool::Flyway),
        Some(other) => Err(MigrateError::Ambiguous {
            why: format!(
                "`{}` is named for Flyway, `{}` is not",
                ours.name, other.name
            ),
            remedies: vec![
                (Tool::Flyway, "leaves the others out"),
                (Tool::Sql, "runs every file of the folder by name"),
            ],
        }),
    }
}

/// Whether the name ends in `.up.sql` or `.down.sql`.
fn is_directed(file: &Entry) -> bool {
    let stem = file.sql_stem().unwrap_or_default();
    [".up", ".down"]
        .iter()
        .any(|direction| stem.ends_with(direction))
}

/// Pairs `1_a.up.sql`, `1_a.down.sql`: sqlx and golang-migrate apply them in the same order.
fn detect_pairs(
    dir: &Path,
    pair: &Entry,
    scripts: &[&Entry],
    history: bool,
) -> Result<Tool, MigrateError> {
    if has_sqlx(dir, scripts)? {
        return Ok(Tool::Sqlx);
    }
    let project_of = |file: &str| {
        folder::find_above(dir, |folder| folder.join(file).is_file().then_some(())).is_some()
    };
    if project_of("go.mod") {
        return Ok(Tool::GolangMigrate);
    }
    let single = scripts.iter().find(|file| !is_directed(file));
    match single {
        None if !history || project_of("Cargo.toml") => Ok(Tool::Sqlx),
        None => Err(MigrateError::Ambiguous {
            why: format!(
                "`{}` may be sqlx's or golang-migrate's, which note in different tables what they have applied",
                pair.name
            ),
            remedies: vec![
                (Tool::GolangMigrate, "fills `schema_migrations`"),
                (Tool::Sqlx, "fills `_sqlx_migrations`"),
            ],
        }),
        Some(single) => Err(MigrateError::Ambiguous {
            why: format!(
                "`{}` has a direction, `{}` has none: sqlx applies both, golang-migrate only the first",
                pair.name, single.name
            ),
            remedies: vec![
                (Tool::Sqlx, "applies all but `.down.sql`"),
                (Tool::GolangMigrate, "applies `.up.sql` only"),
            ],
        }),
    }
}

/// Whether something beside the files says that the project uses sqlx.
fn has_sqlx(dir: &Path, scripts: &[&Entry]) -> Result<bool, MigrateError> {
    let marked = folder::find_above(dir, |folder| {
        let marked = folder.join("sqlx.toml").is_file() || folder.join(".sqlx").is_dir();
        marked.then_some(())
    });
    if marked.is_some() || depends_on(dir, "sqlx") {
        return Ok(true);
    }
    for file in scripts {
        if folder::head(&file.path)?.starts_with(sqlx::NO_TRANSACTION) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the `Cargo.toml` of the folder's package names the crate as a dependency.
fn depends_on(dir: &Path, name: &str) -> bool {
    let named = folder::find_above(dir, |folder| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let found = text.lines().any(|line| names_crate(line, name));
        found.then_some(())
    });
    named.is_some()
}

/// Whether a line of a `Cargo.toml` is `name = …`, `name.workspace = …` or `[….name]`.
fn names_crate(line: &str, name: &str) -> bool {
    let line = line.trim();
    match line.strip_prefix('[') {
        Some(table) => table
            .trim_end_matches(']')
            .ends_with(&format!("dependencies.{name}")),
        None => line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.') || rest.trim_start().starts_with('=')),
    }
}

/// Refuses orders on which tools, or people, would differ.
fn check_order(scripts: &[&Entry]) -> Result<(), MigrateError> {
    let ambiguous = |why, remedies| Err(MigrateError::Ambiguous { why, remedies });
    let number = |file: &Entry| plain::number(file.sql_stem().unwrap_or_default()).to_owned();
    let (numbered, bare): (Vec<&Entry>, Vec<&Entry>) =
        scripts.iter().partition(|file| !number(file).is_empty());
    if let (Some(first), Some(bare)) = (numbered.first(), bare.first()) {
        return ambiguous(
            format!("`{}` has a number, `{}` has none", first.name, bare.name),
            vec![
                (Tool::Sql, "runs them all, numbers first"),
                (Tool::Sqlx, "runs the numbered ones only"),
            ],
        );
    }
    let mut natural = scripts.to_vec();
    natural.sort_by(|a, b| natural_order(&a.name, &b.name));
    for pair in natural.windows(2) {
        let (a, b) = (number(pair[0]), number(pair[1]));
        if plain::same_number(&a, &b) {
            return ambiguous(
                format!(
                    "`{}` and `{}` have the same number",
                    pair[0].name, pair[1].name
                ),
                vec![(Tool::Sql, "runs them in natural order")],
            );
        }
    }
    let differs = natural.windows(2).find(|pair| pair[0].name > pair[1].name);
    match differs {
        None => Ok(()),
        Some(pair) => ambiguous(
            format!(
                "some tools compare names as text and run `{}` before `{}`, others compare the numbers",
                pair[1].name, pair[0].name
            ),
            vec![
                (Tool::Sql, "compares the numbers"),
                (Tool::Sqlx, "does too, one transaction each"),
            ],
        ),
    }
}
