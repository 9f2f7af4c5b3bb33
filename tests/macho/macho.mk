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

$(MACHO)/tests/messages: $(MACHO)/tests/messages.o $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-static,$@,$(filter %.o,$^),-pie)

$(MACHO)/tests/kevents: $(MACHO)/tests/kevents.o $(MACHO_START) demo/relink.py
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

# Images for i386, linked as ELF without anything to relocate.

MACHO32_START := $(addprefix $(MACHO)/i386/lib/,entry32.o start.o runtime.o mach.o)

$(MACHO)/i386/tests/%.o: tests/macho/%.c demo/demo.mk tests/macho/macho.mk \
		| $(MACHO)/i386/mach_abi.h
	@mkdir -p $(@D)
	@echo "  CC [O] $@"
	$(Q)$(MACHO32_CC) $(MACHO32_CFLAGS) -Itests/macho -c -o $@ $<

# $(call macho32,image,objects,address,what to make of it,further flags)
macho32 = mkdir -p $(dir $(1)) && ld -m elf_i386 -q -z noexecstack $(5) -T tests/macho/i386.ld \
	--defsym=image_base=$(3) -o $(1).linked $(2) && tests/macho/elf2macho.py $(4) $(1).linked $(1)

MACHO32_PROBE := $(addprefix $(MACHO)/i386/tests/,probe.o report.o) $(MACHO32_START)
MACHO32_DYLD := $(addprefix $(MACHO)/i386/tests/,dyld.o report.o) $(MACHO32_START)
MACHO32_TOOLS := tests/macho/elf2macho.py tests/macho/i386.ld

$(MACHO)/tests/probe32: $(MACHO32_PROBE) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x4000,static)

$(MACHO)/tests/messages32: $(MACHO)/i386/tests/messages.o $(MACHO32_START) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x4000,static)

$(MACHO)/tests/kevents32: $(MACHO)/i386/tests/kevents.o $(MACHO32_START) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x4000,static)

$(MACHO)/tests/probe32_fixed: $(MACHO32_PROBE) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x20000,fixed)

# As the oldest programs are: from the second page on.
$(MACHO)/tests/probe32_low: $(MACHO32_PROBE) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x1000,fixed)

$(MACHO)/tests/dyld32: $(MACHO32_DYLD) $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0,dylinker)

$(MACHO)/tests/dynamic32: $(MACHO)/i386/tests/dynamic.o $(MACHO32_TOOLS)
	@echo "  LD [O] $@"
	$(Q)$(call macho32,$@,$(filter %.o,$^),0x1000000,dynamic:/macho/dyld32,-e main)

INITRAMFS_EXTRA += $(addprefix $(MACHO_TESTS)/,probe32 probe32_fixed probe32_low dyld32 dynamic32)
INITRAMFS_EXTRA += $(addprefix $(MACHO_TESTS)/,messages messages32 kevents kevents32)
INITRAMFS_EXTRA += $(addprefix $(MACHO_TESTS)/,probe probe_fixed dyld dynamic dynamic_fixed)

# Where programs of others look for it
INITRAMFS_EXTRA += $(B)/initramfs-extra/usr/lib/dyld
$(B)/initramfs-extra/usr/lib/dyld: $(MACHO)/tests/dyld
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(MACHO_TESTS)/%: $(MACHO)/tests/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

-include $(wildcard $(MACHO)/tests/*.d $(MACHO)/i386/tests/*.d)
