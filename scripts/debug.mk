# SPDX-License-Identifier: GPL-2.0
#
# The module in the debug kernel, and the long runs. Part of scripts/build.mk;
# MACH_DEBUG_DIR has the kernel (scripts/debug-kernel.sh). All that is built for it
# is below D, so that the stock kernel's module stays; test programs are the same.

D := $(B)/debug

$(D)/module/mach.ko: FORCE
	$(Q)$(MAKE) --no-print-directory -C $(MACH_DEBUG_DIR)/tree M=$(TOP) \
		MO=$(TOP)/$(D)/module -j$(JOBS) LLVM=1 $(if $(V),V=$(V)) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules

$(D)/mach.ko: $(D)/module/mach.ko
	$(Q)strip --strip-debug -o $@ $<

DEBUG_VM := MACH_VM=debug MACH_KO=$(D)/mach.ko MACH_KMODULES= \
	MACH_KIMAGE=$(MACH_DEBUG_DIR)/bzImage

test-debug: $(D)/mach.ko $(B)/vm/runner $(VM_TESTS) demo
	@$(DEBUG_VM) scripts/run-tests.py --vm $(VM_TESTS)

# The same with new memory full of poison, which must never get to user space.
test-poison: APPEND += slab_debug=P page_poison=1
test-poison: TESTS := sequences
test-poison: test-debug

# --- make fuzz -------------------------------------------------------------------
# The traps, guided by coverage: scripts/run-fuzz.py, tests/fuzz/traps.

fuzz: $(D)/mach.ko $(B)/vm/runner $(B)/vm/fuzz demo
	@$(DEBUG_VM) MINUTES=$(FUZZ_MINUTES) SEED=$(SEED) scripts/run-fuzz.py fuzz; \
		status=$$?; $(if $(KEEP),scripts/run-fuzz.py keep;) exit $$status

fuzz-report: $(D)/module/mach.ko
	@scripts/run-fuzz.py report

# --- make test-kcsan ---------------------------------------------------------------
# The programs in which tasks and threads get in each other's way, in the kernel that
# looks for data races.

K := $(B)/kcsan

$(K)/module/mach.ko: FORCE
	$(Q)$(MAKE) --no-print-directory -C $(MACH_KCSAN_DIR)/tree M=$(TOP) \
		MO=$(TOP)/$(K)/module -j$(JOBS) LLVM=1 $(if $(V),V=$(V)) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules

$(K)/mach.ko: $(K)/module/mach.ko
	$(Q)strip --strip-debug -o $@ $<

RACES := ipc_race stress semaphore_stress psynch_stress fork life exit port_sets kqueue* \
	blocking cancellation exceptions exec_threads fork_wait reuse sequences sigexc suspend \
	thread_state thread_terminate timer vm_share voucher wait_killed

test-kcsan: $(K)/mach.ko $(B)/vm/runner $(VM_TESTS) demo
	@MACH_VM=kcsan MACH_KO=$(K)/mach.ko MACH_KMODULES= \
		MACH_KIMAGE=$(MACH_KCSAN_DIR)/bzImage TESTS="$(or $(TESTS),$(RACES))" \
		scripts/run-tests.py --vm $(VM_TESTS)

# --- make soak -------------------------------------------------------------------
# Cases of all test programs at random, in tens of processes; KERNEL=debug takes the
# debug kernel.

$(B)/vm/soak: tests/vm/soak.c $(B)/vm/lib/kernel_memory.o scripts/debug.mk
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(VM_CFLAGS) -o $@ $(filter %.c %.o,$^)

SOAK_KO := $(if $(filter debug,$(KERNEL)),$(D)/mach.ko,$(B)/vm/mach.ko)

soak: $(SOAK_KO) $(B)/vm/runner $(B)/vm/soak $(VM_TESTS) demo
	@APPEND="slab_nomerge $(APPEND)" $(if $(filter debug,$(KERNEL)),$(DEBUG_VM)) MINUTES=$(or $(MINUTES),5) \
		SEED=$(SEED) MEM=$(or $(MEM),2G) TESTS= \
		scripts/run-tests.py --vm $(B)/vm/soak --with $(VM_TESTS)
