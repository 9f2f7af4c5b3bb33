# SPDX-License-Identifier: GPL-2.0
#
# Mach-O programs for tests/vm/test_loader*.c, made as those of the demo are
# (demo/demo.mk, which includes this). They are in /macho of the VM.

MACHO_TESTS := $(B)/initramfs-extra/macho

$(MACHO)/tests/%.o: tests/macho/%.c demo/demo.mk tests/macho/macho.mk | $(MACHO)/mach_abi.h
	@mkdir -p $(@D)
	@echo "  CC [O] $@"
	$(Q)$(MACHO_CC) $(MACHO_CFLAGS) -Itests/macho -c -o $@ $<

MACHO_PROBE := $(MACHO)/tests/probe.o $(MACHO)/tests/report.o

$(MACHO)/tests/probe: $(MACHO_PROBE) $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-static,$@,$(filter %.o,$^),-pie)

$(MACHO)/tests/probe_fixed: $(MACHO_PROBE) $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-static,$@,$(filter %.o,$^),-no_pie)

$(MACHO)/tests/dyld: $(MACHO)/tests/dyld.o $(MACHO)/tests/report.o $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-dylinker,$@,$(filter %.o,$^))

# What dyld is to start: it reports what it sees from inside of this image.
$(MACHO)/tests/dynamic: $(MACHO)/tests/dynamic.o demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-dynamic,$@,$(filter %.o,$^),/macho/../macho/dyld,-pie)

$(MACHO)/tests/dynamic_fixed: $(MACHO)/tests/dynamic.o demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-dynamic,$@,$(filter %.o,$^),/macho/../macho/dyld,-no_pie)

INITRAMFS_EXTRA += $(addprefix $(MACHO_TESTS)/,probe probe_fixed dyld dynamic dynamic_fixed)

$(MACHO_TESTS)/%: $(MACHO)/tests/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

-include $(wildcard $(MACHO)/tests/*.d)
