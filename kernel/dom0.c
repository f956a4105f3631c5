/* SPDX-License-Identifier: BSD-2-Clause */
/* The one domain that the kernel starts itself. */
#include "kernel/dom0.h"

#include "arch/cpu.h"
#include "arch/hv.h"
#include "arch/paging.h"
#include "boot/boot_info.h"
#include "kernel/base/crc32c.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/options.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/console/console.h"
#include "kernel/debug.h"
#include "kernel/object/domain.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/vcpu/vcpu.h"

#define DOM0_NAME        "dom0"
#define DOM0_MIB         64u /* of RAM, unless the command line says otherwise */
#define DOM0_MIB_MIN     16u
#define DOM0_MIB_MAX     2048u
#define DOM0_WEIGHT      8192u
#define DOM0_BOOT_GPA    0x10000ull
#define DOM0_MODULES_GPA (DOM0_BOOT_GPA + FRAME_PAGE)
#define DOM0_MODULES     ((uint32_t)((IMAGE_BASE_MIN - DOM0_MODULES_GPA) / sizeof(struct sampo_module)))
#define IMAGE_BASE_MIN   (1u << 20)
#define DOM0_CONSOLE_BIT 0u
/* The end of the mappings in dom0: below 1 TiB some AMD CPUs have a range that no page table can
 * reach. */
#define MAP_BASE_MAX (1ull << 40)
#define LIMIT_4G     (4ull << 30)
#define UNLIMITED    (~0ull)

static uint64_t ram_bytes; /* dom0's; event page and log lie behind it */
static struct domain *dom0;
static struct object machine = {.type = SAMPO_T_MACHINE, .refs = 1};

static void copy_text(char *to, const char *from, size_t size)
{
	size_t n = 0;

	for (; n + 1 < size && from[n]; n++)
		to[n] = from[n];
	to[n] = 0;
	if (from[n])
		log_print(LOG_WARNING "kernel: dom0 is told only the first %lu characters of: %s\n",
			  n, from);
}

static struct boot_module find_module(const struct boot_info *boot)
{
	struct boot_module module;

	for (struct boot_place at = {0}; boot_next_module(boot, &at, &module);)
		if (text_equal(module.name, DOM0_NAME))
			return module;
	refuse("the boot loader brought no module named \"" DOM0_NAME "\": add "
	       "\"module2 /path/dom0.bin " DOM0_NAME "\" to the menu entry");
}

static void check(int64_t status, const char *what)
{
	if (status < 0)
		refuse("dom0: %s: error %ld", what, status);
}

static void map_fixed(struct domain *domain, uint64_t base, uint64_t size, uint64_t gpa,
		      uint32_t perms, const char *what)
{
	struct region *region;

	check(region_new_fixed(domain, REGION_FIXED, base, size, &region), what);
	check(region_map(region, domain, gpa, 0, size, perms), what);
	object_put(&region->object);
}

/* dom0's RAM is one run, so that a bus address is a guest address plus a constant. */
static uint64_t alloc_ram(void)
{
	uint32_t mib = option_number(OPTION_DOM0_MEMORY, DOM0_MIB);
	uint64_t base;

	if (mib < DOM0_MIB_MIN || mib > DOM0_MIB_MAX)
		refuse("dom0-memory=%u: dom0 can have %u to %u MiB", mib, DOM0_MIB_MIN,
		       DOM0_MIB_MAX);
	ram_bytes = mib * (1ull << 20) & ~(FRAME_BLOCK - 1);
	base = frame_alloc_run(ram_bytes / FRAME_BLOCK, LIMIT_4G);
	if (!base)
		base = frame_alloc_run(ram_bytes / FRAME_BLOCK, FRAME_ANY);
	if (!base)
		refuse("no %u MiB of contiguous memory for dom0: the machine has too little", mib);
	for (uint64_t at = base; at < base + ram_bytes; at += FRAME_BLOCK)
		window_zero(at, FRAME_BLOCK);
	return base;
}

/* A bit that flipped on its way from the disk is found here, not by dom0 some day. */
static bool is_intact(const struct sampo_image *image)
{
	struct sampo_image header = *image;
	uint32_t crc;

	header.crc32c = 0;
	crc = crc32c(0, &header, sizeof(header));
	crc = crc32c(crc, image + 1, image->loaded - sizeof(header));
	return crc == image->crc32c;
}

/*
 * The boot loader is trusted, but disks and cables are not: each field of the header is checked
 * against the module and dom0's RAM before it is used, and then the checksum of it all.
 */
static uint64_t load_image(const struct boot_module *module, uint64_t ram)
{
	const struct sampo_image *image = phys_map(module->base, module->size, PTAB_R);

	if (!image || module->size < sizeof(*image) || image->magic != SAMPO_IMAGE_MAGIC)
		refuse("broken dom0 image: it does not begin as one");
	if (image->loaded > module->size || image->loaded < sizeof(*image))
		refuse("broken dom0 image: cut off after %lu of %u bytes", module->size,
		       image->loaded);
	if (image->base < IMAGE_BASE_MIN || image->base % FRAME_PAGE || image->base > ram_bytes ||
	    image->size > ram_bytes - image->base || image->loaded > image->size ||
	    image->entry - image->base >= image->loaded)
		refuse("broken dom0 image: its addresses are impossible");
	if (!is_intact(image))
		refuse("broken dom0 image: its checksum is wrong: copy it again");
	for (uint32_t at = 0; at < image->loaded; at += FRAME_PAGE) {
		uint32_t left = image->loaded - at;

		__builtin_memcpy(window_page(ram + image->base + at), (const char *)image + at,
				 left < FRAME_PAGE ? left : FRAME_PAGE);
	}
	return image->entry;
}

/*
 * dom0 finds the other modules mapped read-only, one behind the other from map_base on, and a table
 * of their names and sizes in its RAM.
 */
static void add_modules(struct domain *domain, const struct boot_info *boot,
			struct sampo_boot *info)
{
	struct boot_module m;

	for (struct boot_place at = {0}; boot_next_module(boot, &at, &m);) {
		struct sampo_module to = {.gpa = info->map_base, .size = m.size};
		uint64_t size = (m.size + FRAME_PAGE - 1) & ~(FRAME_PAGE - 1);

		if (text_equal(m.name, DOM0_NAME))
			continue;
		if (info->modules == DOM0_MODULES)
			refuse("more than %u boot modules beside dom0: start with fewer",
			       DOM0_MODULES);
		if (m.base % FRAME_PAGE || size > info->map_end - info->map_base)
			refuse("the module \"%s\" is not on a page boundary, or too large", m.name);
		if (size) /* a file may be empty */
			map_fixed(domain, m.base, size, info->map_base, SAMPO_MAP_R, m.name);
		copy_text(to.name, m.name, sizeof(to.name));
		check(domain_write(domain, info->module_table + info->modules * sizeof(to), &to,
				   sizeof(to)),
		      "table of modules");
		info->modules++;
		info->map_base += size;
	}
	info->map_base = (info->map_base + (1ull << 30) - 1) & ~((1ull << 30) - 1);
}

static uint32_t add_handle(struct domain *domain, struct object *object)
{
	int64_t handle = handle_add(domain, object, SAMPO_R_ALL);

	check(handle, "handle");
	return (uint32_t)handle;
}

static void fill_boot(struct domain *domain, const struct boot_info *boot,
		      const struct boot_module *module, uint64_t ram)
{
	static struct sampo_boot info;
	uint64_t half = 1ull << ((cpu_cpuid(0x80000008, 0).eax & 0xff) - 2);
	uint64_t reach = iommu.ops ? 1ull << iommu.address_bits : ~0ull; /* of its devices */

	info.magic = SAMPO_BOOT_MAGIC;
	info.abi_version = SAMPO_ABI_VERSION;
	info.vmcall = hv_bound == &vmx_ops;
	info.ram_bytes = ram_bytes;
	info.dma_offset = iommu.ops ? 0 : ram;
	info.flags = (iommu.ops ? SAMPO_BOOT_IOMMU : 0) | (iommu.remaps ? SAMPO_BOOT_REMAPS : 0);
	info.event_page = ram_bytes;
	info.log = ram_bytes + FRAME_PAGE;
	info.module_table = DOM0_MODULES_GPA;
	info.map_base = half < MAP_BASE_MAX ? half : MAP_BASE_MAX;
	if (info.map_base > reach / 2)
		info.map_base = reach / 2;
	info.map_end = info.map_base * 3 < reach ? info.map_base * 3 : reach;
	info.machine = add_handle(domain, &machine);
	info.domain = add_handle(domain, &domain->object);
	info.vcpu = add_handle(domain, &domain->vcpu[0]->object);
	info.console_event = DOM0_CONSOLE_BIT;
	copy_text(info.cmdline, module->cmdline, sizeof(info.cmdline));
	add_modules(domain, boot, &info);
	__builtin_memcpy(info.rsdp, boot->rsdp, sizeof(boot->rsdp));
	check(domain_write(domain, DOM0_BOOT_GPA, &info, sizeof(info)), "boot information");
}

/* As PVH guests are entered: protected mode, flat segments, no paging. */
static void start(struct vcpu *vcpu, uint64_t entry)
{
	struct sampo_segment data = {0x10, 0xc93, 0xffffffff, 0};
	struct sampo_exit *page = vcpu->exit;

	/* Where its devices interrupt. */
	__builtin_memset(vcpu->entity.affinity, 0, sizeof(vcpu->entity.affinity));
	vcpu->entity.affinity[0] = 1ull << vcpu->cpu->id;
	for (unsigned i = SAMPO_ES; i <= SAMPO_GS; i++)
		page->seg[i] = data;
	page->seg[SAMPO_CS] = (struct sampo_segment){0x08, 0xc9b, 0xffffffff, 0};
	page->seg[SAMPO_TR] = (struct sampo_segment){0, 0x8b, 0x67, 0};
	page->cr0 = 0x11;
	page->rip = entry;
	page->rflags = 2;
	page->gpr[SAMPO_RBX] = DOM0_BOOT_GPA;
	page->dirty = SAMPO_DIRTY_SYSTEM | SAMPO_DIRTY_RIP;
	check(vcpu_resume(vcpu), "vCPU");
}

static void tell(void)
{
	if (dom0)
		event_set_bit(dom0, DOM0_CONSOLE_BIT);
}

const struct console_above dom0_console = {tell, debug_word, debug_key};

void dom0_start(const struct boot_info *boot)
{
	struct boot_module module = find_module(boot);
	struct domain *domain;
	struct vcpu *vcpu;
	uint64_t ram = alloc_ram(), entry = load_image(&module, ram);

	check(domain_new(NULL, SAMPO_DOMAIN_NO_LAPIC, UNLIMITED, DOM0_WEIGHT, UNLIMITED, &domain),
	      "domain");
	check(vcpu_new(domain, 0, NULL, &vcpu), "vCPU");
	map_fixed(domain, ram, ram_bytes, 0, SAMPO_MAP_RWX, "RAM");
	if (iommu.ops) {
		check(iommu_open(&domain->io, domain), "I/O table");
		check(iommu_map(&domain->io, 0, ram, ram_bytes, PTAB_R | PTAB_W), "I/O table");
	}
	fill_boot(domain, boot, &module, ram);
	map_fixed(domain, (uint64_t)domain->event_page, FRAME_PAGE, ram_bytes,
		  SAMPO_MAP_R | SAMPO_MAP_W, "event page");
	map_fixed(domain, (uint64_t)&log_rings, sizeof(log_rings), ram_bytes + FRAME_PAGE,
		  SAMPO_MAP_R, "log");
	domain->memory = ram_bytes;
	domain->names = 1;           /* the kernel's: it does not end with a handle */
	object_get(&domain->object); /* for ever */
	dom0 = domain;
	console_listen();
	start(vcpu, entry);
}
