# SPDX-License-Identifier: GPL-2.0
#
# `make bench`, `make bench-parallel` and `make bench-profile`. Part of scripts/build.mk. Programs are
# made as those of tests/vm; the machine they run on is made by
# scripts/run-bench.py, with the QEMU that scripts/bench-prepare.sh provides.

BENCH := $(B)/bench
BENCH_OBJECTS := $(patsubst tests/bench/%.c,$(BENCH)/obj/%.o,\
	$(filter-out %/exit.c %/profiler.c,$(wildcard tests/bench/*.c)))
# The frame of tests is not that of rows.
BENCH_LIB := $(filter-out %/harness.o,$(VM_LIB))

$(BENCH)/obj/%.o: tests/bench/%.c tests/bench/bench.mk | $(VM_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC [B] $@"
	$(Q)gcc $(VM_CFLAGS) -Itests/bench -I$(BENCH)/include -c -o $@ $<

# Newer than what libc brings along.
$(BENCH)/include/linux/ntsync.h: $(KDIR)/include/uapi/linux/ntsync.h
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(BENCH_OBJECTS): | $(BENCH)/include/linux/ntsync.h

# As an archive, of which only what rows use is linked.
$(BENCH)/lib.a: $(BENCH_LIB)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BENCH)/bench: $(BENCH_OBJECTS) $(BENCH)/lib.a
	@echo "  LD [B] $@"
	$(Q)gcc $(VM_CFLAGS) -o $@ $^

# The same program in two formats, with the same segments.
$(BENCH)/exit_elf: tests/bench/exit.c tests/bench/bench.mk
	@mkdir -p $(@D)
	@echo "  CC [B] $@"
	$(Q)gcc -O2 -Wall -Wextra -Werror -static -nostdlib -no-pie -fno-pie \
		-fcf-protection=none -Wl,--build-id=none,-z,noexecstack -o $@ $<

$(MACHO)/bench/%.o: tests/bench/%.c demo/demo.mk tests/bench/bench.mk
	@mkdir -p $(@D)
	@echo "  CC [O] $@"
	$(Q)$(MACHO_CC) $(MACHO_CFLAGS) -c -o $@ $<

$(BENCH)/exit_macho: $(MACHO)/bench/exit.o demo/relink.py
	@mkdir -p $(@D)
	@echo "  LD [O] $@"
	$(Q)$(call macho-static,$@,$<,-no_pie)

$(BENCH)/profiler.so: tests/bench/profiler.c tests/bench/bench.mk
	@mkdir -p $(@D)
	@echo "  CC [B] $@"
	$(Q)gcc -O2 -Wall -Wextra -Werror -std=gnu11 -shared -fPIC -o $@ $<

-include $(wildcard $(BENCH)/obj/*.d)

bench-ready: $(B)/vm/mach.ko $(B)/vm/runner $(BENCH)/bench $(BENCH)/exit_elf $(BENCH)/exit_macho
.PHONY: bench-ready

ifdef BASE
# The module of the other revision, whose files scripts/bench-prepare.sh unpacked.
BASE_TREE := $(TOP)/$(BENCH)/base
bench-base: FORCE
	$(Q)$(MAKE) --no-print-directory -C $(KDIR) M=$(BASE_TREE) MO=$(BASE_TREE)/build/module \
		-j$(JOBS) $(LLVM) CONFIG_DEBUG_INFO_BTF_MODULES= modules
	$(Q)strip --strip-debug -o $(BENCH)/base.ko $(BASE_TREE)/build/module/mach.ko
.PHONY: bench-base
bench-ready: bench-base
endif

export BASE ROWS ROUNDS

bench: bench-ready
	@scripts/run-bench.py measure

bench-parallel: bench-ready
	@scripts/run-bench.py parallel

bench-profile: bench-ready $(BENCH)/profiler.so
	@scripts/run-bench.py profile
