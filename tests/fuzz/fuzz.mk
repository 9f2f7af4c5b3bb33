# SPDX-License-Identifier: GPL-2.0
#
# `make fuzz-loader`: the parser of Mach-O files, guided by coverage. A fragment of
# scripts/build.mk. RUNS= says how long; with KEEP=1 the corpus in the tree is
# exchanged for what was found.

RUNS ?= 1000000
FUZZ := $(B)/fuzz
FUZZ_CORPUS := tests/corpus/loader
SANCOV := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1

FUZZ_SOURCES := $(wildcard tests/fuzz/*.rs src/loader/macho/*.rs) \
	tests/host/loader/image.rs tests/host/loader/invariants.rs

$(FUZZ)/libloader_target.rlib: $(FUZZ_SOURCES) $(B)/host/libzerocopy.rlib tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	@echo "  RUSTC [H] $@"
	$(Q)RUSTC_BOOTSTRAP=1 rustc --edition 2021 -O -Cdebug-assertions -Coverflow-checks \
		-Awarnings -Aexplicit_builtin_cfgs_in_flags --cfg test $(SANCOV) \
		--crate-type rlib --crate-name loader_target \
		--extern zerocopy=$(B)/host/libzerocopy.rlib \
		--extern zerocopy_derive=$(KDIR)/rust/libzerocopy_derive.so \
		-o $@ tests/fuzz/target.rs

$(FUZZ)/loader: $(FUZZ)/libloader_target.rlib tests/fuzz/loader.rs
	@echo "  RUSTC [H] $@"
	$(Q)rustc --edition 2021 -O -D warnings --extern loader_target=$< \
		-L $(B)/host -L $(KDIR)/rust -o $@ tests/fuzz/loader.rs

fuzz-loader: $(FUZZ)/loader
	$(Q)$< $(RUNS) $(FUZZ_CORPUS) $(if $(KEEP),$(FUZZ_CORPUS))

# --- make fuzz -----------------------------------------------------------------------
# The traps, in the debug kernel, guided by KCOV: scripts/run-fuzz.py.

TRAPS_FUZZ := $(patsubst tests/fuzz/traps/%.c,$(FUZZ)/traps/%.o, \
	$(filter-out %/fuzz.c,$(wildcard tests/fuzz/traps/*.c)))
FUZZ_CFLAGS := $(VM_CFLAGS) -I$(FUZZ)/traps

$(FUZZ)/traps/trap_forms.h: scripts/gen-trap-forms $(ABI_READER)
	@mkdir -p $(@D)
	@echo "  GEN $@"
	$(Q)scripts/gen-trap-forms > $@

$(FUZZ)/traps/%.o: tests/fuzz/traps/%.c tests/fuzz/fuzz.mk $(FUZZ)/traps/trap_forms.h | $(VM_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/vm/fuzz: $(FUZZ)/traps/fuzz.o $(TRAPS_FUZZ)
	@mkdir -p $(@D)
	@echo "  CC [VM] $@"
	$(Q)gcc $(FUZZ_CFLAGS) -o $@ $^

-include $(wildcard $(FUZZ)/traps/*.d)

# What it has found is run by `make test`.
$(B)/vm/test_sequences: $(TRAPS_FUZZ)
$(B)/vm/test_sequences: VM_CFLAGS += -Itests/fuzz/traps

FUZZ_SEEDS := $(B)/initramfs-extra/fuzz/seeds
INITRAMFS_EXTRA += $(FUZZ_SEEDS)

$(FUZZ_SEEDS): $(wildcard tests/corpus/traps/*.txt) tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(Q)cat $(filter %.txt,$^) /dev/null > $@
