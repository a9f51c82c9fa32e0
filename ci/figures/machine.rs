//! The machine, in words, as far as figures depend on it.

use std::fs;

use cowherd::disk;

use crate::fixture::Fixture;

/// The head of the table.
pub(crate) fn describe(fixture: &Fixture) -> anyhow::Result<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let folder = fixture.project.store().path();
    let reflink = match disk::can_reflink(folder)? {
        true => "with reflinks",
        false => "without reflinks",
    };
    let identity = fixture.project.on().identity;
    Ok(format!(
        "Linux {}, {} × {}, {:.1} GiB, store on {} {reflink}, {}\n\
         {} {}, SQLite {}, Cowherd {}, load average at the start {}{}",
        read("/proc/sys/kernel/osrelease").trim(),
        std::thread::available_parallelism()?,
        field(&read("/proc/cpuinfo"), "model name"),
        memory as f64 / f64::from(1 << 20),
        disk::file_system(folder)?.kind,
        if identity.is_root() {
            "as root"
        } else {
            "as an ordinary user"
        },
        fixture.shop.services[0].name(),
        fixture.shop.services[0].version(),
        fixture.lite.services[0].version(),
        env!("CARGO_PKG_VERSION"),
        load.join(" "),
        if fixture.quick { ", --quick" } else { "" },
    ))
}
