/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/exit_names.h"

/* In the order of EXIT_KINDS in the kernel, which a unit test compares. */
static const char *const names[] = {
	"physical interrupt",
	"physical NMI",
	"interrupt window",
	"CPUID",
	"HLT",
	"PAUSE",
	"port access",
	"RDMSR",
	"WRMSR",
	"hypercall",
	"SLAT fault",
	"control register",
	"XSETBV",
	"exception",
	"FPU first used",
	"debug registers first used",
	"hardware task switch",
	"forbidden instruction",
	"WBINVD or INVD",
	"end of interrupt",
	"bus lock",
	"triple fault",
	"guest state refused",
	"unknown exit",
};

const char *exit_name(unsigned kind)
{
	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}
