//! Tree → draft: `tests:`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Files;
use super::draft::{Placed, TestDraft};
use super::problem::{quoted, unknown};
use super::read::{Reader, Slot};
use crate::units::parse_duration;

/// As many threads as a run has, whatever `-j` says; nextest's word for it.
const ALL_THREADS: &str = "num-test-threads";

impl Reader<'_> {
    pub(super) fn tests(&mut self, slot: &Slot<'_>) -> Vec<TestDraft> {
        let tests = self.list(slot).unwrap_or_default();
        tests.iter().filter_map(|test| self.test(test)).collect()
    }

    fn test(&mut self, test: &Slot<'_>) -> Option<TestDraft> {
        let test = Slot {
            what: "a test".into(),
            ..*test
        };
        let known = [
            "name",
            "snapshot",
            "command",
            "each",
            "discover",
            "timeout",
            "retries",
            "threads_required",
            "environment",
            "working_dir",
            "files",
            "mem_limit",
            "pids_limit",
            "cpus",
            "copy_up",
        ];
        let fields = self.fields(&test, &known)?;
        let mut draft = TestDraft {
            place: fields.head,
            name: self.field(&fields, "name", Self::text),
            snapshot: self.field(&fields, "snapshot", Self::word),
            command: self.field(&fields, "command", Self::command),
            each: self.field(&fields, "each", Self::words),
            discover: self.field(&fields, "discover", Self::command),
            timeout: None,
            retries: None,
            threads_required: 1,
            environment: BTreeMap::new(),
            working_dir: None,
            files: Files::default(),
            limits: self.limits(&fields),
        };
        if let Some(slot) = fields.get("timeout")
            && let Some(text) = self.word(&slot)
        {
            let place = slot.place();
            match parse_duration(&text) {
                Ok(value) => draft.timeout = Some(Placed { value, place }),
                Err(error) => self.fault(place, format!("`timeout`: {error}")),
            }
        }
        if let Some(slot) = fields.get("retries")
            && let Some(text) = self.word(&slot)
        {
            draft.retries = text.trim().parse().ok();
            if draft.retries.is_none() {
                let message = format!(
                    "`retries` must be a whole number of at least 0, not {}",
                    quoted(&text)
                );
                self.fault(slot.place(), message);
            }
        }
        if let Some(slot) = fields.get("threads_required")
            && let Some(text) = self.word(&slot)
        {
            match text.trim() {
                ALL_THREADS => draft.threads_required = usize::MAX,
                number => match number.parse() {
                    Ok(threads) if threads > 0 => draft.threads_required = threads,
                    _ => {
                        let message = format!(
                            "`threads_required` must be a whole number of at least 1, or {ALL_THREADS}, not {}",
                            quoted(&text)
                        );
                        self.fault(slot.place(), message);
                    }
                },
            }
        }
        if let Some(slot) = fields.get("environment") {
            draft.environment = self.environment(&slot);
        }
        if let Some(slot) = fields.get("working_dir") {
            draft.working_dir = self.word(&slot).map(PathBuf::from);
        }
        if let Some(slot) = fields.get("files")
            && let Some(text) = self.word(&slot)
        {
            match text.as_str() {
                "copy" => draft.files = Files::Copy,
                "host" => draft.files = Files::Host,
                other => self.fault(
                    slot.place(),
                    unknown("value of `files`", other, ["copy", "host"]),
                ),
            }
        }
        Some(draft)
    }
}
