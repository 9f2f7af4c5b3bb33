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
