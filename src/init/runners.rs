//! How a project runs its tests, told by the files that its tools want.

use super::tree::{Tree, has_ending, split};

/// A way to run the tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Runner {
    /// The entry's name in the spec; the tool's.
    pub(super) name: &'static str,
    /// The entry's further keys, one a line.
    pub(super) lines: Vec<String>,
}

/// The runners that the project's files speak for. Rust's own is not among them, as Cowherd runs it
/// itself: see [`is_cargo`].
pub(super) fn find(tree: &Tree) -> Vec<Runner> {
    let mut runners = Vec::new();
    let mut add = |name, lines: &[&str]| {
        runners.push(Runner {
            name,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        });
    };
    if has_pytest(tree) {
        add(
            "pytest",
            &[
                "discover: pytest --collect-only -q | grep '::'",
                "command: [pytest, -q, \"{test}\"]",
            ],
        );
    } else if tree.has("manage.py") {
        add("django", &["command: python manage.py test"]);
    }
    let package = tree.text("package.json");
    if package.contains("\"test\":") && !package.contains("no test specified") {
        let command = match tree.first_of(&["pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb"])
        {
            Some("pnpm-lock.yaml") => "command: pnpm test",
            Some("yarn.lock") => "command: yarn test",
            Some(_) => "command: bun run test",
            None => "command: npm test",
        };
        add("node", &[command]);
    }
    if tree.has("go.mod") {
        add(
            "go",
            &[
                "discover: go list ./...",
                "command: [go, test, \"{test}\"]",
                "environment: { GOCACHE: /tmp/go-build }",
            ],
        );
    }
    let below = |folder: &str| tree.files().any(|file| file.starts_with(folder));
    if tree.has("Gemfile") && below("spec/") {
        add("rspec", &["command: bundle exec rspec"]);
    } else if tree.has("bin/rails") && below("test/") {
        add("rails", &["command: bin/rails test"]);
    }
    if tree.has("mix.exs") {
        add("mix", &["command: mix test"]);
    }
    if tree.has("pom.xml") {
        add("maven", &["command: mvn --offline test"]);
    }
    if tree
        .first_of(&["build.gradle", "build.gradle.kts"])
        .is_some()
    {
        add("gradle", &["command: ./gradlew --offline test"]);
    }
    if tree
        .first_of(&["phpunit.xml", "phpunit.xml.dist"])
        .is_some()
    {
        add("phpunit", &["command: vendor/bin/phpunit"]);
    }
    let make = tree.first_of(&["Makefile", "makefile", "GNUmakefile"]);
    let target = |line: &str| line.starts_with("test:");
    if make.is_some_and(|file| tree.text(file).lines().any(target)) {
        add("make", &["command: make test"]);
    }
    runners
}

/// Whether there are Rust tests.
pub(super) fn is_cargo(tree: &Tree) -> bool {
    tree.has("Cargo.toml")
}

fn has_pytest(tree: &Tree) -> bool {
    let named = |file: &str| tree.text(file).contains("pytest");
    let by_name = |file: &str| {
        let (_, name) = split(file);
        name == "conftest.py" || (name.starts_with("test_") && has_ending(name, "py"))
    };
    tree.has("pytest.ini")
        || [
            "pyproject.toml",
            "setup.cfg",
            "tox.ini",
            "requirements.txt",
            "requirements-dev.txt",
        ]
        .into_iter()
        .any(named)
        || (!tree.has("manage.py") && tree.files().any(by_name))
}
