//! A database, a cache and a web server in one container, against each of them alone.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use cowherd::container::{Order, ProjectFiles, State};
use cowherd::engine::redis_find;
use cowherd::project::Project;
use cowherd::sandbox::cgroup::Limits;

use crate::fixture::{Fixture, build};
use crate::table::{Samples, Table, Target};

const NGINX: &str = "daemon off; pid /tmp/nginx.pid; events {}
http {
    access_log off;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 127.0.0.1:8080; root .; }
}
";

/// The services of the snapshot with all of them, each as a spec has it.
const SERVICES: [(&str, &str); 3] = [
    ("db", "{ engine: postgres, database: shop }"),
    ("cache", "{ engine: redis }"),
    (
        "web",
        "{ engine: service, command: [nginx, -e, stderr, -p, ., -c, nginx.conf], inputs: [nginx.conf], ports: [8080] }",
    ),
];

/// From nothing until all services are ready.
pub(crate) fn services(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    table.head("Several services in one container: from nothing until all are ready");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    let nginx = folders.any(|folder| folder.join("nginx").is_file());
    if !nginx || redis_find::Places::of_this_host().find(None, None).is_err() {
        table.note("there is no nginx, or no Redis");
        return Ok(());
    }
    let (project, states) = states(fixture)?;
    let mut times = vec![Samples::default(); states.len()];
    for _ in 0..fixture.rounds(100) {
        for (state, times) in states.iter().zip(&mut times) {
            let order = order(&project, state);
            let begun = Instant::now();
            let live = order.start(None)?;
            times.time(begun.elapsed());
            drop(live);
        }
    }
    let (alone, all) = times.split_at(SERVICES.len());
    for ((name, _), times) in SERVICES.iter().zip(alone) {
        table.row(format!("{name} alone"), "ms", times, None);
    }
    let slowest = alone
        .iter()
        .max_by(|a, b| a.median().total_cmp(&b.median()));
    let slowest = slowest.cloned().unwrap_or_default();
    table.row(
        "all three in one container, against the slowest",
        "ms",
        &all[0],
        Some(Target::Times(slowest, Some(1.3))),
    );
    Ok(())
}

fn order(project: &Project, state: &Arc<State>) -> Order {
    Order {
        host: Arc::clone(project.on()),
        state: Arc::clone(state),
        project: ProjectFiles::Copy,
        shown: Vec::new(),
        shared: Vec::new(),
        limits: Limits::default(),
    }
}

/// A snapshot of each service alone, and one of all.
fn states(fixture: &Fixture) -> anyhow::Result<(Project, Vec<Arc<State>>)> {
    let folder = fixture.dir.join("services");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("nginx.conf"), NGINX)?;
    let mut spec = "version: 1\nsnapshots:\n".to_owned();
    for (name, service) in SERVICES {
        spec += &format!("  {name}: {{ services: {{ {name}: {service} }} }}\n");
    }
    spec += "  all:\n    services:\n";
    for (name, service) in SERVICES {
        spec += &format!("      {name}: {service}\n");
    }
    let file = folder.join("cowherd.yaml");
    fs::write(&file, spec)?;
    let project = Project::open(Some(&file))?;
    let mut wanted: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
    wanted.push("all");
    let states = build(&project, &wanted)?;
    Ok((project, states))
}
