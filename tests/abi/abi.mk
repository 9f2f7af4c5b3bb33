# SPDX-License-Identifier: GPL-2.0
#
# What is generated from the data in abi/: the header of the test programs for
# the VM, and the assertions that src/abi includes wherever it is compiled. A
# fragment of scripts/build.mk.

ABI_READER := scripts/abi_data.py abi/traps.csv abi/structs.csv

VM_HEADERS += $(B)/tests/mach_abi.h

$(B)/tests/mach_abi.h: scripts/gen-abi-header $(ABI_READER)
	@mkdir -p $(@D)
	@echo "  GEN $@"
	$(Q)scripts/gen-abi-header > $@

ABI_LAYOUT := $(B)/host/gen/src/abi/layout_generated.rs

$(ABI_LAYOUT): scripts/gen-abi-asserts $(ABI_READER)
	@mkdir -p $(@D)
	@echo "  GEN $@"
	$(Q)scripts/gen-abi-asserts > $@

ABI_COMPAT := $(B)/host/gen/src/abi/compat_generated.rs

$(ABI_COMPAT): scripts/gen-abi-compat $(ABI_READER) abi/structs32.csv
	@mkdir -p $(@D)
	@echo "  GEN $@"
	$(Q)scripts/gen-abi-compat > $@

# Any host test may include src/abi.
$(patsubst tests/%.rs,$(B)/host/%,$(wildcard tests/host/*.rs tests/abi/*.rs)): $(ABI_LAYOUT) $(ABI_COMPAT)
$(B)/host/%: export MACH_OBJTREE := $(TOP)/$(B)/host/gen
