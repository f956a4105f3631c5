/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's bzImage by the 32-bit boot protocol: the part for protected mode to
 * where it wants to be, the "zero page" with what the real-mode part would have
 * found out (Linux's Documentation/arch/x86/boot.rst and zero-page.rst).
 */
#include <string.h>

#include "guests/dom0/load/load.h"

/* Offsets in the file and in the zero page, which are the same. */
#define HDR_START         0x1f1u
#define HDR_SETUP_SECTS   0x1f1u
#define HDR_SYSSIZE       0x1f4u
#define HDR_BOOT_FLAG     0x1feu
#define HDR_JUMP_LENGTH   0x201u
#define HDR_MAGIC         0x202u
#define HDR_VERSION       0x206u
#define HDR_LOADER        0x210u
#define HDR_LOADFLAGS     0x211u
#define HDR_CODE32_START  0x214u
#define HDR_RAMDISK_IMAGE 0x218u
#define HDR_RAMDISK_SIZE  0x21cu
#define HDR_CMDLINE       0x228u
#define HDR_INITRD_MAX    0x22cu
#define HDR_ALIGNMENT     0x230u
#define HDR_RELOCATABLE   0x234u
#define HDR_CMDLINE_SIZE  0x238u
#define HDR_PREF_ADDRESS  0x258u
#define HDR_INIT_SIZE     0x260u
#define HDR_END_MAX       0x290u
#define ZP_SCREEN_MODE    0x006u /* struct screen_info */
#define ZP_SCREEN_COLUMNS 0x007u
#define ZP_SCREEN_LINES   0x00eu
#define ZP_SCREEN_IS_VGA  0x00fu
#define ZP_SCREEN_POINTS  0x010u
#define ZP_RSDP           0x070u
#define ZP_E820_COUNT     0x1e8u
#define ZP_E820           0x2d0u
#define ZP_BYTES          4096u

#define LOADED_HIGH       0x01u
#define LOADER_UNKNOWN    0xffu
#define VERSION_LEAST     0x0206u /* has cmdline_size: Linux 2.6.22 */
#define VERSION_INIT_SIZE 0x020au

#define ZERO_PAGE 0x10000u
#define GDT       0x11000u
#define CMDLINE   0x20000u

struct bzimage {
	uint64_t setup_bytes, kernel_bytes;
	uint64_t address, memory; /* where it goes, what it needs there */
};

bool is_bzimage(const struct load_file *file)
{
	return file->size > HDR_END_MAX && get16(file->data + HDR_BOOT_FLAG) == 0xaa55 &&
	       !memcmp(file->data + HDR_MAGIC, "HdrS", 4);
}

/*
 * Where the kernel goes: where it runs. A kernel that can be moved and lies below its preferred
 * address moves itself there, one that lies above runs where it is, if that is aligned; so the
 * preferred address is the lowest one (boot.rst, pref_address), and what init_size says must be
 * memory from there on. A kernel of an old protocol gives one address alone.
 */
static const char *choose_address(struct load *load, struct bzimage *image)
{
	const uint8_t *data = load->kernel.data;
	uint64_t wanted = get32(data + HDR_CODE32_START), align = get32(data + HDR_ALIGNMENT);

	image->memory = image->kernel_bytes;
	if (get16(data + HDR_VERSION) >= VERSION_INIT_SIZE) {
		uint64_t init_size = get32(data + HDR_INIT_SIZE);

		wanted = get64(data + HDR_PREF_ADDRESS);
		if (init_size > image->memory)
			image->memory = init_size;
	}
	if (wanted >= VM_RAM_BELOW_4G)
		return load_fail(load, "the kernel wants to run at %llx",
				 (unsigned long long)wanted);
	if (data[HDR_RELOCATABLE]) {
		if (!align || align & (align - 1))
			return load_fail(load, "the kernel wants an alignment of %llx",
					 (unsigned long long)align);
		wanted = wanted > HIGH_MEMORY ? wanted : HIGH_MEMORY;
		wanted = (wanted + align - 1) & ~(align - 1);
	}
	image->address = wanted;
	if (wanted >= HIGH_MEMORY && wanted < VM_RAM_BELOW_4G &&
	    load_room(load, wanted, image->memory))
		return NULL;
	return load_fail(load,
			 "the kernel runs at %llx and needs %llu KiB there: a guest with %llu MiB "
			 "of memory or more",
			 (unsigned long long)wanted, (unsigned long long)(image->memory >> 10),
			 (unsigned long long)((wanted + image->memory + (1 << 20) - 1) >> 20));
}

static const char *check(struct load *load, struct bzimage *image)
{
	const struct load_file *file = &load->kernel;
	unsigned sectors = file->data[HDR_SETUP_SECTS], version = get16(file->data + HDR_VERSION);
	uint64_t bytes = get32(file->data + HDR_SYSSIZE) * 16ull;

	if (version < VERSION_LEAST)
		return load_fail(load,
				 "a kernel with Linux's boot protocol %x.%02x: 2.06 is needed "
				 "(Linux 2.6.22)",
				 version >> 8, version & 0xff);
	if (!(file->data[HDR_LOADFLAGS] & LOADED_HIGH))
		return load_fail(load,
				 "a zImage, which is loaded below 1 MiB: a bzImage is needed");
	if (!get32(file->data + HDR_CODE32_START))
		return load_fail(load, "a kernel without an entry for protected mode: its code for "
				       "real mode needs a BIOS, and there is none");
	image->setup_bytes = ((sectors ? sectors : 4) + 1) * 512ull;
	if (image->setup_bytes >= file->size)
		return load_fail(load, "the file ends in its set-up part");
	image->kernel_bytes = file->size - image->setup_bytes;
	if (bytes > image->kernel_bytes)
		return load_fail(load, "the file is cut off: %llu of %llu bytes",
				 (unsigned long long)file->size,
				 (unsigned long long)(image->setup_bytes + bytes));
	return choose_address(load, image);
}

/* All <initrd> files one after the other, as the kernel unpacks them; each
 * begins on a multiple of 4. */
static const char *load_initrds(struct load *load, const struct bzimage *image, uint8_t *zero_page)
{
	uint64_t total = 0, at, limit;

	for (uint32_t i = 0; i < load->config->initrds; i++)
		total = ((total + 3) & ~3ull) + load->initrd[i].size;
	if (!total)
		return NULL;
	limit = (uint64_t)get32(load->kernel.data + HDR_INITRD_MAX) + 1;
	at = load_place_high(load, total, image->address + image->memory, limit);
	if (!at || total > UINT32_MAX)
		return load_fail(load, "no room in memory for %llu KiB of initrd",
				 (unsigned long long)(total >> 10));
	put32(zero_page + HDR_RAMDISK_IMAGE, (uint32_t)at);
	put32(zero_page + HDR_RAMDISK_SIZE, (uint32_t)total);
	total = 0;
	for (uint32_t i = 0; i < load->config->initrds; i++) {
		const struct load_file *file = &load->initrd[i];
		uint64_t start = (total + 3) & ~3ull;

		if (!load_clear(load, at + total, start - total) ||
		    !load_copy(load, at + start, file->data, file->size))
			return load_fail(load, "no room for the initrd");
		total = start + file->size;
	}
	return NULL;
}

static const char *load_cmdline(struct load *load, uint8_t *zero_page)
{
	const char *cmdline = load->config->cmdline;
	uint32_t most = get32(load->kernel.data + HDR_CMDLINE_SIZE);
	size_t n = strlen(cmdline);

	if (n > most)
		return load_fail(load, "the kernel takes a command line of %u bytes at most", most);
	load_copy(load, CMDLINE, cmdline, n + 1);
	put32(zero_page + HDR_CMDLINE, CMDLINE);
	return NULL;
}

static void fill_header(struct load *load, const struct bzimage *image, uint8_t *zero_page)
{
	const uint8_t *data = load->kernel.data;
	unsigned end = HDR_MAGIC + data[HDR_JUMP_LENGTH];

	if (end > HDR_END_MAX)
		end = HDR_END_MAX;
	memcpy(zero_page + HDR_START, data + HDR_START, end - HDR_START);
	zero_page[HDR_LOADER] = LOADER_UNKNOWN;
	put32(zero_page + HDR_CODE32_START, (uint32_t)image->address);
	put64(zero_page + ZP_RSDP, load->rsdp);
}

/* The screen as the VGA's reset leaves it, for a guest that has one. */
static void fill_screen(const struct load *load, uint8_t *zero_page)
{
	if (!load->config->video)
		return;
	zero_page[ZP_SCREEN_MODE] = 3;
	zero_page[ZP_SCREEN_COLUMNS] = 80;
	zero_page[ZP_SCREEN_LINES] = 25;
	zero_page[ZP_SCREEN_IS_VGA] = 1;
	zero_page[ZP_SCREEN_POINTS] = 16;
}

static void fill_memory_map(struct load *load, uint8_t *zero_page)
{
	struct e820 map[E820_ENTRIES];
	unsigned count = load_memory_map(load->vm, map);

	zero_page[ZP_E820_COUNT] = (uint8_t)count;
	memcpy(zero_page + ZP_E820, map, count * sizeof(map[0]));
}

const char *load_bzimage(struct load *load)
{
	static uint8_t zero_page[ZP_BYTES];
	/* Flat segments at the selectors of regs_protected. */
	static const uint64_t gdt[] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
	struct bzimage image;
	const char *error = check(load, &image);

	memset(zero_page, 0, sizeof(zero_page));
	if (error)
		return error;
	fill_header(load, &image, zero_page);
	fill_screen(load, zero_page);
	fill_memory_map(load, zero_page);
	error = load_cmdline(load, zero_page);
	if (!error)
		error = load_initrds(load, &image, zero_page);
	if (error)
		return error;
	if (!load_copy(load, image.address, load->kernel.data + image.setup_bytes,
		       image.kernel_bytes) ||
	    !load_copy(load, ZERO_PAGE, zero_page, sizeof(zero_page)) ||
	    !load_copy(load, GDT, gdt, sizeof(gdt)))
		return load_fail(load, "no room in memory for the kernel");
	regs_protected(load->regs, (uint32_t)image.address);
	load->regs->gpr[SAMPO_RSI] = ZERO_PAGE;
	load->regs->seg[SAMPO_GDTR] = (struct sampo_segment){0, 0, sizeof(gdt) - 1, GDT};
	return NULL;
}
