// SPDX-License-Identifier: GPL-2.0

//! The trap numbers: what user space passes as the request of `ioctl` on `/dev/mach`.
//!
//! They are bare integers, not `_IOC` encodings, and contiguous from [`FIRST`]. The one table
//! below makes both a constant for each trap and [`TRAPS`], which tells names and groups to logs
//! and statistics. Specification: `abi/traps.csv`. No locks.

/// What a trap number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapName {
    /// The number.
    pub number: u32,
    /// The trap's official name, e.g. `task_self_trap`.
    pub name: &'static str,
    /// The subsystem it belongs to, e.g. `ipc`.
    pub group: &'static str,
}

/// The lowest trap number.
pub const FIRST: u32 = 0x1000;

/// How many traps there are; the highest number is `FIRST + COUNT - 1`.
pub const COUNT: usize = TRAPS.len();

macro_rules! traps {
    ($($number:literal $constant:ident $name:literal $group:literal;)*) => {
        $(
            #[doc = concat!("Number of `", $name, "`.")]
            pub const $constant: u32 = $number;
        )*

        /// Every trap, in order of number.
        pub const TRAPS: [TrapName; 82] = [
            $(TrapName { number: $constant, name: $name, group: $group },)*
        ];
    };
}

traps! {
    0x1000 GET_API_VERSION                "get_api_version"                                "generic";
    0x1001 MACH_REPLY_PORT                "mach_reply_port"                                "ipc";
    0x1002 MACH_PORT_MOD_REFS             "_kernelrpc_mach_port_mod_refs"                  "ipc";
    0x1003 TASK_SELF                      "task_self_trap"                                 "task";
    0x1004 HOST_SELF                      "host_self_trap"                                 "other";
    0x1005 MACH_PORT_ALLOCATE             "_kernelrpc_mach_port_allocate"                  "ipc";
    0x1006 MACH_MSG_OVERWRITE             "mach_msg_overwrite_trap"                        "ipc";
    0x1007 MACH_PORT_DEALLOCATE           "_kernelrpc_mach_port_deallocate"                "ipc";
    0x1008 MACH_PORT_DESTROY              "_kernelrpc_mach_port_destroy"                   "ipc";
    0x1009 SEMAPHORE_SIGNAL               "semaphore_signal_trap"                          "semaphore";
    0x100a SEMAPHORE_SIGNAL_ALL           "semaphore_signal_all_trap"                      "semaphore";
    0x100b SEMAPHORE_WAIT                 "semaphore_wait_trap"                            "semaphore";
    0x100c SEMAPHORE_WAIT_SIGNAL          "semaphore_wait_signal_trap"                     "semaphore";
    0x100d SEMAPHORE_TIMEDWAIT_SIGNAL     "semaphore_timedwait_signal_trap"                "semaphore";
    0x100e SEMAPHORE_TIMEDWAIT            "semaphore_timedwait_trap"                       "semaphore";
    0x100f BSD_IOCTL                      "bsd_ioctl_trap"                                 "other";
    0x1010 THREAD_SELF                    "thread_self_trap"                               "task";
    0x1011 BSDTHREAD_TERMINATE            "bsdthread_terminate_trap"                       "pthread";
    0x1012 PSYNCH_MUTEXWAIT               "psynch_mutexwait_trap"                          "psynch";
    0x1013 PSYNCH_MUTEXDROP               "psynch_mutexdrop_trap"                          "psynch";
    0x1014 PTHREAD_KILL                   "pthread_kill_trap"                              "pthread";
    0x1015 PSYNCH_CVWAIT                  "psynch_cvwait_trap"                             "psynch";
    0x1016 PSYNCH_CVSIGNAL                "psynch_cvsignal_trap"                           "psynch";
    0x1017 PSYNCH_CVBROAD                 "psynch_cvbroad_trap"                            "psynch";
    0x1018 MK_TIMER_CREATE                "mk_timer_create_trap"                           "timer";
    0x1019 MK_TIMER_ARM                   "mk_timer_arm_trap"                              "timer";
    0x101a MK_TIMER_CANCEL                "mk_timer_cancel_trap"                           "timer";
    0x101b MK_TIMER_DESTROY               "mk_timer_destroy_trap"                          "timer";
    0x101c MACH_PORT_MOVE_MEMBER          "_kernelrpc_mach_port_move_member_trap"          "ipc";
    0x101d MACH_PORT_INSERT_MEMBER        "_kernelrpc_mach_port_insert_member_trap"        "ipc";
    0x101e MACH_PORT_EXTRACT_MEMBER       "_kernelrpc_mach_port_extract_member_trap"       "ipc";
    0x101f THREAD_DEATH_ANNOUNCE          "thread_death_announce"                          "lifecycle";
    0x1020 MACH_PORT_INSERT_RIGHT         "_kernelrpc_mach_port_insert_right_trap"         "ipc";
    0x1021 FORK_WAIT_FOR_CHILD            "fork_wait_for_child"                            "lifecycle";
    0x1022 TASK_FOR_PID                   "task_for_pid_trap"                              "task";
    0x1023 PID_FOR_TASK                   "pid_for_task_trap"                              "task";
    0x1024 SET_DYLD_INFO                  "set_dyld_info"                                  "lifecycle";
    0x1025 STOP_AFTER_EXEC                "stop_after_exec"                                "lifecycle";
    0x1026 KERNEL_PRINTK                  "kernel_printk"                                  "generic";
    0x1027 PATH_AT                        "path_at"                                        "generic";
    0x1028 PSYNCH_RW_RDLOCK               "psynch_rw_rdlock"                               "psynch";
    0x1029 PSYNCH_RW_WRLOCK               "psynch_rw_wrlock"                               "psynch";
    0x102a PSYNCH_RW_UNLOCK               "psynch_rw_unlock"                               "psynch";
    0x102b PSYNCH_CVCLRPREPOST            "psynch_cvclrprepost"                            "psynch";
    0x102c GET_TRACER                     "get_tracer"                                     "debug";
    0x102d TID_FOR_THREAD                 "tid_for_thread"                                 "task";
    0x102e GETUIDGID                      "getuidgid"                                      "identity";
    0x102f SETUIDGID                      "setuidgid"                                      "identity";
    0x1030 TASK_NAME_FOR_PID              "task_name_for_pid_trap"                         "task";
    0x1031 SET_TRACER                     "set_tracer"                                     "debug";
    0x1032 PTHREAD_MARKCANCEL             "pthread_markcancel"                             "pthread";
    0x1033 PTHREAD_CANCELED               "pthread_canceled"                               "pthread";
    0x1034 PID_GET_STATE                  "pid_get_state"                                  "task";
    0x1035 STARTED_SUSPENDED              "started_suspended"                              "lifecycle";
    0x1036 TASK_64BIT                     "task_64bit"                                     "task";
    0x1037 MACH_VM_ALLOCATE               "_kernelrpc_mach_vm_allocate_trap"               "vm";
    0x1038 MACH_VM_DEALLOCATE             "_kernelrpc_mach_vm_deallocate_trap"             "vm";
    0x1039 LAST_TRIGGERED_WATCHPOINT      "last_triggered_watchpoint"                      "debug";
    0x103a VCHROOT                        "vchroot"                                        "vchroot";
    0x103b VCHROOT_EXPAND                 "vchroot_expand"                                 "vchroot";
    0x103c VCHROOT_FDPATH                 "vchroot_fdpath"                                 "vchroot";
    0x103d HANDLE_TO_PATH                 "handle_to_path"                                 "vchroot";
    0x103e FILEPORT_MAKEPORT              "fileport_makeport"                              "fileport";
    0x103f FILEPORT_MAKEFD                "fileport_makefd"                                "fileport";
    0x1040 SIGPROCESS                     "sigprocess"                                     "debug";
    0x1041 PTRACE_THUPDATE                "ptrace_thupdate"                                "debug";
    0x1042 PTRACE_SIGEXC                  "ptrace_sigexc"                                  "debug";
    0x1043 THREAD_SUSPENDED               "thread_suspended"                               "debug";
    0x1044 SET_THREAD_HANDLES             "set_thread_handles"                             "pthread";
    0x1045 THREAD_GET_SPECIAL_REPLY_PORT  "thread_get_special_reply_port"                  "ipc";
    0x1046 MACH_PORT_REQUEST_NOTIFICATION "_kernelrpc_mach_port_request_notification_trap" "ipc";
    0x1047 MACH_PORT_TYPE                 "_kernelrpc_mach_port_type_trap"                 "ipc";
    0x1048 MACH_PORT_GET_ATTRIBUTES       "_kernelrpc_mach_port_get_attributes_trap"       "ipc";
    0x1049 MACH_PORT_CONSTRUCT            "_kernelrpc_mach_port_construct_trap"            "ipc";
    0x104a MACH_PORT_DESTRUCT             "_kernelrpc_mach_port_destruct_trap"             "ipc";
    0x104b MACH_PORT_GUARD                "_kernelrpc_mach_port_guard_trap"                "ipc";
    0x104c MACH_PORT_UNGUARD              "_kernelrpc_mach_port_unguard_trap"              "ipc";
    0x104d KQUEUE_CREATE                  "kqueue_create"                                  "kqueue";
    0x104e KEVENT                         "kevent"                                         "kqueue";
    0x104f KEVENT64                       "kevent64"                                       "kqueue";
    0x1050 KEVENT_QOS                     "kevent_qos"                                     "kqueue";
    0x1051 CLOSING_DESCRIPTOR             "closing_descriptor"                             "kqueue";
}

// The table has no gap, so an index is a number less `FIRST`.
const _: () = {
    let mut index = 0;
    while index < COUNT {
        // CAST: `COUNT` is 82.
        assert!(TRAPS[index].number == FIRST + index as u32);
        index += 1;
    }
};

/// Place of a trap number in a table of [`COUNT`] slots, or `None` when no trap has it.
pub const fn index(nr: u32) -> Option<usize> {
    match nr.checked_sub(FIRST) {
        // CAST: 32 bits always fit into a `usize` here.
        Some(index) if (index as usize) < COUNT => Some(index as usize),
        _ => None,
    }
}

/// Name and group of a trap number, or `None` when no trap has it.
pub const fn lookup(nr: u32) -> Option<TrapName> {
    match index(nr) {
        Some(index) => Some(TRAPS[index]),
        None => None,
    }
}
