# SPDX-License-Identifier: GPL-2.0
#
# What test programs for the VM are given besides the interface itself. A
# fragment of scripts/build.mk.

VM_HEADERS += $(B)/tests/status.h

$(B)/tests/status.h: scripts/status-table README.md
	@mkdir -p $(@D)
	@echo "  GEN $@"
	$(Q)scripts/status-table --header README.md > $@
