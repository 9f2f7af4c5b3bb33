// SPDX-License-Identifier: GPL-2.0

//! Reads `abi/*.csv`, apart from the generators, so that a slip of theirs shows.

/// `traps.csv`.
pub const TRAPS: &str = include_str!("../../../abi/traps.csv");
/// `structs.csv`, the layout of 64-bit clients.
pub const STRUCTS: &str = include_str!("../../../abi/structs.csv");
/// `structs32.csv`, the layout of 32-bit clients.
pub const STRUCTS32: &str = include_str!("../../../abi/structs32.csv");

/// A row of `traps.csv`.
pub struct Trap {
    pub number: u32,
    pub name: String,
    pub group: String,
    pub argument: String,
}

/// A member of a structure.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub offset: usize,
    pub size: usize,
    pub c_type: String,
    pub note: String,
}

/// A structure of `structs.csv`.
#[derive(Debug)]
pub struct Struct {
    pub name: String,
    pub size: usize,
    pub fields: Vec<Field>,
}

/// The rows of a file below its header, which must be as given.
fn rows(text: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    let columns = header.split(',').count();
    lines
        .map(|line| {
            let cells = cells(line);
            assert_eq!(cells.len(), columns, "{line}");
            cells
        })
        .collect()
}

/// The cells of a line; quotes may surround a cell that has commas.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    assert!(!quoted, "{line}");
    cells
}

/// All traps, in the order of the file.
pub fn traps() -> Vec<Trap> {
    let header = "nr_hex,name,group,argument,returns,implemented_in_newlkm";
    rows(TRAPS, header)
        .into_iter()
        .map(|row| Trap {
            number: u32::from_str_radix(row[0].strip_prefix("0x").unwrap(), 16).unwrap(),
            name: row[1].clone(),
            group: row[2].clone(),
            argument: row[3].clone(),
        })
        .collect()
}

/// All structures, in the order of the file.
pub fn structs(text: &str) -> Vec<Struct> {
    let mut structs: Vec<Struct> = Vec::new();
    for row in rows(text, "struct,field,offset,size,c_type,direction,note") {
        let (offset, size) = (row[2].parse().unwrap(), row[3].parse().unwrap());
        if row[1] == "(total)" {
            assert_eq!(offset, 0, "{row:?}");
            structs.push(Struct {
                name: row[0].clone(),
                size,
                fields: Vec::new(),
            });
            continue;
        }
        let owner = structs.last_mut().unwrap();
        assert_eq!(owner.name, row[0], "members stand below their total");
        owner.fields.push(Field {
            name: row[1].clone(),
            offset,
            size,
            c_type: row[4].clone(),
            note: row[6].clone(),
        });
    }
    structs
}
