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

# Any host test may include src/abi.
$(patsubst tests/%.rs,$(B)/host/%,$(wildcard tests/host/*.rs tests/abi/*.rs)): $(ABI_LAYOUT)
$(B)/host/%: export MACH_OBJTREE := $(TOP)/$(B)/host/gen
