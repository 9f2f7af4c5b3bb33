// SPDX-License-Identifier: GPL-2.0

//! Argument structures of the traps, as user space lays them out.
//!
//! A trap whose argument is a structure gets its address and copies it in whole, once. Names and
//! order of the members are those of `abi/structs.csv`; [`super::layout`] proves size and offsets.
//! A member called `_…_padding` only keeps the next one in its place. All structures are packed to
//! four bytes as Mach's headers are, so members are read by value, never by reference.
//!
//! Serves the traps and the host tests. Pure layout, no locks.

use super::compat::{
    layouts,
    Narrow, //
};
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

mod debug;
mod fs;
mod ipc;
mod kqueue;
mod psynch;
mod sync;
mod task;

pub use self::{
    debug::*,
    fs::*,
    ipc::*,
    kqueue::*,
    psynch::*,
    sync::*,
    task::*, //
};

/// A structure that a trap may take as its argument.
///
/// The marker keeps a trap from taking, say, an integer by address where it was meant by value.
pub trait ArgStruct: FromBytes + IntoBytes + KnownLayout + Immutable + Copy {
    /// How 32-bit clients lay it out, if otherwise.
    const NARROW: Option<&'static Narrow>;
}

macro_rules! arg_structs {
    ($($name:ident,)*) => {
        $(impl ArgStruct for $name {
            const NARROW: Option<&'static Narrow> = layouts::$name;
        })*
    };
}

arg_structs! {
    BsdIoctlArgs,
    BsdthreadTerminateArgs,
    ClosingDescriptorArgs,
    FileportMakeportArgs,
    HandleToPathArgs,
    KernelPrintkArgs,
    Kevent64Args,
    KeventArgs,
    KeventQosArgs,
    LastTriggeredWatchpointArgs,
    MachMsgOverwriteArgs,
    MachPortAllocateArgs,
    MachPortConstructArgs,
    MachPortDeallocateArgs,
    MachPortDestroyArgs,
    MachPortDestructArgs,
    MachPortExtractMemberArgs,
    MachPortGetAttributesArgs,
    MachPortGuardArgs,
    MachPortInsertMemberArgs,
    MachPortInsertRightArgs,
    MachPortModRefsArgs,
    MachPortMoveMemberArgs,
    MachPortRequestNotificationArgs,
    MachPortTypeArgs,
    MachPortUnguardArgs,
    MachVmAllocateArgs,
    MachVmDeallocateArgs,
    MkTimerArmArgs,
    MkTimerCancelArgs,
    MkTimerDestroyArgs,
    PathAtArgs,
    PidForTaskArgs,
    PsynchCvbroadArgs,
    PsynchCvclrprepostArgs,
    PsynchCvsignalArgs,
    PsynchCvwaitArgs,
    PsynchMutexdropArgs,
    PsynchMutexwaitArgs,
    PsynchRwRdlockArgs,
    PsynchRwUnlockArgs,
    PsynchRwWrlockArgs,
    PthreadKillArgs,
    PtraceSigexcArgs,
    PtraceThupdateArgs,
    SemaphoreSignalAllArgs,
    SemaphoreSignalArgs,
    SemaphoreTimedwaitArgs,
    SemaphoreTimedwaitSignalArgs,
    SemaphoreWaitArgs,
    SemaphoreWaitSignalArgs,
    SetDyldInfoArgs,
    SetThreadHandlesArgs,
    SetTracerArgs,
    SigprocessArgs,
    TaskForPidArgs,
    TaskNameForPidArgs,
    ThreadSuspendedArgs,
    UidGid,
    VchrootExpandArgs,
    VchrootFdpathArgs,
}
