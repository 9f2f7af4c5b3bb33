// SPDX-License-Identifier: GPL-2.0

//! Fuzzes the Mach-O parser, guided by coverage (`make fuzz-loader`).
//!
//!     loader RUNS CORPUS [FOUND]
//!
//! Inputs of the folder CORPUS are changed at random; one that reaches something new joins them.
//! The parser's crate is built with LLVM's coverage instrumentation, which counts its edges and
//! tells the operands of its comparisons; the latter are put into inputs where the other operand
//! stands. With a folder FOUND, the fewest inputs that reach all is written there at the end. A
//! panic of the parser is a finding: its input goes to build/fuzz/finding.

use std::{
    env, fs,
    panic::{catch_unwind, AssertUnwindSafe},
    path::Path,
    process::exit,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
};

const INPUT_MAX: usize = 6000;

static COUNTERS: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static COUNTERS_LEN: AtomicUsize = AtomicUsize::new(0);

/// The last comparisons of the parser.
static COMPARED: [(AtomicUsize, AtomicUsize); 64] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; 64];
static COMPARISONS: AtomicUsize = AtomicUsize::new(0);

/// Called once for each instrumented object, of which there is one.
#[no_mangle]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    COUNTERS.store(start, Relaxed);
    COUNTERS_LEN.store(stop as usize - start as usize, Relaxed);
}

fn compared(a: usize, b: usize) {
    let slot = &COMPARED[COMPARISONS.fetch_add(1, Relaxed) % COMPARED.len()];
    slot.0.store(a, Relaxed);
    slot.1.store(b, Relaxed);
}

macro_rules! comparisons {
    ($($name:ident: $type:ty,)*) => {
        $(#[no_mangle]
        extern "C" fn $name(a: $type, b: $type) {
            compared(a as usize, b as usize);
        })*
    };
}

comparisons! {
    __sanitizer_cov_trace_cmp1: u8,
    __sanitizer_cov_trace_cmp2: u16,
    __sanitizer_cov_trace_cmp4: u32,
    __sanitizer_cov_trace_cmp8: u64,
    __sanitizer_cov_trace_const_cmp1: u8,
    __sanitizer_cov_trace_const_cmp2: u16,
    __sanitizer_cov_trace_const_cmp4: u32,
    __sanitizer_cov_trace_const_cmp8: u64,
}

/// `cases` points to their number, their size in bits, and their values.
#[no_mangle]
extern "C" fn __sanitizer_cov_trace_switch(value: u64, cases: *const u64) {
    // SAFETY: As the instrumentation has it.
    let cases = unsafe { std::slice::from_raw_parts(cases.add(2), *cases as usize) };
    for case in cases {
        compared(value as usize, *case as usize);
    }
}

fn counters() -> &'static mut [u8] {
    // SAFETY: The range is that of the instrumented object, which stays. There is one thread, and
    // the parser is not running when this is used.
    unsafe { std::slice::from_raw_parts_mut(COUNTERS.load(Relaxed), COUNTERS_LEN.load(Relaxed)) }
}

/// How often an edge was taken, roughly.
fn class(count: u8) -> u8 {
    match count {
        0 => 0,
        1..=3 => count,
        4..=7 => 4,
        8..=31 => 5,
        32..=127 => 6,
        _ => 7,
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// What has been reached: for each edge the classes of its counts.
struct Reached(Vec<u8>);

impl Reached {
    /// Adds what the counters say; whether anything of it is new.
    fn add(&mut self) -> bool {
        let mut new = false;
        for (seen, count) in self.0.iter_mut().zip(counters().iter()) {
            let bit = match class(*count) {
                0 => 0,
                class => 1 << class,
            };
            new |= *seen & bit != bit;
            *seen |= bit;
        }
        new
    }

    fn edges(&self) -> usize {
        self.0.iter().filter(|seen| **seen != 0).count()
    }
}

fn run(input: &[u8]) -> bool {
    counters().fill(0);
    COMPARISONS.store(0, Relaxed);
    match catch_unwind(AssertUnwindSafe(|| loader_target::run(input))) {
        Ok(accepted) => accepted,
        Err(_) => {
            fs::write("build/fuzz/finding", input).unwrap();
            println!("a finding: build/fuzz/finding");
            exit(1);
        }
    }
}

fn put(input: &mut [u8], at: usize, value: u64, len: usize) {
    let end = (at + len).min(input.len());
    if at < end {
        input[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
    }
}

/// Puts one operand of a comparison where the other stands.
fn put_compared(input: &mut [u8], random: &mut Random) {
    let known = COMPARISONS.load(Relaxed).min(COMPARED.len());
    if known == 0 {
        return;
    }
    let pair = &COMPARED[random.below(known)];
    let (mut from, mut to) = (pair.0.load(Relaxed) as u64, pair.1.load(Relaxed) as u64);
    if random.below(2) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    let len = 1 << random.below(4);
    let mut from = from.to_le_bytes();
    let mut to = to
        .wrapping_add(random.below(3) as u64)
        .wrapping_sub(1)
        .to_le_bytes();
    if random.below(8) == 0 {
        // Lists of slices are big-endian.
        from[..len].reverse();
        to[..len].reverse();
    }
    let start = random.below(input.len());
    let found = (start..input.len())
        .chain(0..start)
        .find(|at| input[*at..].starts_with(&from[..len]));
    if let Some(at) = found {
        input[at..at + len].copy_from_slice(&to[..len]);
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const INTERESTING: [u64; 16] = [
        0,
        1,
        2,
        4,
        8,
        0xfff,
        0x1000,
        0x1001,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        1 << 32,
        0x7fff_ffe0_0000,
        1 << 47,
        1 << 63,
        u64::MAX,
    ];
    for _ in 0..1 + random.below(4) {
        let len = input.len();
        let at = random.below(len);
        match random.below(11) {
            0 if len > 0 => input[at] ^= 1 << random.below(8),
            1 if len > 0 => input[at] = random.next() as u8,
            2 => {
                let value = INTERESTING[random.below(16)];
                put(
                    input,
                    at & !3,
                    value.wrapping_add(random.below(3) as u64),
                    4,
                );
            }
            3 => put(input, at & !3 | 1, INTERESTING[random.below(16)], 8),
            4 => {
                let count = random.below(64).min(len - at);
                let to = random.below(len - count + 1);
                input.copy_within(at..at + count, to);
            }
            5 => input.truncate(len - random.below(len.min(16) + 1)),
            6 => drop(input.drain(at..(at + 4 * random.below(20)).min(len))),
            7 if len < INPUT_MAX => {
                let count = (4 * random.below(20)).min(len - at);
                let copy = input[at..at + count].to_vec();
                input.splice(at..at, copy);
            }
            8 if !other.is_empty() => {
                let from = random.below(other.len());
                let count = random.below(200).min(other.len() - from).min(len - at);
                input[at..at + count].copy_from_slice(&other[from..from + count]);
            }
            _ if len > 0 => put_compared(input, random),
            _ => {}
        }
    }
    input.truncate(INPUT_MAX);
}

fn read_corpus(folder: &str) -> Vec<Vec<u8>> {
    let mut inputs = loader_target::seeds();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    paths.sort();
    inputs.extend(paths.iter().filter_map(|path| fs::read(path).ok()));
    inputs
}

/// Writes the shortest inputs that together reach everything.
fn write_found(corpus: &mut [Vec<u8>], edges: usize, folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    corpus.sort_by_key(Vec::len);
    let mut reached = Reached(vec![0; edges]);
    let mut count = 0;
    for input in corpus.iter() {
        run(input);
        if reached.add() {
            fs::write(folder.join(format!("{count:04}")), input).unwrap();
            count += 1;
        }
    }
    println!("{count} inputs written to {}", folder.display());
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let [_, runs, folder, found @ ..] = &arguments[..] else {
        println!("loader RUNS CORPUS [FOUND]");
        exit(2);
    };
    let runs: u64 = runs.parse().expect("RUNS is a number");
    fs::create_dir_all("build/fuzz").unwrap();
    let edges = counters().len();
    assert!(edges > 100, "the parser is not instrumented");
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Random(seed.unwrap_or(0x6d61_6368_6675_7a7a));
    let mut reached = Reached(vec![0; edges]);
    let mut corpus = read_corpus(folder);
    for input in &corpus {
        run(input);
        reached.add();
    }
    println!(
        "{} inputs reach {} of {edges} edges",
        corpus.len(),
        reached.edges()
    );

    let mut accepted = 0;
    for _ in 0..runs {
        let mut input = corpus[random.below(corpus.len())].clone();
        // Fills the list of comparisons with those of this input.
        if random.below(4) == 0 {
            run(&input);
        }
        let other = &corpus[random.below(corpus.len())];
        mutate(&mut input, other, &mut random);
        accepted += u64::from(run(&input));
        if reached.add() {
            corpus.push(input);
        }
    }
    println!(
        "{runs} runs, {accepted} accepted, no finding; {} inputs reach {} of {edges} edges",
        corpus.len(),
        reached.edges()
    );
    if let [found] = found {
        write_found(&mut corpus, edges, Path::new(found));
    }
}
