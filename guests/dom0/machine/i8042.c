/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/i8042.h"

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/ps2.h"
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
#define STATUS_MOUSE       0x20u

#define CMD_READ_MODE        0x20u
#define CMD_WRITE_MODE       0x60u
#define CMD_MOUSE_OFF        0xa7u
#define CMD_MOUSE_ON         0xa8u
#define CMD_TEST_MOUSE       0xa9u
#define CMD_SELF_TEST        0xaau
#define CMD_TEST_KEYBOARD    0xabu
#define CMD_KEYBOARD_OFF     0xadu
#define CMD_KEYBOARD_ON      0xaeu
#define CMD_READ_OUTPUT      0xd0u
#define CMD_WRITE_OUTPUT     0xd1u
#define CMD_AS_FROM_KEYBOARD 0xd2u
#define CMD_AS_FROM_MOUSE    0xd3u
#define CMD_TO_MOUSE         0xd4u
#define CMD_PULSE            0xf0u /* to 0xff: low for each line whose bit is clear */

#define MODE_KEYBOARD_IRQ 0x01u
#define MODE_MOUSE_IRQ    0x02u
#define MODE_SYSTEM       0x04u
#define MODE_KEYBOARD_OFF 0x10u
#define MODE_MOUSE_OFF    0x20u
#define MODE_TRANSLATE    0x40u

#define IRQ_KEYBOARD 1u
#define IRQ_MOUSE    12u

#define OUTPUT_NOT_RESET 0x01u
#define OUTPUT_A20       0x02u

#define PORT_92_RESET 0x01u
#define PORT_92_A20   0x02u

static struct i8042_state *state(struct vm *vm)
{
	return &vm->state->i8042;
}

static bool has_devices(const struct vm *vm)
{
	return vm->config->video;
}

static bool translates(const struct i8042_state *s)
{
	return s->mode & MODE_TRANSLATE;
}

/* A line is up while its device's byte is in the output buffer. */
static void update_lines(struct vm *vm)
{
	const struct i8042_state *s = state(vm);

	if (!has_devices(vm))
		return;
	vm_irq(vm, IRQ_KEYBOARD, s->full && !s->from_mouse && s->mode & MODE_KEYBOARD_IRQ);
	vm_irq(vm, IRQ_MOUSE, s->full && s->from_mouse && s->mode & MODE_MOUSE_IRQ);
}

static void answer(struct vm *vm, uint8_t value, bool from_mouse)
{
	struct i8042_state *s = state(vm);

	s->output = value;
	s->full = 1;
	s->from_mouse = from_mouse;
	update_lines(vm);
}

/* Takes the next byte of a device, if the output buffer is free. */
static void pump(struct vm *vm)
{
	struct i8042_state *s = state(vm);

	if (s->full || !has_devices(vm))
		return;
	if (s->keyboard.queue.count && !(s->mode & MODE_KEYBOARD_OFF)) {
		answer(vm, ps2_take(&s->keyboard.queue), false);
	} else if (s->mouse.queue.count && !(s->mode & MODE_MOUSE_OFF)) {
		answer(vm, ps2_take(&s->mouse.queue), true);
		ps2_mouse_pump(&s->mouse);
	}
}

static void set_mode(struct vm *vm, uint8_t mode)
{
	state(vm)->mode = mode;
	update_lines(vm);
	pump(vm);
}

static void write_command(struct vm *vm, uint8_t command)
{
	struct i8042_state *s = state(vm);

	s->command = 0;
	switch (command) {
	case CMD_READ_MODE:
		answer(vm, s->mode, false);
		break;
	case CMD_MOUSE_OFF:
		set_mode(vm, s->mode | MODE_MOUSE_OFF);
		break;
	case CMD_MOUSE_ON:
		set_mode(vm, s->mode & (uint8_t)~MODE_MOUSE_OFF);
		break;
	case CMD_KEYBOARD_OFF:
		set_mode(vm, s->mode | MODE_KEYBOARD_OFF);
		break;
	case CMD_KEYBOARD_ON:
		set_mode(vm, s->mode & (uint8_t)~MODE_KEYBOARD_OFF);
		break;
	case CMD_SELF_TEST:
		answer(vm, 0x55, false);
		break;
	case CMD_TEST_KEYBOARD:
		answer(vm, 0x00, false);
		break;
	case CMD_TEST_MOUSE:
		answer(vm, has_devices(vm) ? 0x00 : 0x02, false); /* 2: its clock is stuck */
		break;
	case CMD_READ_OUTPUT:
		answer(vm, OUTPUT_NOT_RESET | OUTPUT_A20, false);
		break;
	case CMD_WRITE_MODE:
	case CMD_WRITE_OUTPUT:
	case CMD_AS_FROM_KEYBOARD:
	case CMD_AS_FROM_MOUSE:
	case CMD_TO_MOUSE:
		s->command = command;
		break;
	default:
		if (command >= CMD_PULSE && !(command & OUTPUT_NOT_RESET))
			vm_request(vm, VM_REQ_RESET, "keyboard controller");
		break;
	}
}

static void write_keyboard(struct vm *vm, uint8_t value)
{
	struct i8042_state *s = state(vm);

	if (!has_devices(vm))
		return; /* nobody answers */
	s->mode &= (uint8_t)~MODE_KEYBOARD_OFF;
	ps2_keyboard_command(&s->keyboard, value, translates(s));
	pump(vm);
}

static void write_data(struct vm *vm, uint8_t value)
{
	struct i8042_state *s = state(vm);
	uint8_t command = s->command;

	s->command = 0;
	switch (command) {
	case CMD_WRITE_MODE:
		set_mode(vm, value);
		break;
	case CMD_WRITE_OUTPUT:
		if (!(value & OUTPUT_NOT_RESET))
			vm_request(vm, VM_REQ_RESET, "keyboard controller");
		break;
	case CMD_AS_FROM_KEYBOARD:
	case CMD_AS_FROM_MOUSE:
		if (has_devices(vm))
			answer(vm, value, command == CMD_AS_FROM_MOUSE);
		break;
	case CMD_TO_MOUSE:
		if (has_devices(vm))
			ps2_mouse_command(&s->mouse, value);
		pump(vm);
		break;
	default:
		write_keyboard(vm, value);
		break;
	}
}

static void write_port92(struct vm *vm, uint8_t value)
{
	struct i8042_state *s = state(vm);

	if (value & ~s->port92 & PORT_92_RESET)
		vm_request(vm, VM_REQ_RESET, "port 0x92");
	s->port92 = value;
}

static uint8_t read_data(struct vm *vm)
{
	struct i8042_state *s = state(vm);
	uint8_t value = s->output;

	s->full = 0;
	update_lines(vm);
	pump(vm);
	return value;
}

static uint64_t i8042_read(struct vm *vm, uint32_t port, uint64_t offset, unsigned size)
{
	const struct i8042_state *s = state(vm);

	(void)offset;
	(void)size;
	switch (port) {
	case PORT_DATA:
		return read_data(vm);
	case PORT_COMMAND:
		return STATUS_SYSTEM | STATUS_COMMAND | STATUS_UNLOCKED |
		       (s->full ? STATUS_OUTPUT_FULL : 0) |
		       (s->full && s->from_mouse ? STATUS_MOUSE : 0);
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

void i8042_key(struct vm *vm, unsigned code, bool down)
{
	struct i8042_state *s = state(vm);

	if (!has_devices(vm))
		return;
	ps2_keyboard_key(&s->keyboard, code & I8042_EXTENDED ? code : code & 0x7f, down,
			 translates(s));
	pump(vm);
}

void i8042_mouse(struct vm *vm, int x, int y, int wheel, unsigned buttons)
{
	if (!has_devices(vm))
		return;
	ps2_mouse_move(&state(vm)->mouse, x, y, wheel, buttons);
	pump(vm);
}

/* With devices the mode is as a BIOS leaves it. */
void i8042_reset(struct vm *vm)
{
	struct i8042_state *s = state(vm);

	*s = (struct i8042_state){0};
	if (has_devices(vm))
		s->mode = MODE_TRANSLATE | MODE_SYSTEM | MODE_KEYBOARD_IRQ;
	ps2_keyboard_reset(&s->keyboard);
	ps2_mouse_reset(&s->mouse);
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
