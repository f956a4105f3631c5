# SPDX-License-Identifier: BSD-2-Clause
#
# Sampo: `make` builds everything, `make help` lists the rest.

.DEFAULT_GOAL := all
comma := ,
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:

# The tools; CROSS_COMPILE= is a prefix for them.
CC      := $(if $(filter-out default undefined,$(origin CC)),$(CC),$(CROSS_COMPILE)gcc)
LD      := $(CROSS_COMPILE)ld
AR      := $(CROSS_COMPILE)ar
OBJCOPY := $(CROSS_COMPILE)objcopy
HOSTCC  := gcc
IASL    := iasl

# What a user may set.
CMDLINE      ?=
DOM0_CMDLINE ?=
MEM          ?= 2048
ACCEL        ?= tcg
GUESTS       ?= build/demo/guests
ISO          ?= build/sampo.iso
DISK         ?= build/sampo-disk.img
SIZE         ?= 4G

# Files get this date wherever one is needed, so that two builds give the same bytes.
export SOURCE_DATE_EPOCH := 1767225600
export LC_ALL := C
export TZ := UTC

# --- The Debian release ------------------------------------------------------------------------------------------------

RELEASE  := $(shell . /etc/os-release; echo "$${VERSION_CODENAME:-$$ID}")
RELEASES := $(patsubst guests/debian/%.mk,%,$(wildcard guests/debian/*.mk))
ifeq ($(filter $(RELEASE),$(RELEASES)),)
$(error This is $(RELEASE); Sampo knows the Debian releases $(RELEASES): guests/debian/NAME.mk names what it needs of one)
endif
include guests/debian/$(RELEASE).mk

# --- Packages ----------------------------------------------------------------------------------------------------------

BUILD_PACKAGES := gcc libc6-dev binutils make patch acpica-tools grub-pc-bin grub-efi-amd64-bin grub-common xorriso \
    mtools cpio gzip fdisk e2fsprogs dpkg-dev kmod tcl seabios
RUN_PACKAGES_qemu  := qemu-system-x86
RUN_PACKAGES_uefi  := $(RUN_PACKAGES_qemu) ovmf
RUN_PACKAGES_clients := virt-manager xvfb dbus prometheus-libvirt-exporter golang-go golang-github-digitalocean-go-libvirt-dev $(VIRT_TOP_PACKAGE)
RUN_PACKAGES_bochs := bochs bochsbios bochs-term vgabios python3 python3-pexpect
TEST_PACKAGES := $(RUN_PACKAGES_uefi) $(RUN_PACKAGES_bochs) seabios e2fsprogs cloc curl qemu-utils lvm2 libvirt-clients virtinst python3-libvirt lintian mmdebstrap sqlite3 libcmocka-dev python3-pytest python3-pytest-xdist python3-pexpect \
    clang clang-format $(CLANG_RT_PACKAGE)

# What the goals need, and no more: each set is looked at once per build directory, and the packages of it that are
# missing are named and installed.
GOALS      := $(or $(MAKECMDGOALS),all)
BARE_GOALS := clean help format
RUNS_IN    := $(if $(filter bochs,$(MACHINE)),bochs,$(if $(UEFI),uefi,qemu))

ifneq ($(filter-out $(BARE_GOALS),$(GOALS)),)
include build/.packages
endif
ifneq ($(filter run,$(GOALS)),)
include build/.packages-$(RUNS_IN)
endif
ifneq ($(filter client-tests,$(GOALS)),)
include build/.packages-clients
endif
ifneq ($(filter-out $(BARE_GOALS) all iso iso-demo disk deb run small-guests build/%.elf build/%.bin build/%.iso,$(GOALS)),)
include build/.packages-test
endif

# install PACKAGES
define install
@mkdir -p $(@D)
@missing=; for p in $(1); do \
    case "$$(dpkg-query -W -f '$${Status}' $$p 2>/dev/null)" in *\ installed) ;; *) missing="$$missing $$p" ;; esac; \
done; \
if [ -n "$$missing" ]; then \
    echo "Installing from Debian, because they are missing:$$missing"; \
    as=; [ "$$(id -u)" = 0 ] || as=sudo; \
    $$as apt-get update -q && \
    $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
fi
@touch $@
endef

build/.packages: Makefile
	$(call install,$(BUILD_PACKAGES))
build/.packages-test: Makefile | build/.packages
	$(call install,$(TEST_PACKAGES))
build/.packages-%: Makefile | build/.packages
	$(call install,$(RUN_PACKAGES_$*))

# --- Flags -------------------------------------------------------------------------------------------------------------

GCC_INCLUDE := $(shell $(CC) -print-file-name=include 2>/dev/null)

MACHINE_FLAGS := -m64 -march=x86-64 -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
    -fcf-protection=none -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
    -ffile-prefix-map=$(CURDIR)=.
WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wno-override-init -Wno-missing-field-initializers -Wshadow -Werror
COMMON_FLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-strict-aliasing $(MACHINE_FLAGS) $(WARNINGS) -I. -Ibuild/gen
DEPFLAGS = -MMD -MP -MF $(@:.o=.d)

# Ring 0 has no indirect branches but those of arch/thunk.S.
THUNK_FLAGS  := $(if $(findstring clang,$(CC)),-mretpoline-external-thunk,-mindirect-branch=thunk-extern \
    -mindirect-branch-register) -fno-jump-tables
# GCC writes down each function's frame and calls, for tests/depth.py.
CALLGRAPH    := $(if $(findstring Free Software,$(shell $(CC) --version)),-fcallgraph-info=su)
KERNEL_FLAGS := $(COMMON_FLAGS) -fno-builtin-printf $(THUNK_FLAGS) $(CALLGRAPH)
# GCC copies a few bytes by moves, without a call of memcpy. A copy of memory that a guest writes to ends with a barrier
# (guests/dom0/net/switch.c) or is made by a function of another file (queue_read, vm_read): GCC must not read it twice.
# The functions of printf's kind stay calls, so that GCC does not warn of texts that are cut.
BUILTIN_FLAGS := -fbuiltin -fno-builtin-printf -fno-builtin-snprintf -fno-builtin-vsnprintf
GUEST_FLAGS = $(COMMON_FLAGS) $(BUILTIN_FLAGS) $(LIB_INCLUDES) $(LIB_DEFS)

LINK := -nostdlib -static -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
    -Wl,--no-warn-rwx-segments

.PHONY: all
all: build/sampo.elf build/sampo.elf32 build/dom0.bin small-guests

# --- The kernel --------------------------------------------------------------------------------------------------------

KERNEL_SOURCES := $(sort $(wildcard boot/*.c boot/*.S arch/*.c arch/*.S arch/*/*.c arch/*/*.S kernel/*.c \
    kernel/*/*.c))
KERNEL_OBJECTS := $(patsubst %,build/kernel/%.o,$(KERNEL_SOURCES))

build/sampo.elf: $(KERNEL_OBJECTS) linker.ld
	@echo "  LD      $@"
	@$(CC) $(LINK) -Wl,-T,linker.ld -Wl,-Map,build/sampo.map -o $@ $(KERNEL_OBJECTS) -lgcc

# For `qemu -kernel`, which speaks Multiboot 1 only: a 32-bit program with the kernel inside.
MULTIBOOT1_OBJECTS := build/multiboot1/start.S.o build/multiboot1/main.c.o

build/sampo.elf32: $(MULTIBOOT1_OBJECTS) boot/multiboot1/link.ld
	@echo "  LD      $@"
	@$(CC) -m32 $(LINK) -Wl,-T,boot/multiboot1/link.ld -o $@ $(MULTIBOOT1_OBJECTS)
build/multiboot1/start.S.o: build/sampo.elf
build/multiboot1/%.o: boot/multiboot1/% Makefile
	@echo "  CC      $<"
	@mkdir -p $(@D)
	@$(CC) $(COMMON_FLAGS) -m32 -c -o $@ $<

build/kernel/%.c.o: %.c Makefile
	@echo "  CC      $<"
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_FLAGS) $(DEPFLAGS) -c -o $@ $<
build/kernel/%.S.o: %.S Makefile
	@echo "  AS      $<"
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_FLAGS) $(DEPFLAGS) -D__ASSEMBLY__ -c -o $@ $<

# --- dom0 --------------------------------------------------------------------------------------------------------------

include guests/libs.mk

GUEST_LIB_SOURCES := $(sort $(filter-out guests/lib/seal.c,$(wildcard guests/lib/*.c guests/lib/*.S guests/lib/*/*.c guests/lib/*/*.S)))
DOM0_SOURCES := $(sort $(wildcard guests/dom0/*.c guests/dom0/*.S guests/dom0/*/*.c guests/dom0/*/*.S drivers/*.c \
    drivers/net/*.c drivers/block/*.c drivers/pci/*.c))
ASL_SOURCES := $(sort $(wildcard guests/dom0/machine/*.asl))

GUEST_LIB_OBJECTS := $(patsubst %,build/guest/%.o,$(GUEST_LIB_SOURCES))
DOM0_OBJECTS := $(patsubst %,build/guest/%.o,$(DOM0_SOURCES))
AML_HEADERS := $(patsubst guests/dom0/machine/%.asl,build/gen/%_aml.h,$(ASL_SOURCES))

build/guest/lib.a: $(GUEST_LIB_OBJECTS)
	@echo "  AR      $@"
	@rm -f $@
	@$(AR) rcsD $@ $^

# link_guest OBJECTS LIBRARIES
link_guest = $(CC) $(LINK) -Wl,-T,guests/lib/guest.ld -Wl,-Map,$(@:.elf=.map) -o $@ $(1) \
    -Wl,--start-group build/guest/lib.a $(patsubst %,$(LIBS)/lib%.a,$(2)) -lgcc -Wl,--end-group

build/dom0.elf: $(DOM0_OBJECTS) build/guest/lib.a $(LIB_FILES) guests/lib/guest.ld
	@echo "  LD      $@"
	@$(call link_guest,$(DOM0_OBJECTS),picolibc lwip expat zydis mbedtls sqlite zlib zstd)

build/tools/seal: guests/lib/seal.c kernel/base/crc32c.c kernel/base/crc32c.h kernel/abi.h
	@echo "  HOSTCC  $@"
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 -Wall -Wextra -Werror -I. -o $@ guests/lib/seal.c kernel/base/crc32c.c

# What the kernel loads in dom0's place: struct sampo_image in front, see guest.ld, with its checksum.
build/%.bin: build/%.elf build/tools/seal
	@rm -f $@
	@$(OBJCOPY) -O binary $< $@.open
	@build/tools/seal $@.open $@

build/guest/%.c.o: %.c Makefile guests/libs.mk | $(LIB_HEADERS) $(AML_HEADERS) build/gen/vgabios_rom.h
	@echo "  CC      $<"
	@mkdir -p $(@D)
	@$(CC) $(GUEST_FLAGS) $(DEPFLAGS) -c -o $@ $<
build/guest/%.S.o: %.S Makefile | $(LIB_HEADERS)
	@echo "  AS      $<"
	@mkdir -p $(@D)
	@$(CC) $(GUEST_FLAGS) $(DEPFLAGS) -D__ASSEMBLY__ -c -o $@ $<

# ACPI source, as an array: build/gen/NAME_aml.h holds NAME_aml[].
build/gen/%.aml: guests/dom0/machine/%.asl
	@echo "  IASL    $<"
	@mkdir -p $(@D)
	@$(IASL) -p build/gen/$* $< >build/gen/$*.log 2>&1 || { cat build/gen/$*.log; exit 1; }

.SECONDARY: $(AML_HEADERS:_aml.h=.aml)
build/gen/%_aml.h: build/gen/%.aml
	@{ echo '/* Made from guests/dom0/machine/$*.asl. */'; echo 'static const unsigned char $*_aml[] = {'; \
	   od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } >$@

# The option ROM of guests' VGA, as Debian ships it.
VGABIOS := /usr/share/seabios/vgabios-stdvga.bin

build/gen/vgabios_rom.h: | build/.packages
	@mkdir -p $(@D)
	@{ echo '/* $(VGABIOS) of Debian. */'; echo 'static const unsigned char vgabios_rom[] = {'; \
	   od -An -v -tx1 $(VGABIOS) | sed 's/ \(..\)/0x\1,/g'; echo '};'; } >$@

# --- Small guests ------------------------------------------------------------------------------------------------------

# Each guests/small/NAME.c or NAME.S is a guest of its own. Those named here link with lwIP too.
LWIP_GUESTS := webserver

SMALL_C     := $(patsubst guests/small/%.c,%,$(sort $(wildcard guests/small/*.c)))
SMALL_REAL  := $(patsubst guests/small/%.S,%,$(sort $(wildcard guests/small/*real16*.S guests/small/*32.S)))
SMALL_S     := $(filter-out $(SMALL_REAL),$(patsubst guests/small/%.S,%,$(sort $(wildcard guests/small/*.S))))
SMALL_ELFS  := $(patsubst %,build/guests/%.elf,$(SMALL_C) $(SMALL_S) $(SMALL_REAL))

.PHONY: small-guests
small-guests: $(SMALL_ELFS)

$(patsubst %,build/guests/%.elf,$(SMALL_C)): build/guests/%.elf: build/guest/guests/small/%.c.o build/guest/lib.a \
    $(LIBS)/libpicolibc.a $(LIBS)/liblwip.a guests/lib/guest.ld
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(call link_guest,$<,picolibc $(if $(filter $*,$(LWIP_GUESTS)),lwip))
$(patsubst %,build/guests/%.elf,$(SMALL_S)): build/guests/%.elf: build/guest/guests/small/%.S.o build/guest/lib.a \
    $(LIBS)/libpicolibc.a guests/lib/guest.ld
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(call link_guest,$<,picolibc)
# 16- and 32-bit code: a 32-bit ELF file loaded at 1 MiB, or where its own linker script guests/small/NAME.ld says.
$(patsubst %,build/guests/%.elf,$(SMALL_REAL)): build/guests/%.elf: guests/small/%.S Makefile
	@echo "  LD      $@"
	@mkdir -p $(@D) build/guest/guests/small
	@$(CC) -m32 -ffile-prefix-map=$(CURDIR)=. -I. -D__ASSEMBLY__ -c -o build/guest/guests/small/$*.o $<
	@$(LD) -m elf_i386 $(if $(wildcard guests/small/$*.ld),-T guests/small/$*.ld,-Ttext=0x100000 -z max-page-size=4096) \
	    --build-id=none -o $@ build/guest/guests/small/$*.o

# --- Everything else ---------------------------------------------------------------------------------------------------

-include guests/demo.mk boot/install.mk tests/tests.mk

-include $(KERNEL_OBJECTS:.o=.d) $(DOM0_OBJECTS:.o=.d) $(GUEST_LIB_OBJECTS:.o=.d)
-include $(wildcard build/guest/guests/small/*.d)

.PHONY: clean
clean:
	rm -rf build

.PHONY: format
format:
	@command -v clang-format >/dev/null || { echo "install clang-format first"; exit 1; }
	clang-format -i $$(git ls-files '*.c' '*.h')

.PHONY: help
help:
	@echo 'make                      build everything; the first time installs what is missing from Debian'
	@echo 'make run                  boot the demo in QEMU, its console on this terminal (leave with Ctrl-a x)'
	@echo 'make run MACHINE=bochs    the same in Bochs, which emulates an Intel CPU with VMX'
	@echo 'make iso GUESTS=dir       bootable ISO whose dom0 starts the guests described in dir [ISO=file]'
	@echo 'make disk SIZE=4G         raw disk image that boots by itself and keeps guests in a pool [GUESTS=dir DISK=file]'
	@echo 'make deb                  Debian package that puts Sampo into GRUB beside Linux [VERSION= DEB=file]'
	@echo 'make check                the quick tests, some minutes'
	@echo 'make test                 all tests'
	@echo 'make bench                the figures, in exact instruction counts'
	@echo 'make profile              which functions of dom0 and ring 0 work for a Linux guest'
	@echo 'make bench-calls          what TLS and calls of libvirt cost dom0 (needs valgrind)'
	@echo 'make tcb                  code lines of ring 0 and the size of its image'
	@echo 'make clean                remove build/'
	@echo 'make format               format the sources with clang-format'
	@echo
	@echo 'Variables: CMDLINE= (kernel) DOM0_CMDLINE= MEM=$(MEM) (MiB for make run) ACCEL=tcg|kvm CROSS_COMPILE= CC='
