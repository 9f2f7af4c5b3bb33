// SPDX-License-Identifier: GPL-2.0

//! Return codes of the kernel calls (`kern_return_t`) and of the message stubs.
//!
//! Positive codes are results of a trap, never errnos. Values: XNU osfmk/mach/kern_return.h and
//! osfmk/mach/mig_errors.h; ABI traps §1.4. No locks.

macro_rules! codes {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub const $name: i32 = $value;
        )*

        /// The name of a code of this file, for logs.
        pub const fn name(code: i32) -> Option<&'static str> {
            match code {
                $($value => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

codes! {
    KERN_SUCCESS = 0, "Done.";
    KERN_INVALID_ADDRESS = 1, "The address is not in use, or an output address is bad.";
    KERN_PROTECTION_FAILURE = 2, "The memory forbids this access.";
    KERN_NO_SPACE = 3, "No room in the address range or name space.";
    KERN_INVALID_ARGUMENT = 4, "An argument has no meaning.";
    KERN_FAILURE = 5, "It did not work, for no reason that has a code.";
    KERN_RESOURCE_SHORTAGE = 6, "The kernel lacks memory or the like.";
    KERN_NOT_RECEIVER = 7, "The task does not hold the receive right.";
    KERN_NO_ACCESS = 8, "The caller may not do this.";
    KERN_MEMORY_FAILURE = 9, "The memory behind the address was lost.";
    KERN_MEMORY_ERROR = 10, "The memory behind the address could not be provided now.";
    KERN_ALREADY_IN_SET = 11, "The port is in that set already.";
    KERN_NOT_IN_SET = 12, "The port is not in that set.";
    KERN_NAME_EXISTS = 13, "The name denotes something else.";
    KERN_ABORTED = 14, "Interrupted; also a result that could not be copied out.";
    KERN_INVALID_NAME = 15, "The name denotes nothing.";
    KERN_INVALID_TASK = 16, "The task is dead or none.";
    KERN_INVALID_RIGHT = 17, "The name denotes another right.";
    KERN_INVALID_VALUE = 18, "A value is out of range.";
    KERN_UREFS_OVERFLOW = 19, "Too many user references.";
    KERN_INVALID_CAPABILITY = 20, "The right is not one that can be used here.";
    KERN_RIGHT_EXISTS = 21, "The task has the right under another name.";
    KERN_INVALID_HOST = 22, "The port is not a host.";
    KERN_MEMORY_PRESENT = 23, "The page is there already.";
    KERN_MEMORY_DATA_MOVED = 24, "The page is moving between objects.";
    KERN_MEMORY_RESTART_COPY = 25, "The copy must be done in another way.";
    KERN_INVALID_PROCESSOR_SET = 26, "The port is not a processor set.";
    KERN_POLICY_LIMIT = 27, "Beyond the limits of the scheduling policy.";
    KERN_INVALID_POLICY = 28, "The processor set does not run that policy.";
    KERN_INVALID_OBJECT = 29, "The memory object is not usable.";
    KERN_ALREADY_WAITING = 30, "Somebody waits there already.";
    KERN_DEFAULT_SET = 31, "Not possible with the default processor set.";
    KERN_EXCEPTION_PROTECTED = 32, "The exception port is protected.";
    KERN_INVALID_LEDGER = 33, "The port is not a ledger.";
    KERN_INVALID_MEMORY_CONTROL = 34, "The port is not a memory control port.";
    KERN_INVALID_SECURITY = 35, "The port is not the host security port.";
    KERN_NOT_DEPRESSED = 36, "The thread's priority is not depressed.";
    KERN_TERMINATED = 37, "The object was destroyed.";
    KERN_LOCK_SET_DESTROYED = 38, "The lock set was destroyed.";
    KERN_LOCK_UNSTABLE = 39, "The last holder died with the lock.";
    KERN_LOCK_OWNED = 40, "Somebody else holds the lock.";
    KERN_LOCK_OWNED_SELF = 41, "The caller holds the lock.";
    KERN_SEMAPHORE_DESTROYED = 42, "The semaphore was destroyed.";
    KERN_RPC_SERVER_TERMINATED = 43, "The server died in the call.";
    KERN_RPC_TERMINATE_ORPHAN = 44, "An orphaned call is to end.";
    KERN_RPC_CONTINUE_ORPHAN = 45, "An orphaned call is to go on.";
    KERN_NOT_SUPPORTED = 46, "Not provided here.";
    KERN_NODE_DOWN = 47, "The remote machine is down.";
    KERN_NOT_WAITING = 48, "The thread does not wait.";
    KERN_OPERATION_TIMED_OUT = 49, "The time was up.";
    KERN_CODESIGN_ERROR = 50, "The page's signature is wrong.";
    KERN_POLICY_STATIC = 51, "The policy cannot be changed.";
    KERN_INSUFFICIENT_BUFFER_SIZE = 52, "The buffer is too small.";
    KERN_RETURN_MAX = 0x100, "No code of a call is above this.";

    MIG_TYPE_ERROR = -300, "The message holds another type than expected.";
    MIG_REPLY_MISMATCH = -301, "The reply is one to another request.";
    MIG_REMOTE_ERROR = -302, "The server found the request wrong.";
    MIG_BAD_ID = -303, "No routine has that message id.";
    MIG_BAD_ARGUMENTS = -304, "The request has the wrong size or complexity.";
    MIG_NO_REPLY = -305, "No reply is to be sent.";
    MIG_EXCEPTION = -306, "The server raised an exception.";
    MIG_ARRAY_TOO_LARGE = -307, "The caller's array is too small.";
    MIG_SERVER_DIED = -308, "The server died.";
    MIG_TRAILER_ERROR = -309, "The trailer has an unknown format.";
}
