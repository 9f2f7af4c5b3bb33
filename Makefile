# SPDX-License-Identifier: GPL-2.0
#
# Entry point for people; kbuild itself reads Kbuild, never this file.
#
# Every goal is made in two steps. Outside, scripts/prepare.sh makes sure that
# the tools, the kernel tree and the kernel image exist (once, in a cache) and
# writes their places to build/env. Then scripts/enter.sh steps into the tool
# root, same paths, and calls make again; there scripts/build.mk has the rules.

GOALS := all modules run test shell clippy shellcheck fmt fmtcheck doc rust-analyzer \
	host-test host-programs vm-programs demo bench bench-parallel bench-profile fuzz-loader test-long \
	stress-psynch
# Those that need the debug kernel, which takes a while to build.
DEBUG_GOALS := test-debug test-poison fuzz fuzz-report
KCSAN_GOALS := test-kcsan
$(if $(filter debug,$(KERNEL)),DEBUG_GOALS,GOALS) += soak

.DEFAULT_GOAL := all

ifdef MACH_INSIDE

include scripts/build.mk

else

# Variables given on the command line, to be handed on to the inner make.
export MACH_VARS := $(foreach v,$(.VARIABLES),$(if $(filter command%,$(origin $v)),$v))

.PHONY: $(GOALS) $(DEBUG_GOALS) $(KCSAN_GOALS) samples prepare prepare-debug prepare-kcsan \
	bench-prepare update help clean

$(GOALS): prepare
	@scripts/enter.sh make $@

$(DEBUG_GOALS): prepare-debug
	@scripts/enter.sh make $@

$(KCSAN_GOALS): prepare-kcsan
	@scripts/enter.sh make $@

bench bench-parallel bench-profile: bench-prepare
bench-prepare: prepare
	@scripts/bench-prepare.sh

# Programs of others, which some tests look at.
test test-debug: samples
samples: prepare
	@. build/env && scripts/fetch-samples.py "$$MACH_CACHE"

prepare:
	@scripts/prepare.sh

prepare-debug:
	@scripts/prepare.sh --debug

prepare-kcsan:
	@scripts/prepare.sh --kcsan

update:
	@scripts/prepare.sh --update

clean:
	rm -rf build rust-project.json

help:
	@cat scripts/help.txt

# The inner make runs jobs side by side, the outer one must not.
.NOTPARALLEL:

endif
