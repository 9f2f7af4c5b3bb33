// SPDX-License-Identifier: GPL-2.0

//! Facts about the machine's processors and memory, as the kernel found them at boot.
//!
//! Serves the commpage. The kernel's view is asked instead of the CPUID instruction, because
//! features that the kernel turned off, or does not save on a context switch, are of no use to a
//! program.
//!
//! Locks: none.
//!
//! C header: [`arch/x86/include/asm/cpufeature.h`](srctree/arch/x86/include/asm/cpufeature.h)

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        atomic_load,
        ordering::Relaxed, //
    },
};

/// Whether the machine has a feature, an `X86_FEATURE_*` of [`kernel::bindings`].
pub(crate) fn has(feature: u32) -> bool {
    // SAFETY: The array is written at boot only, before modules exist, and has an entry for each
    // feature.
    let word = unsafe {
        let words = &raw const bindings::boot_cpu_data.__bindgen_anon_3.x86_capability;
        words
            .cast::<u32>()
            .add((feature / 32) as usize % (*words).len())
            .read_volatile()
    };
    word & 1 << (feature % 32) != 0
}

/// Bytes of a cache line.
pub(crate) fn cache_line_size() -> u16 {
    // SAFETY: Written at boot only.
    unsafe { bindings::boot_cpu_data.x86_clflush_size }
}

/// The number of the processor that the caller is running on, or was a moment ago: a hint.
///
/// Like `CpuId::current`, but without the call into the kernel image that the crate's version
/// makes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn current_hint() -> u32 {
    extern "C" {
        #[link_name = "cpu_number"]
        static CPU_NUMBER: c_int;
    }

    let number: u32;
    // SAFETY: This reads the per-CPU variable that the kernel keeps for this purpose and exports
    // (arch/x86/include/asm/smp.h).
    unsafe {
        core::arch::asm!(
            "mov {number:e}, dword ptr gs:[rip + {variable}]",
            number = out(reg) number,
            variable = sym CPU_NUMBER,
            options(nomem, preserves_flags, nostack),
        )
    };
    number
}

/// As above.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn current_hint() -> u32 {
    kernel::cpu::CpuId::current().as_u32()
}

/// Number of processors that are online now.
pub(crate) fn online() -> u32 {
    // SAFETY: The counter is valid, and accessed atomically.
    let online = unsafe { atomic_load(&raw mut bindings::__num_online_cpus.counter, Relaxed) };
    online.unsigned_abs()
}

/// Bytes of memory that the kernel can use.
pub(crate) fn memory_size() -> u64 {
    let mut info = bindings::sysinfo::default();
    // SAFETY: The structure is valid for writing.
    unsafe { bindings::si_meminfo(&mut info) };
    // CAST: `unsigned long` has 64 bits.
    (info.totalram as u64).saturating_mul(info.mem_unit.into())
}
