// SPDX-License-Identifier: GPL-2.0

//! The files that fuzzing found interesting (tests/corpus/loader), once each.

use crate::input::run;

#[test]
fn files_of_the_corpus_are_refused_or_safe() {
    let mut count = 0;
    let mut accepted = 0;
    for entry in std::fs::read_dir("tests/corpus/loader").unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        accepted += usize::from(run(&input));
        count += 1;
    }
    assert!(
        count > 100 && accepted > 10,
        "{accepted} of {count} accepted"
    );
}
