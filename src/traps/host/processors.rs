// SPDX-License-Identifier: GPL-2.0

//! Processors, and the one set that they are in (ABI mig §3.5; XNU osfmk/kern/processor.c).
//!
//! Their ports only tell: Linux assigns threads to processors by itself, so whatever would change
//! that is refused.

use super::HOST;
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::machine::{
        self,
        RunningProcessor, //
    },
    traps::ipc::{
        kind,
        AnyRight,
        Call,
        HostPort,
        KernelObject,
        KernelPort,
        OutOfLine,
        RoutineDescriptor,
        RoutineResult,
        SendRight,
        SendRights,
        Words, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_processor_info,
    processor_set_default,
    host_processors,
    host_processor_sets,
    host_processor_set_priv,
    processor_info,
    processor_get_assignment,
    processor_set_statistics,
    processor_set_info,
];

/// A processor, by its number.
pub(super) struct Processor(u32);

impl KernelObject for Processor {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::PROCESSOR
    }
}

/// The name of the set, by which it is asked.
pub(super) struct ProcessorSetName;

impl KernelObject for ProcessorSetName {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::PROCESSOR_SET_NAME
    }
}

/// The set itself, by which it could be changed.
pub(super) struct ProcessorSet(ProcessorSetName);

impl KernelObject for ProcessorSet {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lesser(&self) -> Option<&dyn Any> {
        Some(&self.0)
    }

    fn kind(&self) -> u32 {
        kind::PROCESSOR_SET
    }
}

/// The ports of the processors and of their set.
pub(super) struct ProcessorPorts {
    /// By number.
    processors: KVec<KernelPort>,
    set: KernelPort,
    set_name: KernelPort,
}

impl ProcessorPorts {
    pub(super) fn new() -> Result<Self> {
        let mut processors = KVec::new();
        for number in 0..machine::processor_numbers() {
            let object = Arc::new(Processor(number), GFP_KERNEL)?;
            processors.push(KernelPort::permanent(object)?, GFP_KERNEL)?;
        }
        let set = ProcessorSet(ProcessorSetName);
        Ok(Self {
            processors,
            set: KernelPort::permanent(Arc::new(set, GFP_KERNEL)?)?,
            set_name: KernelPort::permanent(Arc::new(ProcessorSetName, GFP_KERNEL)?)?,
        })
    }

    pub(super) fn end(&self) {
        for port in &self.processors {
            port.end();
        }
        self.set.end();
        self.set_name.end();
    }

    fn of<'a>(call: &Call<'a>) -> KernResult<&'a Self> {
        let host = HOST
            .of_task_or_default(call.task())
            .ok_or(KernError::FAILURE)?;
        Ok(&host.machine.processors)
    }
}

/// Words that a routine may tell of a processor.
const INFO_MAX: usize = 20;

/// What is told of processor `processor`, as `flavor` says. `KERN_INVALID_ARGUMENT` for what Linux
/// does not tell.
fn info(processor: &RunningProcessor, flavor: i32) -> KernResult<([u32; 5], usize)> {
    const BASIC_INFO: i32 = 1;
    const CPU_LOAD_INFO: i32 = 2;
    const CPU_TYPE_X86: u32 = 7;
    const CPU_SUBTYPE_ALL: u32 = 3;
    const NSEC_PER_TICK: u64 = 10_000_000;

    let number = processor.number;
    match flavor {
        // Type, subtype, whether it runs, its slot, whether it is the first
        BASIC_INFO => {
            let first = u32::from(number == 0);
            Ok(([CPU_TYPE_X86, CPU_SUBTYPE_ALL, 1, number, first], 5))
        }
        CPU_LOAD_INFO => {
            let time = &processor.time;
            // CAST: the interface's counters wrap.
            let ticks = |time: u64| (time / NSEC_PER_TICK) as u32;
            let loads = [time.user, time.system, time.idle, time.nice].map(ticks);
            let [user, system, idle, nice] = loads;
            Ok(([user, system, idle, nice, 0], 4))
        }
        _ => Err(KernError::INVALID_ARGUMENT),
    }
}

/// Tells of all processors that run: how many there are and, one after the other, what `flavor`
/// says.
#[routine(204)]
fn host_processor_info(
    _call: &Call<'_>,
    _host: &HostPort,
    flavor: i32,
) -> KernResult<(u32, OutOfLine)> {
    let mut words = KVec::new();
    let mut count = 0u32;
    for processor in machine::running_processors() {
        let (info, used) = info(&processor, flavor)?;
        let info = info.get(..used).unwrap_or_default();
        words.extend_from_slice(info, GFP_KERNEL_ACCOUNT)?;
        count = count.saturating_add(1);
    }
    Ok((count, OutOfLine::of(&words)?))
}

/// Gives out the name of the set.
#[routine(213)]
fn processor_set_default(call: &Call<'_>, _host: &HostPort) -> KernResult<SendRight> {
    Ok(ProcessorPorts::of(call)?.set_name.send_right())
}

/// Gives out the ports of the processors that run.
#[routine(407)]
fn host_processors(call: &Call<'_>, _host: &HostPort) -> KernResult<SendRights> {
    let ports = ProcessorPorts::of(call)?;
    let mut rights = SendRights::new();
    for processor in machine::running_processors() {
        // CAST: `u32` to `usize` loses nothing.
        if let Some(port) = ports.processors.get(processor.number as usize) {
            rights.push(Some(port.send_right()))?;
        }
    }
    Ok(rights)
}

/// Gives out the names of all sets: there is one.
#[routine(419)]
fn host_processor_sets(call: &Call<'_>, _host: &HostPort) -> KernResult<SendRights> {
    let mut rights = SendRights::new();
    rights.push(Some(ProcessorPorts::of(call)?.set_name.send_right()))?;
    Ok(rights)
}

/// Gives out the port of the set with a name. `KERN_INVALID_ARGUMENT` for another one.
#[routine(420)]
fn host_processor_set_priv(
    call: &Call<'_>,
    _host: &HostPort,
    name: AnyRight,
) -> KernResult<SendRight> {
    let ports = ProcessorPorts::of(call)?;
    if !name.is_for(&ports.set_name) {
        return Err(KernError::INVALID_ARGUMENT);
    }
    Ok(ports.set.send_right())
}

/// Tells of a processor, what `flavor` says, and gives out the host's port. `KERN_FAILURE` for one
/// that does not run now and without room.
#[routine(3002)]
fn processor_info(
    call: &Call<'_>,
    processor: &Processor,
    flavor: i32,
    room: u32,
) -> RoutineResult<(SendRight, Words<INFO_MAX>)> {
    let running = machine::running_processors()
        .find(|running| running.number == processor.0)
        .ok_or(KernError::FAILURE)?;
    let (words, used) = info(&running, flavor)?;
    // CAST: `u32` to `usize` loses nothing.
    if (room as usize) < used {
        return Err(KernError::FAILURE.into());
    }
    let host = call.host_port().ok_or(KernError::FAILURE)?;
    Ok((host, Words::of(&words)?.first(used)))
}

/// Tells in which set a processor is.
#[routine(3005)]
fn processor_get_assignment(call: &Call<'_>, _processor: &Processor) -> KernResult<SendRight> {
    Ok(ProcessorPorts::of(call)?.set_name.send_right())
}

/// Words that a routine may tell of a set.
const SET_INFO_MAX: usize = 5;

/// Tells the load of the set: how many tasks and threads Mach knows, load average and the share of
/// the processors that is free, both in thousandths. `KERN_INVALID_ARGUMENT` for other flavors,
/// `KERN_FAILURE` without room.
#[routine(4000)]
fn processor_set_statistics(
    call: &Call<'_>,
    _set: &ProcessorSetName,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<SET_INFO_MAX>> {
    const LOAD_INFO: i32 = 4;

    if flavor != LOAD_INFO {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    if room < 4 {
        return Err(KernError::FAILURE.into());
    }
    let (tasks, threads) = call.context().mach().population();
    let load = super::statistics::load();
    let [average, ..] = load.averages;
    let [factor, ..] = load.factors;
    Words::of(&[tasks, threads, average, factor])
}

/// Tells how many processors the set has and by which policy threads run, which is time-sharing,
/// and gives out the host's port. Errors as above.
#[routine(4009)]
fn processor_set_info(
    call: &Call<'_>,
    _set: &ProcessorSetName,
    flavor: i32,
    room: u32,
) -> RoutineResult<(SendRight, Words<SET_INFO_MAX>)> {
    const BASIC_INFO: i32 = 5;
    const POLICY_TIMESHARE: u32 = 1;

    if flavor != BASIC_INFO {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    if room < 2 {
        return Err(KernError::FAILURE.into());
    }
    let host = call.host_port().ok_or(KernError::FAILURE)?;
    let info = [machine::processors().online, POLICY_TIMESHARE];
    Ok((host, Words::of(&info)?))
}
