# SPDX-License-Identifier: GPL-2.0
#
# Build rules, run inside the tool root by scripts/enter.sh. The environment
# has MACH_KDIR (prepared kernel tree), MACH_KREL (its release), MACH_KIMAGE
# (bzImage to boot) and MACH_KMODULES (stock modules for the VM).
#
# Other parts add themselves with a fragment: demo/demo.mk for the demo program.
# Files under build/initramfs-extra/ end up at the root of the VM's file system;
# a fragment appends the targets that fill it to INITRAMFS_EXTRA.

KDIR := $(MACH_KDIR)
TOP := $(CURDIR)
B := build
JOBS ?= $(shell nproc)
FLAVOUR ?= amd64

Q := $(if $(filter 1,$(V)),,@)
# A kernel made by clang takes modules made by clang only.
LLVM := $(if $(shell grep -x CONFIG_CC_IS_CLANG=y $(KDIR)/include/config/auto.conf),LLVM=1)
KBUILD := $(MAKE) --no-print-directory -C $(KDIR) M=$(TOP) -j$(JOBS) $(LLVM) \
	$(if $(W),W=$(W)) $(if $(V),V=$(V)) CONFIG_DEBUG_INFO_BTF_MODULES=

INITRAMFS_EXTRA :=

.PHONY: $(GOALS) $(DEBUG_GOALS) $(KCSAN_GOALS) FORCE
FORCE:
.DELETE_ON_ERROR:

all: modules vm-programs demo

# --- The module -----------------------------------------------------------------

# kbuild knows what is out of date; the file's time changes only if it does.
modules: $(B)/module/mach.ko
$(B)/module/mach.ko: FORCE
	$(Q)$(KBUILD) MO=$(TOP)/$(B)/module modules

# What the VM loads: the same without debug information, which is most of it.
$(B)/vm/mach.ko: $(B)/module/mach.ko
	@mkdir -p $(@D)
	$(Q)strip --strip-debug -o $@ $<

# --- Checks and by-products -------------------------------------------------------

CLIPPY_W := $(sort 1 e $(foreach c,1 2 3 e,$(if $(findstring $c,$(W)),$c)))
empty :=
clippy:
	$(Q)$(KBUILD) MO=$(TOP)/$(B)/clippy CLIPPY=1 \
		W=$(subst $(empty) $(empty),,$(CLIPPY_W)) modules

RUST_ROOTS := $(wildcard src/lib.rs macros/lib.rs tests/host/*.rs tests/abi/*.rs) \
	tests/fuzz/loader.rs tests/fuzz/target.rs
RUSTFMT := rustfmt --edition 2021 --config-path $(KDIR)/.rustfmt.toml

shellcheck:
	$(Q)shellcheck -x -S warning scripts/*.sh .ci/run

fmt:
	$(Q)$(RUSTFMT) $(RUST_ROOTS)
fmtcheck:
	$(Q)$(RUSTFMT) --check $(RUST_ROOTS)

doc: $(B)/module/mach.ko
	$(Q)$(KBUILD) MO=$(TOP)/$(B)/module prepare run-command \
		KBUILD_RUN_COMMAND='$$(MAKE) $$(build)=. need-modorder=1 mach-doc'
	@echo "documentation: $(TOP)/$(B)/doc/mach/index.html"

rust-analyzer: $(B)/module/mach.ko
	$(Q)$(KBUILD) MO=$(TOP)/$(B)/module rust-analyzer
	$(Q)scripts/rust-project.py $(TOP) $(B)/module/rust-project.json > rust-project.json
	@echo "wrote rust-project.json"

# --- Programs for the VM ------------------------------------------------------------
# One static ELF for each tests/vm/test_*.c, linked with all of tests/vm/lib/*.c.

VM_CFLAGS := -static -O2 -g -std=gnu17 -Wall -Wextra -Werror -pthread \
	-Itests/vm/lib -I$(B)/tests -MMD -MP
VM_LIB := $(patsubst tests/vm/lib/%.c,$(B)/vm/lib/%.o,$(wildcard tests/vm/lib/*.c))
VM_TESTS := $(patsubst tests/vm/%.c,$(B)/vm/%,$(wildcard tests/vm/test_*.c))
# Headers that other fragments generate and test programs include.
VM_HEADERS :=

-include demo/demo.mk tests/tests.mk tests/abi/abi.mk tests/fuzz/fuzz.mk tests/bench/bench.mk

vm-programs: $(VM_TESTS) $(B)/vm/runner

$(B)/vm/lib/%.o: tests/vm/lib/%.c scripts/build.mk | $(VM_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(VM_CFLAGS) -c -o $@ $<

$(B)/vm/test_%: tests/vm/test_%.c $(VM_LIB) scripts/build.mk | $(VM_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(VM_CFLAGS) -o $@ $< $(filter %.o,$^)

$(B)/vm/runner: tests/vm/runner.c scripts/build.mk
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(VM_CFLAGS) -o $@ $<

-include $(wildcard $(B)/vm/*.d $(B)/vm/lib/*.d)

demo: $(INITRAMFS_EXTRA)

# --- Host tests ------------------------------------------------------------------------
# Pure code of the module, compiled for the host: each tests/{host,abi}/*.rs is a
# crate root for `rustc --test`; each *.sh and *.py there is a program. All print
# TAP or what Rust's test harness prints.

HOST_RS := $(wildcard tests/host/*.rs tests/abi/*.rs)
HOST_BIN := $(patsubst tests/%.rs,$(B)/host/%,$(HOST_RS))
HOST_SCRIPTS := $(wildcard tests/host/*.sh tests/host/*.py tests/abi/*.sh tests/abi/*.py)

$(B)/host/libzerocopy.rlib: $(KDIR)/rust/zerocopy/src/lib.rs $(B)/env
	@mkdir -p $(@D)
	@echo "  RUSTC [H] $@"
	$(Q)RUSTC_BOOTSTRAP=1 CARGO_PKG_VERSION=0.8.54 rustc --edition 2021 -O \
		--cap-lints allow --cfg no_fp_fmt_parse \
		--crate-type rlib --crate-name zerocopy -o $@ $<

$(HOST_BIN): $(B)/host/%: tests/%.rs $(B)/host/libzerocopy.rlib
	@mkdir -p $(@D)
	@echo "  RUSTC [H] $@"
	$(Q)RUSTC_BOOTSTRAP=1 rustc --test --edition 2021 -O -C debug-assertions -D warnings \
		--extern zerocopy=$(B)/host/libzerocopy.rlib \
		--extern zerocopy_derive=$(KDIR)/rust/libzerocopy_derive.so \
		--emit=link=$@ --emit=dep-info=$@.d $<

-include $(wildcard $(B)/host/*/*.d)

host-programs: $(HOST_BIN)


# --- Running ------------------------------------------------------------------------------

export ACCEL SMP MEM TESTS APPEND SLOWNESS

vm-ready: $(B)/vm/mach.ko $(B)/vm/runner $(VM_TESTS) demo
.PHONY: vm-ready

host-test: host-programs $(VM_HEADERS)
	@scripts/run-tests.py --host $(HOST_BIN) $(HOST_SCRIPTS)

# At the end a short soak, which needs the other programs also when it is asked for alone.
test: vm-ready host-programs $(B)/vm/soak
	@scripts/run-tests.py --host $(HOST_BIN) $(HOST_SCRIPTS) --vm $(VM_TESTS) $(B)/vm/soak \
		$(if $(filter soak,$(TESTS)),--with $(VM_TESTS))

# What takes minutes: damaged files and lives by the ten thousand.
test-long: APPEND += MACH_TEST_ROUNDS=10000 MACH_TEST_LIVES=10000 MACH_TEST_STEPS=1000000
test-long: TESTS := loader_fuzz life ipc_model
test-long: vm-ready
	@scripts/run-tests.py --vm $(VM_TESTS)

# Ten million operations on the locks of psynch, or PSYNCH_OPS=.
stress-psynch: vm-ready
	@APPEND="$$APPEND psynch_ops=$(or $(PSYNCH_OPS),10000000)" TESTS=psynch_long \
		scripts/run-tests.py --vm $(B)/vm/test_psynch_long

run: vm-ready
	@scripts/run-demo.py

shell: vm-ready
	@scripts/run-shell.py

include scripts/debug.mk
