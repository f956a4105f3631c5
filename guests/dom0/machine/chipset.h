/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host bridge in slot 0. Firmware knows its machine by the bridge: it finds an Intel 82441FX,
 * by whose registers it turns the memory from 0xc0000 to 0xfffff from ROM into RAM. A guest whose
 * kernel is given finds a bridge without such registers.
 */
#pragma once

struct vm;

int chipset_init(struct vm *vm); /* platform.h says what these do */
void chipset_reset(struct vm *vm);
int chipset_resume(struct vm *vm);
