// SPDX-License-Identifier: GPL-2.0

//! Reads from a file what it says of itself.

use super::macho::{
    find_slice,
    is_universal,
    probe,
    ImagePlan,
    Machine,
    Preferences,
    Reject,
    Role,
    Wanted,
    PREFERENCES_VARIABLE,
    SLICES_MAX, //
};
use crate::linux::{
    cpu,
    exec::Exec,
    exec_file,
    zeroed::zeroed, //
};
use kernel::{
    alloc::AllocError,
    bindings,
    fs::File,
    prelude::*,
    str::CString, //
};

/// Bytes of the longest header.
const HEADER_MAX: usize = 32;

/// Why a file is not loaded.
pub(super) enum Refusal {
    /// The file is not as it must be.
    File(Reject),
    /// Something else is missing.
    Other(Error),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::File(reject)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        Self::Other(error.into())
    }
}

/// What whoever starts the program prefers of a universal file.
pub(super) fn preferences(exec: &Exec<'_>) -> Result<Preferences> {
    // Four numbers of eight digits. A longer value is not what the client writes.
    let mut value = [0; 64];
    match exec.variable(PREFERENCES_VARIABLE, &mut value) {
        Ok(Some(len)) => Ok(Preferences::parse(value.get(..len).unwrap_or_default())),
        Ok(None) => Ok(Preferences::default()),
        Err(error) if error == ENAMETOOLONG => Ok(Preferences::default()),
        Err(error) => Err(error),
    }
}

/// What the processors can do for a program.
fn machine() -> Machine {
    const HASWELL: [u32; 7] = [
        bindings::X86_FEATURE_AVX2,
        bindings::X86_FEATURE_BMI1,
        bindings::X86_FEATURE_BMI2,
        bindings::X86_FEATURE_FMA,
        bindings::X86_FEATURE_F16C,
        bindings::X86_FEATURE_MOVBE,
        // With it comes LZCNT.
        bindings::X86_FEATURE_ABM,
    ];
    if HASWELL.into_iter().all(cpu::has) {
        Machine::Haswell
    } else {
        Machine::Baseline
    }
}

/// Finds the image that is wanted in a file, and makes a plan of its header and load commands.
/// Returns also the path of the dynamic linker that it wants.
pub(super) fn read_plan(
    file: &File,
    wanted: Wanted,
) -> Result<(KBox<ImagePlan>, Option<CString>), Refusal> {
    if !exec_file::can_be_mapped(file) {
        return Err(ENOEXEC.into());
    }
    let file_size = exec_file::size(file);
    let mut header = [0; HEADER_MAX];
    let mut len = exec_file::read(file, 0, &mut header)?;
    let prefix = header.get(..len).unwrap_or_default();
    let slice = if is_universal(prefix) {
        let mut prefix: KVec<u8> = zeroed(SLICES_MAX, GFP_KERNEL_ACCOUNT)?;
        let found = exec_file::read(file, 0, &mut prefix)?;
        let prefix = prefix.get(..found).unwrap_or_default();
        let slice = find_slice(prefix, file_size, wanted, machine())?;
        len = exec_file::read(file, slice.offset, &mut header)?;
        slice
    } else {
        find_slice(prefix, file_size, wanted, machine())?
    };

    let role = match wanted {
        Wanted::Program(_) => Role::Program,
        Wanted::Dylinker(_) => Role::Dylinker,
    };
    let header = probe(header.get(..len).unwrap_or_default(), role)?;
    if matches!(wanted, Wanted::Dylinker(width) if width != header.width) {
        return Err(Reject::WrongWidthDylinker.into());
    }
    // Otherwise a file of some bytes could make us allocate the most that is allowed.
    // CAST: `usize` has 64 bits.
    if header.len() as u64 > slice.size {
        return Err(Reject::CommandsTruncated.into());
    }

    // What counts is what is read here, should it differ from what was read before.
    let mut bytes: KVVec<u8> = zeroed(header.len(), GFP_KERNEL_ACCOUNT)?;
    let len = exec_file::read(file, slice.offset, &mut bytes)?;
    bytes.truncate(len);
    // Made in place: it is large.
    let plan = KBox::<ImagePlan>::new_uninit(GFP_KERNEL_ACCOUNT)?;
    let mut plan = KBox::write(plan, ImagePlan::EMPTY);
    let dylinker = plan.parse(&bytes, slice, role)?;
    let dylinker = dylinker.map(CString::try_from).transpose()?;
    if matches!(wanted, Wanted::Dylinker(width) if width != plan.width()) {
        return Err(Reject::WrongWidthDylinker.into());
    }
    Ok((plan, dylinker))
}
