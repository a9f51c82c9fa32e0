//! A whole run as a person sees it.

use super::shop;
use crate::support::{assert_looks, userns};

#[test]
fn a_run_of_all_kinds_of_tests_looks_so() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: address, command: 'case $DATABASE_URL in sqlite:///*) ;; *) exit 1 ;; esac'",
        "name: checks, each: 'checks/*.sql'",
        "name: flaky, command: 'test -e open/been || { touch open/been; echo at first; exit 1; }', files: host, retries: 2",
        "name: slow, command: 'echo waiting; sleep 1000', timeout: 250ms",
        "name: crash, command: 'kill -SEGV $$'",
        "name: found, discover: 'echo one; echo two', command: ['/bin/sh', '-c', 'echo \"$0\"; test $0 = one', '{test}']",
    ])
    .file("checks/good.sql", "UPDATE t SET x = 2;")
    .file("checks/bad.sql", "SELECT x FROM t;\nINSERT INTO u\nVALUES (1);\n")
    .open_folder("open");
    let ended = project.run(&["run", "-j", "1"]).code(100);
    assert_looks("run/all-kinds.txt", &project, &ended.stderr);
    assert_eq!(ended.stdout, "");
}
