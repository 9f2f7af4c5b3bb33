// SPDX-License-Identifier: GPL-2.0

//! The two layouts of a structure: what a 32-bit client writes comes out where traps look for it,
//! and the other way round.

use crate::{
    abi::{
        args::{self, ArgStruct},
        compat::Narrow,
    },
    checks::csv,
};

/// Every byte other than all others.
fn pattern(size: usize) -> Vec<u8> {
    (1..=size).map(|byte| byte as u8).collect()
}

fn find<'a>(structs: &'a [csv::Struct], name: &str) -> &'a csv::Struct {
    structs.iter().find(|s| s.name == name).unwrap()
}

/// Checks the members of a structure that has no structures in it.
fn check<T: ArgStruct>(name: &str) {
    let narrow: &Narrow = T::NARROW.unwrap();
    let (wide_structs, narrow_structs) = (csv::structs(csv::STRUCTS), csv::structs(csv::STRUCTS32));
    let (wide, thin) = (find(&wide_structs, name), find(&narrow_structs, name));
    assert_eq!((narrow.size, narrow.wide_size), (thin.size, wide.size));
    assert_eq!(narrow.wide_size, size_of::<T>());
    assert!(narrow.size < narrow.wide_size);

    let from = pattern(thin.size);
    let mut to = vec![0; wide.size];
    narrow.widen(&from, &mut to);
    for (a, b) in wide.fields.iter().zip(&thin.fields) {
        assert_eq!(a.name, b.name);
        let mut expected = from[b.offset..b.offset + b.size].to_vec();
        expected.resize(a.size, 0);
        assert_eq!(
            to[a.offset..a.offset + a.size],
            expected,
            "{name}.{}",
            a.name
        );
    }

    let mut back = vec![0; thin.size];
    narrow.narrow(&to, &mut back);
    assert_eq!(back, from);
}

#[test]
fn members_change_places_as_the_data_say() {
    check::<args::PathAtArgs>("path_at_args");
    check::<args::MachPortRequestNotificationArgs>("mach_port_request_notification_args");
    check::<args::MachPortGetAttributesArgs>("mach_port_get_attributes_args");
    check::<args::MachPortTypeArgs>("mach_port_type_args");
    check::<args::TaskForPidArgs>("task_for_pid");
    check::<args::PidForTaskArgs>("pid_for_task");
    check::<args::VchrootFdpathArgs>("vchroot_fdpath_args");
}

#[test]
fn structures_in_structures_are_taken_apart() {
    let narrow = args::SigprocessArgs::NARROW.unwrap();
    let from = pattern(140);
    let mut to = vec![0; 148];
    narrow.widen(&from, &mut to);
    assert_eq!(to[..4], from[..4]);
    assert_eq!(to[4..8], from[4..8]);
    assert_eq!(to[8..12], [0; 4]);
    assert_eq!(to[12..16], from[8..12]);
    assert_eq!(to[16..20], [0; 4]);
    assert_eq!(to[20..], from[12..]);
}

#[test]
fn what_does_not_differ_is_not_changed() {
    assert!(args::MachMsgOverwriteArgs::NARROW.is_none());
    assert!(args::MachPortAllocateArgs::NARROW.is_none());
    assert!(args::KernelPrintkArgs::NARROW.is_none());
}

#[test]
fn bytes_that_are_missing_are_zero() {
    let narrow = args::PidForTaskArgs::NARROW.unwrap();
    let mut to = [0; 12];
    narrow.widen(&[1, 2, 3], &mut to);
    assert_eq!(to[..4], [0; 4]);
}
