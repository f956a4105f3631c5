/* SPDX-License-Identifier: BSD-2-Clause */
/* From the boot loader to the main loop. */
#include "arch/barrier.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/iommu/iommu.h"
#include "arch/paging.h"
#include "arch/platform.h"
#include "arch/trap.h"
#include "arch/tsc.h"
#include "arch/tss.h"
#include "boot/boot_info.h"
#include "boot/multiboot.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/options.h"
#include "kernel/base/panic.h"
#include "kernel/console/console.h"
#include "kernel/cpu/loop.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/start.h"
#include "kernel/dom0.h"
#include "kernel/object/resource.h"
#include "kernel/vcpu/vlapic.h"

#define VGA_TEXT       0xb8000ull
#define VGA_TEXT_BYTES 32768u

extern char image_start[], image_end[], boot_stack[];

static struct cpu cpu0;
static struct boot_info boot;

void kernel_main(uint32_t magic, uint64_t info);

static void *early_memory(uint64_t addr, uint64_t size)
{
	if (!addr || addr >= BOOT_MAPPED || size > BOOT_MAPPED - addr)
		return NULL;
	return (void *)addr;
}

/* The words of the command line that are not options but features to do without. */
static bool is_feature(const char *word)
{
	return hv_option(word) || barrier_option(word);
}

/* Before paging_init the screen is reached through the boot tables. Without a framebuffer there
 * is VGA text, as ever. */
static void screen_init(bool mapped)
{
	const struct boot_framebuffer *fb = &boot.fb;
	uint64_t at = fb->addr ? fb->addr : VGA_TEXT;
	uint64_t bytes = fb->addr ? (uint64_t)fb->pitch * fb->height : VGA_TEXT_BYTES;
	void *memory =
		mapped ? phys_map(at, bytes, PTAB_R | PTAB_W | PTAB_WC) : early_memory(at, bytes);

	if (memory && fb->addr)
		text_init_framebuffer(&console_text, memory, fb->pitch, fb->width, fb->height,
				      fb->bpp);
	else if (memory)
		text_init_vga(&console_text, memory, 80, 25);
}

static void memory_init(void)
{
	const struct boot_range *said = &boot.own[BOOT_TOLD];

	boot.own[BOOT_IMAGE] = (struct boot_range){
		(uint64_t)image_start, (uint64_t)(image_end - image_start), BOOT_RESERVED};
	if (frame_init(&boot))
		refuse("the boot loader's memory map shows no usable memory above 1 MiB");
	paging_init();
	if (!phys_map(said->base, said->size, PTAB_R))
		refuse("the boot loader's information lies where it cannot be read");
	screen_init(true);
}

static void find_hv(void)
{
	const struct hv_ops *ops = &svm_ops;
	const char *missing = ops->probe();

	if (missing == hv_absent) {
		ops = &vmx_ops;
		missing = ops->probe();
	}
	if (missing == hv_absent)
		refuse("this CPU has neither AMD SVM nor Intel VMX: no virtualization");
	if (missing)
		refuse("%s cannot be used: %s", ops->name, missing);
	hv_bind(ops);
	fpu_probe();
	hv_log_features();
}

void kernel_main(uint32_t magic, uint64_t info)
{
	const char *error;

	*(struct cpu **)boot_stack = &cpu0;
	console_init(&dom0_console);
	error = multiboot_parse(magic, info, early_memory, &boot);
	screen_init(false);
	log_print("Sampo, ABI %u.%u, started by %s\n", SAMPO_ABI_VERSION >> 16,
		  SAMPO_ABI_VERSION & 0xffff, error ? "an unknown boot loader" : boot.loader);
	if (error)
		refuse("the boot loader's information is unusable: %s", error);
	trap_init();
	options_read(boot.cmdline, is_feature);
	barrier_init();
	vlapic_period_min_us = option_number(OPTION_MIN_TIMER_PERIOD, vlapic_period_min_us);
	find_hv();
	memory_init();
	if (!tss_new(&cpu0, 0))
		refuse("no memory for the boot CPU's stacks of exceptions");
	tss_load(&cpu0);
	platform_setup(boot.rsdp);
	cpu_setup(&cpu0);
	cpus_start();
	resource_setup(&boot);
	log_print("kernel: %s, TSC %lu kHz, %lu MiB of memory, kernel %lu KiB\n", hv_bound->name,
		  tsc_khz, frame_stats.total_bytes >> 20, kernel_bytes_used() >> 10);
	iommu_setup();
	dom0_start(&boot);
	loop_run(&cpu0);
}
