/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for GRUB where QEMU's -kernel starts Sampo, which speaks Multiboot 1 only: puts the
 * kernel, which is inside this program, at its place, and says again in the way of Multiboot 2
 * what QEMU said; and where the RSDP is, which QEMU does not say.
 */
#include <stddef.h>
#include <stdint.h>

#define COM1    0x3f8
#define PT_LOAD 1

/* Multiboot 1, 3.3; all of it QEMU gives. */
struct info1 {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config, loader;
};

struct module1 {
	uint32_t start, end, string, reserved;
};

struct range1 {
	uint32_t size; /* 20: of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

/* Multiboot 2, 3.6 */
enum tag_type { END, CMDLINE, LOADER, MODULE, MMAP = 6, RSDP1 = 14, RSDP2 };

struct range2 {
	uint64_t base, length;
	uint32_t type, reserved;
};

struct mmap {
	uint32_t entry_size, version;
	struct range2 range[];
};

struct module2 {
	uint32_t start, end;
	char string[];
};

/* ELF64 */
struct elf {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum;
};

struct segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* start.S, link.ld */
extern const uint8_t kernel[], program[], bios[], bios_end[];
extern const uint16_t ebda_segment;

struct {
	uint32_t total, reserved;
	uint8_t tags[262144];
} info2 __attribute__((aligned(8)));

uint32_t main(const struct info1 *info1);
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes)::"memory");
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
	return to;
}

static size_t length(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}

static __attribute__((noreturn)) void stop(const char *why)
{
	for (; *why; why++)
		__asm__ volatile("outb %b0, %w1" ::"a"(*why), "d"(COM1));
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* Adds a tag; returns where its content goes. */
static void *tag(enum tag_type type, size_t bytes)
{
	uint32_t *header = (uint32_t *)((uint8_t *)&info2 + info2.total);

	if (bytes + 16 > sizeof(info2) - info2.total)
		stop("multiboot1: no room for what QEMU says\n");
	header[0] = type;
	header[1] = 8 + bytes;
	info2.total += (8 + bytes + 7) & ~7u;
	return header + 2;
}

static void text_tag(enum tag_type type, const char *s)
{
	memcpy(tag(type, length(s) + 1), s, length(s) + 1);
}

static const char *skip_word(const char *s)
{
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	return s;
}

/* QEMU says the path of the file first; if that is all, its last part is the name. */
static void module_tag(const struct module1 *module)
{
	const char *path = (const char *)module->string, *string = skip_word(path);
	struct module2 *to;

	if (!*string)
		for (string = path; *path; path++)
			if (*path == '/')
				string = path + 1;
	to = tag(MODULE, sizeof(*to) + length(string) + 1);
	to->start = module->start;
	to->end = module->end;
	memcpy(to->string, string, length(string) + 1);
}

static void mmap_tag(const struct range1 *from, uint32_t count)
{
	struct mmap *map = tag(MMAP, sizeof(*map) + count * sizeof(map->range[0]));

	map->entry_size = sizeof(map->range[0]);
	map->version = 0;
	for (uint32_t i = 0; i < count; i++)
		map->range[i] = (struct range2){from[i].base, from[i].length, from[i].type, 0};
}

/* ACPI 6.5, 5.2.5.1: on a 16-byte boundary of the EBDA's first KiB or of the BIOS. */
static const uint8_t *find_rsdp(const uint8_t *at, const uint8_t *end)
{
	uint8_t sum;

	for (; at < end; at += 16) {
		sum = 0;
		for (unsigned i = 0; i < 20; i++)
			sum = (uint8_t)(sum + at[i]);
		if (!sum && !__builtin_memcmp(at, "RSD ", 4) &&
		    !__builtin_memcmp(at + 4, "PTR ", 4))
			return at;
	}
	return NULL;
}

static void rsdp_tag(void)
{
	const uint8_t *ebda = (const uint8_t *)(ebda_segment * 16u);
	const uint8_t *rsdp = find_rsdp(ebda, ebda + 1024);

	if (!rsdp)
		rsdp = find_rsdp(bios, bios_end);
	if (rsdp && rsdp[15] < 2)
		memcpy(tag(RSDP1, 20), rsdp, 20);
	else if (rsdp)
		memcpy(tag(RSDP2, 36), rsdp, 36);
}

/* Puts the kernel at its place. Returns its entry. */
static uint32_t load(const struct elf *elf)
{
	const struct segment *s = (const struct segment *)(kernel + elf->phoff);
	uint8_t *to;

	for (; s < (const struct segment *)(kernel + elf->phoff) + elf->phnum; s++) {
		if (s->type != PT_LOAD)
			continue;
		if (s->paddr + s->memsz > (uintptr_t)program)
			stop("multiboot1: the kernel has grown into this program's place\n");
		to = (uint8_t *)(uintptr_t)s->paddr;
		memcpy(to, kernel + s->offset, (size_t)s->filesz);
		memset(to + s->filesz, 0, (size_t)(s->memsz - s->filesz));
	}
	return (uint32_t)elf->entry;
}

/* Leaves the information in info2. Returns the kernel's entry. */
uint32_t main(const struct info1 *info1)
{
	const struct module1 *module = (const struct module1 *)info1->mods_addr;

	info2.total = 8;
	text_tag(CMDLINE, skip_word((const char *)info1->cmdline));
	text_tag(LOADER, (const char *)info1->loader);
	for (uint32_t i = 0; i < info1->mods_count; i++)
		module_tag(module + i);
	mmap_tag((const struct range1 *)info1->mmap_addr,
		 info1->mmap_length / sizeof(struct range1));
	rsdp_tag();
	tag(END, 0);
	return load((const struct elf *)kernel);
}
