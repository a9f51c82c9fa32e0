//! Where reports go, and what happens when they can't go there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cowherd::event::{Event, Totals};
use cowherd::report::{Json, Plain, Report, ReportError, Reports, to_file};
use tempfile::TempDir;

use super::script::{Shared, script};

#[test]
fn an_unknown_kind_names_the_known_ones() {
    let error = to_file("xml", Path::new("x")).err().unwrap();
    assert!(matches!(error, ReportError::UnknownKind { .. }));
    assert!(error.hint().unwrap().contains("junit and json"));
}

#[test]
fn a_path_that_can_not_be_written_is_found_at_the_start() {
    let folder = TempDir::new().unwrap();
    File::create(folder.path().join("file")).unwrap();
    for kind in ["junit", "json"] {
        for path in [
            folder.path().to_path_buf(),
            folder.path().join("file/x"),
            PathBuf::from("/proc/nowhere/x"),
        ] {
            let error = to_file(kind, &path).err().unwrap();
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
        }
    }
}

#[test]
fn an_older_junit_report_does_not_pass_for_this_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("junit.xml");
    fs::write(&path, "old").unwrap();
    let mut report = to_file("junit", &path).unwrap();
    assert!(!path.exists());
    // A test run may clean the folder that the report goes to.
    fs::remove_dir_all(folder.path()).unwrap();
    report
        .event(&Event::RunFinished(Totals::default()))
        .unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("<testsuites"));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no half-written file stays"
    );
}

#[test]
fn a_link_stays_a_link_and_a_device_a_device() {
    let folder = TempDir::new().unwrap();
    let (link, real) = (
        folder.path().join("link.xml"),
        folder.path().join("real.xml"),
    );
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    for path in [link.as_path(), Path::new("/dev/null")] {
        let mut report = to_file("junit", path).unwrap();
        report
            .event(&Event::RunFinished(Totals::default()))
            .unwrap();
    }
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("<testsuites"));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn json_lines_are_there_as_soon_as_the_event_was() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b.json");
    let mut report = to_file("json", &path).unwrap();
    for (number, event) in script().iter().enumerate() {
        report.event(event).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), number + 1);
        assert!(text.ends_with('\n'));
    }
}

/// Fails at every event with the given error.
struct Broken(io::ErrorKind);

impl Report for Broken {
    fn event(&mut self, _: &Event) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_broken_report_stops_no_other() {
    let to = Shared::default();
    let mut reports = Reports::new(Box::new(Broken(io::ErrorKind::BrokenPipe)));
    reports.add("full.json", Box::new(Broken(io::ErrorKind::StorageFull)));
    reports.add("good.json", Box::new(Json::new(Box::new(to.clone()))));
    let events = script();
    for event in &events {
        reports.event(event);
    }
    assert_eq!(to.text().lines().count(), events.len());
    let errors = reports.finish();
    assert_eq!(
        errors.len(),
        1,
        "a closed pipe is no error, a full disk is one, told once"
    );
    assert_eq!(errors[0].to_string(), "can't write the report full.json");
}

#[test]
fn the_console_gets_the_results_after_an_error_of_its_own() {
    /// Can't be written to for a while.
    struct Jammed(u32, Shared);
    impl Write for Jammed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 < 4 {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                self.1.write(bytes)
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let to = Shared::default();
    let mut reports = Reports::new(Box::new(Plain::new(Box::new(Jammed(0, to.clone())), false)));
    for event in script() {
        reports.event(&event);
    }
    assert!(to.text().contains("to run what failed"));
    assert_eq!(reports.finish().len(), 1);
}

#[test]
fn a_closed_pipe_is_an_error_and_no_panic() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut json = Json::new(Box::new(writer.try_clone().unwrap()));
    let mut plain = Plain::new(Box::new(writer), false);
    for event in script() {
        assert_eq!(
            json.event(&event).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
    assert_eq!(
        plain.event(&script()[0]).unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
}
