/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keyboard controller with neither keyboard nor mouse (ports 0x60 and 0x64),
 * and port 0x92: for guests that reset the machine or open A20 with them. Its
 * state is in struct acpi_state.
 */
#pragma once

struct vm;

int i8042_init(struct vm *vm); /* platform.h says what these do */
void i8042_reset(struct vm *vm);
int i8042_resume(struct vm *vm);
