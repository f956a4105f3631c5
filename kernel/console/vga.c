/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/cpu.h"
#include "kernel/console/text.h"

void vga_cursor_off(void)
{
	port_out8(0x3d4, 0x0a); /* cursor start; bit 5 disables it */
	port_out8(0x3d5, 0x20);
}
