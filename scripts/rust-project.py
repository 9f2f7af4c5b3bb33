#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Complete the kernel's rust-project.json for this checkout.

    rust-project.py CHECKOUT KERNEL_JSON > rust-project.json

The kernel's generator knows the crates of the kernel. Ours is added here with its
procedural macros and the directory of generated code, and the paths are those of
this machine when the tools live in a root of their own: the compiler's library
is then seen through that root.
"""

import json
import os
import sys


def main():
    top, source = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        project = json.load(file)
    crates = project["crates"]
    # Should the generator have found our roots by itself, ours replace them.
    crates = [crate for crate in crates if not crate["root_module"].startswith(top + "/")]
    index = {crate["display_name"]: number for number, crate in enumerate(crates)}

    def deps(*names):
        return [{"crate": index[name], "name": name} for name in names if name in index]

    def add(name, root, dependencies, **more):
        crates.append({
            "display_name": name, "root_module": os.path.join(top, root), "edition": "2021",
            "is_workspace_member": True, "deps": dependencies, "env": {"RUST_MODFILE": name},
            "cfg": [], **more,
        })
        index[name] = len(crates) - 1

    add("mach_macros", "macros/lib.rs",
        deps("std", "proc_macro", "proc_macro2", "quote", "syn"),
        is_proc_macro=True,
        proc_macro_dylib_path=os.path.join(top, "build/module/libmach_macros.so"))
    kernel = crates[index["kernel"]]
    add("mach", "src/lib.rs",
        deps("core", "kernel", "pin_init", "zerocopy", "zerocopy_derive", "mach_macros"),
        cfg=kernel["cfg"],
        env={"RUST_MODFILE": "src/lib", "MACH_OBJTREE": os.path.join(top, "build/module")},
        source={"include_dirs": [os.path.join(top, "src"), os.path.join(top, "build/module")],
                "exclude_dirs": []})
    project["crates"] = crates

    root = os.environ.get("MACH_ROOT")
    if root:
        def outside(path):
            return root + path if f"{path}/".startswith("/usr/") else path

        project["sysroot"] = outside(project["sysroot"])
        for crate in crates:
            crate["root_module"] = outside(crate["root_module"])
    json.dump(project, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
