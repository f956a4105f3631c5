/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/load/load.c guests/dom0/load/length.c guests/dom0/load/elf.c guests/dom0/load/bzimage.c */
/* sources: guests/dom0/load/pvh.c guests/dom0/load/multiboot1.c guests/dom0/load/multiboot2.c */
/* sources: guests/dom0/load/firmware.c guests/dom0/load/real.c guests/dom0/load/place.c guests/dom0/load/registers.c */
/* sources: guests/dom0/vm/ram.c */
/* Kernel files of all formats. The sanitizer sees what leaves file or RAM;
 * here it is checked that nothing was put where it may not be. */
#include "tests/unit/load_mock.h"

#define RAM_BYTES     (4u << 20)
#define FORBIDDEN     0x9fc00u
#define FORBIDDEN_END 0x100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t initrd[5000] = "initrd";
	static uint8_t untouched[FORBIDDEN_END - FORBIDDEN];
	static uint8_t *ram;
	uint8_t *file;

	if (!size)
		return 0;
	if (!ram)
		ram = malloc(RAM_BYTES);
	memset(untouched, 0xa5, sizeof(untouched));
	memcpy(ram + FORBIDDEN, untouched, sizeof(untouched));
	/* Exactly as large as it is, so that reads past its end are seen. */
	file = malloc(size);
	memcpy(file, data, size);
	load_prepare(ram, RAM_BYTES);
	mock_files[0] = (struct mock_file){"kernel", file, size};
	mock_files[1] = (struct mock_file){"initrd", initrd, sizeof(initrd)};
	load_config.initrds = data[size - 1] & 1;
	strcpy(load_config.initrd[0], "initrd");
	strcpy(load_config.cmdline, "root=/dev/vda");
	load_length(&(struct load_file){file, size});
	load_guest(&load);
	memset(ram + load.rsdp, 0xa5, 16); /* that was ours */
	if (memcmp(ram + FORBIDDEN, untouched, sizeof(untouched)))
		abort();
	free(file);
	return 0;
}
