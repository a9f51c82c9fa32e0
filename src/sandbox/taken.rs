//! How much memory a container takes, as the kernel counts it.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// The folders that every container has in memory for itself.
const IN_MEMORY: [&str; 3] = ["run", "tmp", "dev/shm"];

/// What the kernel keeps for itself of a container with a few processes, in bytes: page tables, stacks, mounts.
const KERNEL: u64 = 2 << 20;

/// What the container whose init has this process id takes, in bytes: its processes, each with its share of the pages
/// that several map (`Pss`, `proc_pid_smaps(5)`), its files in memory, and what the kernel usually keeps of one. `None`
/// once the container is gone.
pub fn memory_taken(init: i32) -> Option<u64> {
    let root = Path::new("/proc").join(init.to_string()).join("root");
    // The container's own processes, by their numbers there: all of them, whoever has adopted them.
    let processes = fs::read_dir(root.join("proc")).ok()?.flatten();
    let numbered = processes.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    // One that ended meanwhile takes nothing.
    let mapped = numbered.filter_map(|process| share(&process.path().join("smaps_rollup")));
    let files = IN_MEMORY
        .iter()
        .filter_map(|folder| used(&root.join(folder)));
    Some(mapped.sum::<u64>() + files.sum::<u64>() + KERNEL)
}

fn share(rollup: &Path) -> Option<u64> {
    let text = fs::read_to_string(rollup).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The bytes that the files of a file system take.
fn used(folder: &Path) -> Option<u64> {
    let system = statvfs(folder).ok()?;
    Some((system.blocks() - system.blocks_free()) * system.fragment_size())
}
