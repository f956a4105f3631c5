# SPDX-License-Identifier: BSD-2-Clause
#
# The demo: two Linux guests and a small one of ours, a disk for them, the ISO, and QEMU to boot it in.

# Which of guests/small is the demo's small one.
DEMO_TINY ?= $(if $(wildcard guests/small/webserver.c),webserver,hello)

DEMO := build/demo
DEMO_FILES := $(DEMO)/guests/vmlinuz $(DEMO)/guests/initrd.gz $(DEMO)/guests/tiny.elf \
    $(patsubst guests/demo/%,$(DEMO)/guests/%,$(wildcard guests/demo/*.xml))

LINUX_FILES := $(shell find guests/linux -type f 2>/dev/null)

build/linux/.done: $(LINUX_FILES) | build/.packages
	sh guests/linux/build.sh build/linux
	@touch $@

$(DEMO)/guests/vmlinuz $(DEMO)/guests/initrd.gz: build/linux/.done
	@mkdir -p $(@D)
	@cp build/linux/$(@F) $@
$(DEMO)/guests/%.xml: guests/demo/%.xml
	@mkdir -p $(@D)
	@cp $< $@
$(DEMO)/guests/tiny.elf: build/guests/$(DEMO_TINY).elf
	@mkdir -p $(@D)
	@cp $< $@

# Made once: what the guests write stays over `make run`; `make clean` or removing the file starts afresh.
$(DEMO)/disk.img: | build/.packages
	@mkdir -p $(@D)
	sh guests/demo/mkdisk.sh $@

# A text as one word of the shell's.
quoted = '$(subst ','\'',$(1))'
# All files below a folder. make has no name for a file with a blank or the like in its name: a pattern finds it.
files_below = $(shell find -L $(call quoted,$(1)) -type f | LC_ALL=C sed 's/[^A-Za-z0-9_.\/,+@\x80-\xff-]/?/g')

# The ISO of the folder GUESTS; the demo's by default. The command lines are part of it.
GUEST_FILES = $(if $(filter $(DEMO)/guests,$(patsubst %/,%,$(GUESTS))),$(DEMO_FILES),$(call files_below,$(GUESTS)))
ISO_SAYS = $(CMDLINE)|$(DOM0_CMDLINE)|$(GUESTS)

$(ISO).says: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(ISO_SAYS)) | cmp -s - $@ || printf '%s\n' $(call quoted,$(ISO_SAYS)) >$@
$(ISO): build/sampo.elf build/dom0.bin boot/mkiso.sh boot/grub.sh $(ISO).says $(GUEST_FILES)
	@echo "  ISO     $@"
	@CMDLINE=$(call quoted,$(CMDLINE)) DOM0_CMDLINE=$(call quoted,$(DOM0_CMDLINE)) sh boot/mkiso.sh $@ \
		build/sampo.elf build/dom0.bin $(call quoted,$(GUESTS))

.PHONY: FORCE iso iso-demo
FORCE:
iso: $(ISO)
iso-demo: build/sampo.iso

# make run: UEFI=1 boots with OVMF, CPU= names another model, QEMU_ARGS= adds what you like.
# MACHINE=bochs boots it in Bochs, an Intel CPU with VMX, to which these do not matter.
MACHINE   ?= qemu
QEMU      ?= qemu-system-x86_64
CPU       ?= $(if $(filter kvm,$(ACCEL)),host,max,la57=off)
UEFI      ?=
QEMU_ARGS ?=
OVMF      := /usr/share/OVMF

QEMU_RUN = $(QEMU) -accel $(ACCEL) -machine q35 -cpu $(CPU) -m $(MEM) -no-reboot -display none -serial mon:stdio \
    $(if $(UEFI),-drive if=pflash$(comma)format=raw$(comma)readonly=on$(comma)file=$(OVMF)/OVMF_CODE_4M.fd \
    -drive if=pflash$(comma)format=raw$(comma)file=$(DEMO)/uefi-vars.fd) \
    -drive if=none,id=disk,format=raw,file=$(DEMO)/disk.img -device ide-hd,drive=disk,bus=ide.0 \
    -netdev user,id=net -device e1000e,netdev=net -cdrom $(ISO) -boot d $(QEMU_ARGS)

BOCHS_RUN = $(PYTHON) tests/bochs/run.py $(ISO) $(DEMO)/disk.img $(MEM)

$(DEMO)/uefi-vars.fd: | build/.packages
	@mkdir -p $(@D)
	@cp $(OVMF)/OVMF_VARS_4M.fd $@

.PHONY: run
run: $(ISO) $(DEMO)/disk.img $(if $(UEFI),$(DEMO)/uefi-vars.fd)
	@echo 'Leave $(MACHINE) with Ctrl-a x; `poweroff` in the shell leaves it cleanly.'
	@$(if $(filter bochs,$(MACHINE)),$(BOCHS_RUN),$(QEMU_RUN))
