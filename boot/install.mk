# SPDX-License-Identifier: BSD-2-Clause
#
# What is installed on a machine.

# A disk that boots by itself. It has guests only if GUESTS= says so: a server gets its own.
DISK_GUESTS = $(if $(filter file,$(origin GUESTS)),,$(GUESTS))
DISK_SAYS = $(CMDLINE)|$(DOM0_CMDLINE)|$(DISK_GUESTS)|$(SIZE)

$(DISK).says: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(DISK_SAYS)) | cmp -s - $@ || printf '%s\n' $(call quoted,$(DISK_SAYS)) >$@
$(DISK): build/sampo.elf build/dom0.bin boot/mkdisk.sh boot/grub.sh $(DISK).says $(if $(DISK_GUESTS),$(call files_below,$(DISK_GUESTS)))
	@echo "  DISK    $@"
	@CMDLINE=$(call quoted,$(CMDLINE)) DOM0_CMDLINE=$(call quoted,$(DOM0_CMDLINE)) sh boot/mkdisk.sh $@ $(SIZE) \
		build/sampo.elf build/dom0.bin $(if $(DISK_GUESTS),$(call quoted,$(DISK_GUESTS)))

.PHONY: disk
disk: $(DISK)

# The Debian package. A later commit is a later version.
VERSION ?= 0.1$(shell git rev-list --count HEAD 2>/dev/null | sed 's/^/+r/')
DEB ?= build/sampo_$(VERSION)_amd64.deb
DEB_LIBRARIES := $(PICOLIBC) $(LWIP) $(EXPAT) $(ZYDIS) $(ZYCORE) $(MBEDTLS) $(SQLITE) $(ZLIB) $(ZSTD)

.PHONY: deb
deb: build/sampo.elf build/dom0.bin
	@echo "  DEB     $(DEB)"
	@OBJCOPY='$(OBJCOPY)' sh boot/debian/mkdeb.sh $(DEB) $(VERSION) $^ $(DEB_LIBRARIES)
