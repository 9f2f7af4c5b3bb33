// SPDX-License-Identifier: GPL-2.0

//! What must hold of every plan, whatever the file: mapping relies on it.

use crate::macho::{ImagePlan, Prot, Role, PAGE_SIZE};

/// The invariants of a plan, which mapping relies on.
pub fn check(plan: &ImagePlan, role: Role, file_size: u64) {
    let width = plan.width();
    let span = plan.span();
    let end = span.start.checked_add(span.size).unwrap();
    assert!(span.size > 0 && end <= width.commpage());
    if role == Role::Dylinker {
        assert!(plan.entry_address().is_some());
        assert!(plan.page_zero().is_none() && plan.is_slidable());
    }

    for (n, seg) in plan.segments().iter().enumerate() {
        for value in [seg.vmaddr, seg.vmsize, seg.fileoff] {
            assert_eq!(value % PAGE_SIZE, 0);
        }
        let seg_end = seg.vmaddr.checked_add(seg.vmsize).unwrap();
        assert!(seg.vmsize > 0 && seg.filesize <= seg.vmsize);
        assert!(seg.fileoff.checked_add(seg.filesize).unwrap() <= file_size);
        assert_eq!(seg.file_pages() + seg.zero_pages(), seg.vmsize);
        assert!(seg.maxprot.contains(seg.initprot) && seg.maxprot.bits() <= 7);
        if let Some(tail) = seg.stale_tail(file_size) {
            assert!(tail < PAGE_SIZE && tail <= seg.file_pages());
        }
        if seg.is_page_zero() {
            assert!(seg.vmsize <= width.span_max());
        } else {
            assert!(seg.vmaddr >= span.start && seg_end <= end);
            if !plan.is_slidable() {
                assert!(seg.vmaddr >= width.fixed_start() && seg_end <= width.fixed_end());
            }
        }
        for other in &plan.segments()[..n] {
            let other_end = other.vmaddr + other.vmsize;
            assert!(other_end <= seg.vmaddr || seg_end <= other.vmaddr);
        }
    }

    if let Some(entry) = plan.entry_address() {
        assert!(plan.segments().iter().any(|seg| {
            seg.initprot.contains(Prot::EXECUTE)
                && (seg.vmaddr..seg.vmaddr + seg.vmsize).contains(&entry)
        }));
    }
    assert!(plan
        .segments()
        .iter()
        .any(|seg| seg.vmaddr == plan.header() && seg.fileoff == 0 && seg.filesize >= 28));
}
