// SPDX-License-Identifier: GPL-2.0

//! `src/abi` is what the data say, and the generated assertions leave nothing out.

use super::csv::{
    structs,
    traps,
    STRUCTS,
    TRAPS, //
};
use crate::abi::{
    nr,
    API_VERSION, //
};

/// The file that `src/abi/layout.rs` includes.
const GENERATED: &str = include_str!(concat!(
    env!("MACH_OBJTREE"),
    "/src/abi/layout_generated.rs"
));

#[test]
fn trap_table_is_that_of_the_data() {
    let rows = traps();
    assert_eq!(rows.len(), nr::COUNT);
    for (row, trap) in rows.iter().zip(nr::TRAPS) {
        assert_eq!(row.number, trap.number, "{}", row.name);
        assert_eq!(row.name, trap.name);
        assert_eq!(row.group, trap.group, "{}", row.name);
    }
}

#[test]
fn trap_look_up_knows_exactly_the_82_numbers() {
    assert_eq!(nr::index(nr::FIRST), Some(0));
    assert_eq!(nr::index(0x1051), Some(81));
    for outside in [0, 1, 0xfff, 0x1052, 0x5421, 0x8000_1000, u32::MAX] {
        assert_eq!(nr::index(outside), None, "{outside:#x}");
        assert_eq!(nr::lookup(outside), None, "{outside:#x}");
    }
    for trap in nr::TRAPS {
        assert_eq!(nr::lookup(trap.number), Some(trap));
    }
}

#[test]
fn trap_constants_bear_the_official_names() {
    assert_eq!(nr::GET_API_VERSION, 0x1000);
    assert_eq!(nr::MACH_PORT_MOD_REFS, 0x1002);
    assert_eq!(nr::TASK_SELF, 0x1003);
    assert_eq!(nr::MACH_MSG_OVERWRITE, 0x1006);
    assert_eq!(nr::MACH_PORT_MOVE_MEMBER, 0x101c);
    assert_eq!(nr::TASK_FOR_PID, 0x1022);
    assert_eq!(nr::MACH_VM_ALLOCATE, 0x1037);
    assert_eq!(nr::CLOSING_DESCRIPTOR, 0x1051);
    for trap in traps() {
        let name = trap.name.strip_prefix("_kernelrpc_").unwrap_or(&trap.name);
        let name = name.strip_suffix("_trap").unwrap_or(name).to_uppercase();
        has(&format!("assert!(nr::{name} == {:#x});", trap.number));
    }
}

#[test]
fn version_is_that_of_the_data() {
    let told = format!("API version ({API_VERSION})");
    assert!(TRAPS.lines().nth(1).unwrap().contains(&told));
}

#[test]
fn every_size_offset_and_member_of_the_data_is_asserted() {
    let mut asserted = 0;
    for s in structs(STRUCTS) {
        let name = rust_name(&s.name);
        has(&format!(
            "assert!(::core::mem::size_of::<args::{name}>() == {});",
            s.size
        ));
        for field in &s.fields {
            let (member, offset, size) = (&field.name, field.offset, field.size);
            has(&format!(
                "assert!(::core::mem::offset_of!(args::{name}, {member}) == {offset});"
            ));
            has(&format!(
                "assert!(member_size(|s: args::{name}| s.{member}) == {size});"
            ));
        }
        asserted += 1 + 2 * s.fields.len();
    }
    // The rest: a line for each number, the count of them, and the version.
    assert_eq!(
        GENERATED.matches("assert!(").count(),
        asserted + nr::COUNT + 2
    );
}

#[test]
fn every_argument_structure_is_asserted_to_be_one() {
    for trap in traps() {
        if let Some(name) = trap.argument.strip_prefix("struct:") {
            has(&format!("assert_argument::<args::{}>();", rust_name(name)));
        }
    }
}

fn has(assertion: &str) {
    let found = GENERATED.lines().any(|line| line.ends_with(assertion));
    assert!(found, "not in the generated file: {assertion}");
}

/// `mach_port_mod_refs_args` is `MachPortModRefsArgs`.
fn rust_name(name: &str) -> String {
    match name {
        "uidgid" => return "UidGid".to_owned(),
        "thread_state" => return "ThreadStatePtrs".to_owned(),
        _ => {}
    }
    let mut rust = String::new();
    for word in name.strip_suffix("_args").unwrap_or(name).split('_') {
        rust.push_str(&word[..1].to_uppercase());
        rust.push_str(&word[1..]);
    }
    rust + "Args"
}
