// SPDX-License-Identifier: GPL-2.0

//! The data themselves are sound.

use super::csv::{
    structs,
    traps,
    Struct,
    STRUCTS,
    STRUCTS32, //
};
use std::collections::HashSet;

#[test]
fn traps_are_82_contiguous_numbers() {
    let numbers: Vec<u32> = traps().iter().map(|trap| trap.number).collect();
    assert_eq!(numbers, (0x1000..=0x1051).collect::<Vec<u32>>());
}

#[test]
fn trap_names_are_unique() {
    let traps = traps();
    let names: HashSet<&str> = traps.iter().map(|trap| &*trap.name).collect();
    assert_eq!(names.len(), traps.len());
}

#[test]
fn trap_arguments_are_nothing_a_value_or_a_known_structure() {
    let known: HashSet<String> = structs(STRUCTS).into_iter().map(|s| s.name).collect();
    for trap in traps() {
        match trap.argument.split_once(':') {
            None => assert_eq!(trap.argument, "none", "{}", trap.name),
            Some(("struct", name)) => assert!(known.contains(name), "{}", trap.name),
            Some((kind, _)) => assert_eq!(kind, "value", "{}", trap.name),
        }
    }
}

#[test]
fn every_structure_is_an_argument_or_part_of_one() {
    let structs = structs(STRUCTS);
    let mut used: HashSet<String> = structs
        .iter()
        .flat_map(|s| &s.fields)
        .map(|field| field.c_type.clone())
        .collect();
    used.extend(
        traps()
            .into_iter()
            .map(|trap| trap.argument.replace(':', " ")),
    );
    for s in &structs {
        assert!(used.contains(&format!("struct {}", s.name)), "{}", s.name);
    }
}

#[test]
fn structures_are_unique_and_so_are_their_members() {
    for text in [STRUCTS, STRUCTS32] {
        let structs = structs(text);
        let names: HashSet<&str> = structs.iter().map(|s| &*s.name).collect();
        assert_eq!(names.len(), structs.len());
        for s in &structs {
            let names: HashSet<&str> = s.fields.iter().map(|field| &*field.name).collect();
            assert_eq!(names.len(), s.fields.len(), "{}", s.name);
        }
    }
}

#[test]
fn members_fill_their_structure_without_gap_or_overlap() {
    for text in [STRUCTS, STRUCTS32] {
        for s in structs(text) {
            let mut end = 0;
            for field in &s.fields {
                assert_eq!(field.offset, end, "{}.{}", s.name, field.name);
                assert!(field.size > 0, "{}.{}", s.name, field.name);
                end += field.size;
            }
            assert_eq!(end, s.size, "{}", s.name);
        }
    }
}

#[test]
fn member_sizes_are_those_of_their_types() {
    for (text, pointer) in [(STRUCTS, 8), (STRUCTS32, 4)] {
        let structs = structs(text);
        for s in &structs {
            for field in &s.fields {
                let size = type_size(&field.c_type, pointer, &structs);
                assert_eq!(field.size, size, "{}.{}", s.name, field.name);
            }
        }
    }
}

fn type_size(c_type: &str, pointer: usize, structs: &[Struct]) -> usize {
    if c_type.ends_with('*') {
        return pointer;
    }
    if let Some(length) = c_type.strip_prefix("char[") {
        return length.trim_end_matches(']').parse().unwrap();
    }
    if let Some(name) = c_type.strip_prefix("struct ") {
        return match name {
            // Linux's, the same on both.
            "siginfo" => 128,
            _ => structs.iter().find(|s| s.name == name).unwrap().size,
        };
    }
    match c_type {
        "unsigned char" => 1,
        "int" | "unsigned int" | "uint32_t" => 4,
        "int64_t" | "uint64_t" | "unsigned long long" => 8,
        other => panic!("{other} is not a type of the data"),
    }
}

#[test]
fn padding_follows_the_member_it_is_named_for_and_says_so() {
    for s in structs(STRUCTS) {
        for (index, field) in s.fields.iter().enumerate() {
            let padded = field
                .name
                .strip_prefix('_')
                .and_then(|n| n.strip_suffix("_padding"));
            let Some(padded) = padded else {
                assert!(!field.note.contains("padding"), "{}.{}", s.name, field.name);
                continue;
            };
            let before = &s.fields[index - 1];
            assert_eq!(before.name, padded, "{}", s.name);
            assert_eq!((before.size + field.size) % 8, 0, "{}.{padded}", s.name);
            assert!(
                field.c_type.starts_with("char["),
                "{}.{}",
                s.name,
                field.name
            );
            assert_eq!(field.note, "padding, ignored (send zero)");
        }
    }
}

#[test]
fn layout_of_32_bit_clients_differs_by_pointers_only() {
    let (wide, narrow) = (structs(STRUCTS), structs(STRUCTS32));
    assert_eq!(wide.len(), narrow.len());
    for (wide, narrow) in wide.iter().zip(&narrow) {
        assert_eq!(wide.name, narrow.name);
        // The upper half of a pointer may be a member of its own there.
        let is_half = |name: &str| matches!(name, "pad1" | "pad2");
        let kept = narrow.fields.iter().filter(|field| !is_half(&field.name));
        assert_eq!(kept.clone().count(), wide.fields.len(), "{}", wide.name);
        for (wide_field, field) in wide.fields.iter().zip(kept) {
            let place = format!("{}.{}", wide.name, field.name);
            assert_eq!(wide_field.name, field.name, "{place}");
            assert_eq!(wide_field.c_type, field.c_type, "{place}");
            let nested = field.c_type == "struct thread_state";
            if !field.c_type.ends_with('*') && !nested {
                assert_eq!(wide_field.size, field.size, "{place}");
            }
        }
        for pair in narrow
            .fields
            .windows(2)
            .filter(|pair| is_half(&pair[1].name))
        {
            assert!(
                pair[0].c_type.ends_with('*'),
                "{}.{}",
                wide.name,
                pair[1].name
            );
        }
    }
}
