# SPDX-License-Identifier: BSD-2-Clause
#
# The tests. A test in tests/unit/FOLDER/test_NAME.c (cmocka; the folder is that of what it tests), tests/race/race_NAME.c (ThreadSanitizer), tests/litmus/litmus_NAME.c (on the host's CPUs) or
# tests/fuzz/fuzz_NAME.c (libFuzzer) is a program of its own; in its first lines it names what of the project, and of the libraries, it is linked with:
#
#     /* sources: arch/ptab.c kernel/base/frame.c */
#     /* libs: expat zydis lwip mbedtls sqlite zlib zstd */
#     /* flags: -DNAME=value */
#     /* fuzz: -max_len=100 */

UNIT_FILES := $(sort $(shell find tests/unit -name "test_*.c"))
UNIT_TESTS := $(sort $(basename $(notdir $(UNIT_FILES))))
FUZZERS    := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
RACES      := $(patsubst tests/race/%.c,%,$(sort $(wildcard tests/race/race_*.c)))
LITMUS     := $(patsubst tests/litmus/%.c,%,$(sort $(wildcard tests/litmus/litmus_*.c)))
UNIT_BINS  := $(addprefix build/tests/,$(UNIT_TESTS) $(RACES) $(LITMUS))
FUZZ_BINS  := $(addprefix build/tests/,$(FUZZERS))

FUZZ_SECONDS ?= 5
# The same inputs each time, as far as the seconds allow; FUZZ_SEED=0 is another seed each time.
FUZZ_SEED    ?= 1
# What has been found so far, a directory for each fuzzer, stays here and is where the next run begins.
FUZZ_CORPUS  ?= build/fuzz
# Debian's own, whose packages are installed.
PYTHON       ?= /usr/bin/python3
# Emulators leave a core idle while they wait: as many tests at once as there are cores, but for two at most, whose machines
# have the memory of a small host.
PYTEST_JOBS  ?= $(shell [ "$$(nproc)" -gt 1 ] && echo 2 || echo 1)
# Where output is cut, a failure still shows the console's end: the traces are short.
PYTEST       := $(PYTHON) -m pytest -p no:cacheprovider --tb=short -n $(PYTEST_JOBS) --dist loadgroup
PYTEST_ARGS  ?=
export PYTHONDONTWRITEBYTECODE := 1

HOST_INCLUDES := -Itests/host -I. -Itests/unit -Ibuild/gen -isystem build/host/include -isystem guests/lib/lwip
HOST_FLAGS := -std=gnu11 -g -O1 -Wall -Wextra -fno-omit-frame-pointer -fno-strict-aliasing $(HOST_INCLUDES) $(LIB_DEFS)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined

# The libraries again, for the host.
build/host/include/.headers: $(LIB_HEADERS)
	@rm -rf build/host/include && mkdir -p build/host/include
	@cp -R $(LIBS)/include/lwip $(LIBS)/include/netif $(LIBS)/include/mbedtls $(LIBS)/include/psa $(LIBS)/include/Zydis $(LIBS)/include/Zycore build/host/include
	@cp $(addprefix $(LIBS)/include/,expat.h expat_external.h sqlite3.h zlib.h zconf.h zstd.h zstd_errors.h) build/host/include
	@touch $@

define host_library
HOST_$(1)_OBJECTS := $$(patsubst %.c,build/host/$$(LIB_$(1)_VERSION)/%.o,$$(LIB_$(1)_SOURCES))
build/host/lib$(1).a: $$(HOST_$(1)_OBJECTS)
	@rm -f $$@
	@ar rcsD $$@ $$^
endef
$(foreach l,expat zydis lwip mbedtls sqlite zlib zstd,$(eval $(call host_library,$(l))))
$(HOST_lwip_OBJECTS): guests/lib/lwip/lwipopts.h guests/lib/lwip/arch/cc.h
$(HOST_mbedtls_OBJECTS): guests/lib/mbedtls/config.h
build/host/$(LIB_mbedtls_VERSION)/library/rsa.o: HOST_EXTRA = $(RSA_DEFS)
$(HOST_sqlite_OBJECTS): guests/lib/sqlite/sqlite_cfg.h $(SQLITE)/sqlite3.c
$(HOST_sqlite_OBJECTS): HOST_EXTRA = $(LIB_sqlite_DEFS)
$(HOST_zstd_OBJECTS): HOST_EXTRA = $(LIB_zstd_DEFS)

build/host/%.o: build/host/include/.headers
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu17 -g -O1 -w -DXML_POOR_ENTROPY -DBYTEORDER=1234 -DXML_CONTEXT_BYTES=1024 -DXML_GE=0 -D_GNU_SOURCE \
	    -DNDEBUG -DNO_GZIP $(LIB_DEFS) -Iguests/lib/expat -isystem build/host/include -I$(ZYDIS)/src -I$(MBEDTLS)/library -I. -Iguests/lib/lwip $(HOST_EXTRA) -c -o $@ build/src/$*.c

# said FILE WORD: what FILE's first lines say after WORD, and those of the files that FILE itself names after `with`.
said = $(shell sed -s -n '1,12s|.*$(2): *\(.*[^ ]\) *\*/.*|\1|p' $(1) \
    $$(sed -n '1,12s|.*with: *\(.*[^ ]\) *\*/.*|\1|p' $(1)))

define host_program
build/tests/$(1)_SOURCES := $$(call said,$(2),sources)
build/tests/$(1)_LIBS := $$(patsubst %,build/host/lib%.a,$$(call said,$(2),libs))
build/tests/$(1): $(2) $$(build/tests/$(1)_SOURCES) $$(build/tests/$(1)_LIBS) $$(TEST_GENERATED) tests/tests.mk | build/host/include/.headers
	@echo "  HOSTCC  $$@"
	@mkdir -p $$(@D)
	@$(3) $$(HOST_FLAGS) $$(call said,$(2),flags) -MM -MP -MT $$@ $(2) $$(build/tests/$(1)_SOURCES) >$$@.d
	@printf '%s:\n' $(2) $$(build/tests/$(1)_SOURCES) >>$$@.d
	@$(3) $$(HOST_FLAGS) $$(call said,$(2),flags) -o $$@ $(2) $$(build/tests/$(1)_SOURCES) \
	    $$(build/tests/$(1)_LIBS) $(4)
-include build/tests/$(1).d
endef
TEST_GENERATED = $(AML_HEADERS) build/gen/vgabios_rom.h
$(foreach f,$(UNIT_FILES),$(eval $(call host_program,$(basename $(notdir $(f))),$(f),$$(HOSTCC) $$(SANITIZERS),-lcmocka)))
$(foreach t,$(FUZZERS),$(eval $(call host_program,$(t),tests/fuzz/$(t).c,clang -Wno-c2x-extensions -fsanitize=fuzzer$(comma)address$(comma)undefined,)))
# Parts of the kernel as threads that stand for CPUs.
$(foreach t,$(RACES),$(eval $(call host_program,$(t),tests/race/$(t).c,clang -Wno-c2x-extensions -fsanitize=thread,-lpthread)))
# The same without a tool that would hide what the CPUs' store buffers do.
$(foreach t,$(LITMUS),$(eval $(call host_program,$(t),tests/litmus/$(t).c,$$(HOSTCC) -O2 -Itests/litmus,-lpthread)))
$(eval $(call host_program,sim,tests/sim/sim.c,$$(HOSTCC),-lm))

# Each runs to its end, within a bound, as many at once as pytest's; the target fails if any did. Where threads stand for
# CPUs, the program has the host's for itself.
UNIT_SECONDS := 180
UNIT_RUN      = timeout -k 5 $(UNIT_SECONDS) ./$$0 >$$0.log 2>&1 || echo "$$0(status $$?)" >>build/tests/failed; cat $$0.log
.PHONY: unit
unit: $(UNIT_BINS)
	@rm -f build/tests/failed
	@printf '%s\n' $(addprefix build/tests/,$(UNIT_TESTS)) | xargs -n 1 -P $(PYTEST_JOBS) sh -c '$(UNIT_RUN)'
	@printf '%s\n' $(addprefix build/tests/,$(RACES) $(LITMUS)) | xargs -n 1 sh -c '$(UNIT_RUN)'
	@if [ -s build/tests/failed ]; then echo "failed:" $$(cat build/tests/failed); exit 1; fi

# The scheduler, simulated on machines of many CPUs; some seconds, always the same.
.PHONY: sim
sim: build/tests/sim
	@./build/tests/sim

# Bounded: some seconds each, from the corpus of the last run and the seeds in tests/fuzz/NAME/, as many at once as
# pytest's. FUZZERS= names some of them.
FUZZ_RUN = mkdir -p $(FUZZ_CORPUS)/$$0; seeds=; [ -d tests/fuzz/$$0 ] && seeds=tests/fuzz/$$0; \
    options=$$(sed -n "1,12s|.*fuzz: *\(.*[^ ]\) *\*/.*|\1|p" tests/fuzz/$$0.c); \
    ./build/tests/$$0 -seed=$$1 -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 \
        -artifact_prefix=$(FUZZ_CORPUS)/$$0- $$options $(FUZZ_CORPUS)/$$0 $$seeds >$(FUZZ_CORPUS)/$$0.log 2>&1 || \
        { tail -n 60 $(FUZZ_CORPUS)/$$0.log; echo "$$0: failed"; exit 1; }; \
    echo "$$0: $$(grep "^Done" $(FUZZ_CORPUS)/$$0.log), $$(ls $(FUZZ_CORPUS)/$$0 | wc -l) inputs in the corpus"
.PHONY: fuzz
fuzz: $(FUZZ_BINS)
	@seed=$(FUZZ_SEED); [ $$seed != 0 ] || seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); echo "FUZZ_SEED=$$seed"; \
	for t in $(FUZZERS); do echo "$$t $$seed"; done | xargs -L 1 -P $(PYTEST_JOBS) sh -c '$(FUZZ_RUN)'

# As few inputs of the corpus as reach all that it reaches become seeds, in tests/fuzz/NAME/.
.PHONY: fuzz-seeds
fuzz-seeds: $(FUZZ_BINS)
	@for t in $(FUZZERS); do \
	    [ -d $(FUZZ_CORPUS)/$$t ] || continue; mkdir -p tests/fuzz/$$t; \
	    ./build/tests/$$t -set_cover_merge=1 tests/fuzz/$$t $(FUZZ_CORPUS)/$$t >$(FUZZ_CORPUS)/$$t.log 2>&1 || \
	        { tail -n 60 $(FUZZ_CORPUS)/$$t.log; exit 1; }; \
	    echo "$$t: $$(ls tests/fuzz/$$t | wc -l) seeds, $$(du -bs tests/fuzz/$$t | cut -f1) bytes"; \
	done

# Which lines of ring 0 the tests on the host execute; the fuzzers of its parts run before, for their corpora.
RING0_FUZZERS := fuzz_hypercall fuzz_exits_svm fuzz_exits_vmx fuzz_vlapic
.PHONY: coverage
coverage: $(TEST_GENERATED) build/host/include/.headers
	@$(MAKE) --no-print-directory fuzz FUZZERS="$(RING0_FUZZERS)"
	@$(PYTHON) tests/coverage.py $(FUZZ_CORPUS) $(HOST_FLAGS)

# A program in dom0's place, which tests the kernel's calls.
ABI_OBJECTS := $(patsubst %,build/guest/%.o,$(sort $(wildcard tests/kernel/*.c tests/kernel/*.S)))
build/tests/abi.elf: $(ABI_OBJECTS) build/guest/lib.a $(LIBS)/libpicolibc.a guests/lib/guest.ld
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(call link_guest,$(ABI_OBJECTS),picolibc)
-include $(ABI_OBJECTS:.o=.d)

QEMU_NEEDS = all iso-demo disk build/demo/disk.img build/linux-generic/.done build/tests/abi.bin build/tests/overflow.elf

# The kernel with a fault of its own: tests/faults.
build/tests/overflow.elf: build/kernel/tests/faults/overflow.c.o $(KERNEL_OBJECTS) linker.ld
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(CC) $(LINK) -Wl,-T,linker.ld -Wl,--wrap=platform_acpi_mode -o $@ $< $(KERNEL_OBJECTS) -lgcc

.PHONY: build-tests
build-tests: $(QEMU_NEEDS) $(UNIT_BINS) $(FUZZ_BINS) build/tests/sim

.PHONY: qemu-tests
qemu-tests: $(QEMU_NEEDS)
	$(PYTEST) tests/qemu --junitxml=build/tests/$@.xml $(PYTEST_ARGS)

# A guest with Debian's generic kernel, which has drivers for more devices than the kernel for clouds.
build/linux-generic/.done: $(LINUX_FILES) | build/.packages
	sh guests/linux/build.sh build/linux-generic amd64 e1000e nvme uio_pci_generic
	@touch $@

# Programs for that guest: of Debian's sources, without libraries. Their makefiles have rules of their own.
LSPCI := build/src/pciutils-$(PCIUTILS_VERSION)
FIO   := build/src/fio-$(FIO_VERSION)
OTHERS_MAKE = env -u MAKEFLAGS -u MFLAGS $(MAKE) -s -j2

$(LSPCI)/.fetched $(FIO)/.fetched: build/src/%/.fetched: guests/fetch-source.sh | build/.packages
	@p=$*; sh guests/fetch-source.sh $${p%-*} $${p##*-} $(CURDIR)/build/src/$*
	@touch $@
build/tests/lspci: $(LSPCI)/.fetched
	@mkdir -p $(@D)
	$(OTHERS_MAKE) -C $(LSPCI) ZLIB=no DNS=no LIBKMOD=no HWDB=no SHARED=no LDFLAGS=-static lspci >$@.log 2>&1 || { cat $@.log; exit 1; }
	@strip -o $@ $(LSPCI)/lspci
build/tests/fio: $(FIO)/.fetched
	@mkdir -p $(@D)
	cd $(FIO) && ./configure --build-static --disable-native >$(CURDIR)/$@.log 2>&1 || { cat $(CURDIR)/$@.log; exit 1; }
	$(OTHERS_MAKE) -C $(FIO) fio >>$@.log 2>&1 || { cat $@.log; exit 1; }
	@strip -o $@ $(FIO)/fio

# Devices of the machine given to guests, thoroughly: some ten minutes.
.PHONY: hostdev-tests
hostdev-tests: $(QEMU_NEEDS) build/tests/lspci build/tests/fio
	$(PYTEST) tests/hostdev --junitxml=build/tests/$@.xml $(PYTEST_ARGS)

# Hours: many runs of a network load, SOAK_RUNS of them.
SOAK_RUNS ?= 200
.PHONY: soak
soak: $(QEMU_NEEDS)
	SOAK_RUNS=$(SOAK_RUNS) $(PYTEST) -n 0 -s tests/soak $(PYTEST_ARGS)

# A cut of the power after every write that the disk's log has of images, snapshots and a fetch: some twenty minutes.
SAMPO_STEPS ?= 30
.PHONY: cut-tests
cut-tests: $(QEMU_NEEDS)
	SAMPO_CUTS=0 SAMPO_STEPS=$(SAMPO_STEPS) $(PYTEST) -n 0 -s tests/qemu/test_power_cuts.py $(PYTEST_ARGS)

# Clients of many packages, among them virt-manager, and two that change one guest CLIENT_ROUNDS times.
CLIENT_ROUNDS ?= 10000
.PHONY: client-tests
client-tests: $(QEMU_NEEDS)
	CLIENTS=1 CLIENT_ROUNDS=$(CLIENT_ROUNDS) $(PYTEST) -n 0 tests/qemu/test_clients.py $(PYTEST_ARGS)

# 64 guests with an image each in dom0's memory, which the test prints.
.PHONY: many-tests
many-tests: $(QEMU_NEEDS)
	$(PYTEST) -n 0 -s tests/many $(PYTEST_ARGS)

# The package in roots of Debian's releases (RELEASES=) that QEMU boots: root, loop devices, Debian's archive, and minutes.
.PHONY: deb-tests
deb-tests: $(QEMU_NEEDS)
	SAMPO_RELEASES="$(RELEASES)" $(PYTEST) -n 0 tests/install $(PYTEST_ARGS)

# One CPU but where a test says more: with two, what is typed is lost while the other one prints a dump.
.PHONY: bochs-tests
bochs-tests: $(QEMU_NEEDS)
	$(PYTEST) tests/bochs tests/qemu --machine bochs --smp 1 --junitxml=build/tests/$@.xml $(PYTEST_ARGS)

# Words that others write meanwhile are read once.
.PHONY: once
once:
	@$(PYTHON) tests/once.py

# Which part of the house includes what of which other.
.PHONY: rooms
rooms:
	@$(PYTHON) tests/rooms.py

# The form of the sources; `make format` writes it.
.PHONY: format-check
format-check:
	@$(PYTHON) tests/format.py

.PHONY: check
check: export SAMPO_SHORT := 1
check: unit once rooms format-check $(QEMU_NEEDS)
	$(PYTEST) tests/qemu -m quick $(PYTEST_ARGS)

# Everything, and how long each part took.
TEST_PARTS := build-tests tcb once rooms format-check depth unit sim fuzz qemu-tests bochs-tests
.PHONY: test
test:
	+@$(PYTHON) tests/parts.py $(MAKE) $(TEST_PARTS)

.PHONY: bench
bench: $(QEMU_NEEDS)
	@$(PYTHON) tests/bench/bench.py

# By the functions of dom0 and ring 0; NIC= and TOP=, see there.
.PHONY: profile
profile: $(QEMU_NEEDS)
	@$(PYTHON) tests/bench/functions.py

# What TLS and libvirt's calls cost dom0, in programs of the host's: TLS by the machine code of dom0's own library. Needs
# Debian's package valgrind.
BENCH_TLS := tests/bench/tls.c guests/dom0/rpc/tls.c $(addprefix guests/dom0/tls/,session.c trust.c validity.c exponent.c keys.c names.c memory.c) \
    $(addprefix guests/dom0/base/,queue.c slow.c switch.S timer.c) guests/dom0/machine/calendar.c
BENCH_RPC  = tests/bench/rpc.c guests/dom0/manage/stats.c $(call said,tests/bench/rpc.c,sources)
build/bench/%: build/host/include/.headers $(LIBS)/libmbedtls.a build/host/libexpat.a FORCE
	@mkdir -p $(@D)
	@$(HOSTCC) -std=gnu11 -O2 -g -w -no-pie $(HOST_INCLUDES) $(LIB_DEFS) -o $@ $(SOURCES) $(filter %.a,$^)
build/bench/tls: SOURCES = $(BENCH_TLS)
build/bench/rpc: SOURCES = $(BENCH_RPC)

.PHONY: bench-calls
bench-calls: build/bench/tls build/bench/rpc
	@$(PYTHON) tests/bench/calls.py $^

# The size of ring 0: both vendors, both IOMMUs and mitigations.
TCB_BUDGET := 15140
.PHONY: tcb
tcb: build/sampo.elf
	@sh tests/tcb.sh $(TCB_BUDGET) build/sampo.elf $(KERNEL_OBJECTS:.o=.d)

# How deep ring 0's stack gets.
.PHONY: depth
depth: build/sampo.elf
	$(if $(CALLGRAPH),@$(PYTHON) tests/depth.py $(KERNEL_OBJECTS),@echo "depth: only GCC writes down frames and calls")
