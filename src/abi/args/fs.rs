// SPDX-License-Identifier: GPL-2.0

//! Argument structures of paths, files as ports, and the small generic traps (ABI traps §2 and §12).
//!
//! Pure layout, no locks; see [`super`].

use super::super::{
    port::PortName,
    user::UserAddr, //
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Argument of `kernel_printk`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct KernelPrintkArgs {
    /// The text; ends at the first NUL or at the last byte.
    pub buf: [u8; 512],
}

/// Argument of `path_at`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PathAtArgs {
    /// Folder that a relative path starts from, or `AT_FDCWD`.
    pub fd: i32,
    /// The path, a C string.
    pub path: UserAddr,
    /// Where the resolved path is written.
    pub path_out: UserAddr,
    /// Bytes of room there.
    pub max_path_out: u32,
}

/// Argument of `bsd_ioctl`, a trap nobody implements.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct BsdIoctlArgs {
    /// File descriptor.
    pub fd: i32,
    /// Request number.
    pub request: u64,
    /// Argument of the request.
    pub arg: u64,
}

/// Argument of `vchroot_expand`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct VchrootExpandArgs {
    /// The path, expanded in place: a C string.
    pub path: [u8; 4096],
    /// Bit 0: follow a symbolic link at the end.
    pub flags: u32,
    /// Folder that a relative path starts from, or `AT_FDCWD`.
    pub dfd: i32,
}

/// Argument of `vchroot_fdpath`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct VchrootFdpathArgs {
    /// Descriptor whose path is wanted.
    pub fd: i32,
    /// Where the path is written.
    pub path: UserAddr,
    /// Bytes of room there.
    pub maxlen: u32,
}

/// Argument of `handle_to_path`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct HandleToPathArgs {
    /// Descriptor on the mount of the file.
    pub mfd: i32,
    /// Image of a Linux `struct file_handle`.
    pub fh: [u8; 80],
    /// The path (out).
    pub path: [u8; 4096],
}

/// Argument of `fileport_makeport`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct FileportMakeportArgs {
    /// Descriptor whose file the port stands for.
    pub fd: i32,
    /// Name of the new port (out).
    pub port_out: PortName,
}
