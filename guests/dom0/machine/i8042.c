/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/i8042.h"

#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

/* Instances: the ports. */
#define PORT_DATA    0u
#define PORT_COMMAND 1u
#define PORT_92      2u

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_SYSTEM      0x04u
#define STATUS_COMMAND     0x08u
#define STATUS_UNLOCKED    0x10u

#define CMD_READ_MODE     0x20u
#define CMD_WRITE_MODE    0x60u
#define CMD_TEST_AUX      0xa9u
#define CMD_SELF_TEST     0xaau
#define CMD_TEST_KEYBOARD 0xabu
#define CMD_READ_OUTPUT   0xd0u
#define CMD_WRITE_OUTPUT  0xd1u
#define CMD_PULSE         0xf0u /* to 0xff: low for each line whose bit is clear */

#define OUTPUT_NOT_RESET 0x01u
#define OUTPUT_A20       0x02u

#define PORT_92_RESET 0x01u
#define PORT_92_A20   0x02u

static void answer(struct acpi_state *s, uint8_t value)
{
	s->kbc_output = value;
	s->kbc_full = 1;
}

static void write_command(struct vm *vm, uint8_t command)
{
	struct acpi_state *s = &vm->state->acpi;

	s->kbc_command = 0;
	switch (command) {
	case CMD_READ_MODE:
		answer(s, s->kbc_mode);
		break;
	case CMD_SELF_TEST:
		answer(s, 0x55);
		break;
	case CMD_TEST_KEYBOARD:
		answer(s, 0x00);
		break;
	case CMD_TEST_AUX:
		answer(s, 0x02); /* there is no mouse: its clock is stuck */
		break;
	case CMD_READ_OUTPUT:
		answer(s, OUTPUT_NOT_RESET | OUTPUT_A20);
		break;
	case CMD_WRITE_MODE:
	case CMD_WRITE_OUTPUT:
		s->kbc_command = command;
		break;
	default:
		if (command >= CMD_PULSE && !(command & OUTPUT_NOT_RESET))
			vm_request(vm, VM_REQ_RESET, "keyboard controller");
		break;
	}
}

static void write_data(struct vm *vm, uint8_t value)
{
	struct acpi_state *s = &vm->state->acpi;
	uint8_t command = s->kbc_command;

	s->kbc_command = 0;
	if (command == CMD_WRITE_MODE)
		s->kbc_mode = value;
	else if (command == CMD_WRITE_OUTPUT && !(value & OUTPUT_NOT_RESET))
		vm_request(vm, VM_REQ_RESET, "keyboard controller");
	/* Else it is for a keyboard, and nobody answers. */
}

static void write_port92(struct vm *vm, uint8_t value)
{
	struct acpi_state *s = &vm->state->acpi;

	if (value & ~s->port92 & PORT_92_RESET)
		vm_request(vm, VM_REQ_RESET, "port 0x92");
	s->port92 = value;
}

static uint64_t i8042_read(struct vm *vm, uint32_t port, uint64_t offset, unsigned size)
{
	struct acpi_state *s = &vm->state->acpi;

	(void)offset;
	(void)size;
	switch (port) {
	case PORT_DATA:
		s->kbc_full = 0;
		return s->kbc_output;
	case PORT_COMMAND:
		return STATUS_SYSTEM | STATUS_COMMAND | STATUS_UNLOCKED |
		       (s->kbc_full ? STATUS_OUTPUT_FULL : 0);
	default:
		return s->port92 | PORT_92_A20; /* A20 is never gated */
	}
}

static void i8042_write(struct vm *vm, uint32_t port, uint64_t offset, unsigned size,
			uint64_t value)
{
	(void)offset;
	(void)size;
	switch (port) {
	case PORT_DATA:
		write_data(vm, (uint8_t)value);
		break;
	case PORT_COMMAND:
		write_command(vm, (uint8_t)value);
		break;
	default:
		write_port92(vm, (uint8_t)value);
		break;
	}
}

static const struct io_ops i8042_ops = {i8042_read, i8042_write};

void i8042_reset(struct vm *vm)
{
	struct acpi_state *s = &vm->state->acpi;

	s->kbc_command = 0;
	s->kbc_mode = 0;
	s->kbc_output = 0;
	s->kbc_full = 0;
	s->port92 = 0;
}

int i8042_resume(struct vm *vm)
{
	if (bus_add(vm, BUS_PIO, 0x60, 1, &i8042_ops, PORT_DATA) != 0 ||
	    bus_add(vm, BUS_PIO, 0x64, 1, &i8042_ops, PORT_COMMAND) != 0)
		return -1;
	return bus_add(vm, BUS_PIO, 0x92, 1, &i8042_ops, PORT_92);
}

int i8042_init(struct vm *vm)
{
	i8042_reset(vm);
	return i8042_resume(vm);
}
