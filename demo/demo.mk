# SPDX-License-Identifier: GPL-2.0
#
# Mach-O programs, for `make run` and for the loader's tests. Part of
# scripts/build.mk. clang and ld64.lld make them from C without any library;
# relink.py makes static ones and dynamic linkers of what ld64.lld links.

MACHO := $(B)/macho
DEMO := $(B)/initramfs-extra/demo

MACHO_CC := clang --target=x86_64-apple-macos11
MACHO_CFLAGS := -std=gnu17 -O2 -g0 -ffreestanding -fno-stack-protector -fno-jump-tables \
	-mno-red-zone -Wall -Wextra -Werror -Idemo/lib -I$(MACHO) -MMD -MP
MACHO_LD := $(shell command -v ld64.lld || command -v ld64.lld-19 || \
	echo $(dir $(realpath $(shell command -v ld.lld)))ld64.lld)
MACHO_LDFLAGS := -arch x86_64 -platform_version macos 11 11 -headerpad 0x200
MACHO_RUNTIME := $(MACHO)/lib/runtime.o $(MACHO)/lib/mach.o
MACHO_START := $(MACHO)/lib/entry.o $(MACHO)/lib/start.o $(MACHO_RUNTIME)

$(MACHO)/mach_abi.h: scripts/gen-abi-header scripts/abi_data.py $(wildcard abi/*.csv)
	@mkdir -p $(@D)
	$(Q)scripts/gen-abi-header -o $@

$(MACHO)/%.o: demo/%.c demo/demo.mk | $(MACHO)/mach_abi.h
	@mkdir -p $(@D)
	@echo "  CC [O] $@"
	$(Q)$(MACHO_CC) $(MACHO_CFLAGS) -c -o $@ $<

$(MACHO)/%.o: demo/%.S demo/demo.mk
	@mkdir -p $(@D)
	@echo "  AS [O] $@"
	$(Q)$(MACHO_CC) -c -o $@ $<

# $(call macho-link,program,objects,further flags): what runs under dyld
macho-link = $(MACHO_LD) $(MACHO_LDFLAGS) $(3) -o $(1) $(2)

# $(call macho-static,program,objects,further flags)
macho-static = $(call macho-link,$(1).linked,$(2),-e _start $(3)) && \
	demo/relink.py static $(1).linked $(1)

# $(call macho-dylinker,program,objects,further flags)
macho-dylinker = $(call macho-link,$(1).linked,$(2),-e _start -pie $(3)) && \
	demo/relink.py dylinker $(1).linked $(1)

# $(call macho-dynamic,program,objects,path of the dynamic linker,further flags)
macho-dynamic = $(call macho-link,$(1).linked,$(2),-e _main $(4)) && \
	demo/relink.py dynamic:$(3) $(1).linked $(1)

# The same for i386, of which no linker makes Mach-O images: tests/macho/macho.mk.
MACHO32_CC := gcc -m32
MACHO32_CFLAGS := -std=gnu17 -O2 -g0 -march=i686 -ffreestanding -fno-stack-protector \
	-fno-jump-tables -fno-asynchronous-unwind-tables -fpie -fvisibility=hidden \
	-fcf-protection=none -Wno-format \
	-Wall -Wextra -Werror -Idemo/lib -I$(MACHO)/i386 -MMD -MP

$(MACHO)/i386/mach_abi.h: scripts/gen-abi-header scripts/abi_data.py $(wildcard abi/*.csv)
	@mkdir -p $(@D)
	$(Q)scripts/gen-abi-header --bits 32 -o $@

$(MACHO)/i386/%.o: demo/%.c demo/demo.mk | $(MACHO)/i386/mach_abi.h
	@mkdir -p $(@D)
	@echo "  CC [O] $@"
	$(Q)$(MACHO32_CC) $(MACHO32_CFLAGS) -c -o $@ $<

$(MACHO)/i386/%.o: demo/%.S demo/demo.mk
	@mkdir -p $(@D)
	@echo "  AS [O] $@"
	$(Q)$(MACHO32_CC) -c -o $@ $<

$(MACHO)/hello: $(MACHO)/hello.o $(MACHO)/ends.o $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-static,$@,$(filter %.o,$^),-pie)

$(MACHO)/dyld: $(MACHO)/dyld.o $(MACHO_START) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-dylinker,$@,$(filter %.o,$^))

$(MACHO)/dynamic: $(MACHO)/dynamic.o $(MACHO_RUNTIME) demo/relink.py
	@echo "  LD [O] $@"
	$(Q)$(call macho-dynamic,$@,$(filter %.o,$^),/demo/dyld,-pie)

# Its load commands are as they were, and what they are about is not there.
$(MACHO)/damaged: $(MACHO)/hello
	$(Q)head -c 4096 $< > $@ && chmod 755 $@

DEMO_FILES := $(addprefix $(DEMO)/,run-demo hello dyld dynamic damaged)
INITRAMFS_EXTRA += $(DEMO_FILES)

$(DEMO)/run-demo: demo/run-demo
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(DEMO)/%: $(MACHO)/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

-include tests/macho/macho.mk
-include $(wildcard $(MACHO)/*.d $(MACHO)/lib/*.d $(MACHO)/i386/lib/*.d)
