/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware (ACPI 5.1, section 4.8). The guest finds it in ACPI mode
 * already: there is no SMI command port. */
#include "guests/dom0/machine/acpi.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define PM_TIMER_HZ 3579545ull
#define NS_PER_S    1000000000ull

/* Offsets in the range from ACPI_PM1_EVT on. */
#define PM1_BYTES    12u
#define OFFSET_TIMER 8u

#define PM1_TIMER        0x0001u
#define PM1_GLOBAL       0x0020u
#define PM1_POWER_BUTTON 0x0100u
#define PM1_SLEEP_BUTTON 0x0200u
#define PM1_RTC          0x0400u
#define PM1_EVENTS       (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_SLEEP_BUTTON | PM1_RTC)

#define CONTROL_SCI_EN              0x0001u
#define CONTROL_SLEEP_TYPE(control) ((control) >> 10 & 7)
#define CONTROL_SLEEP               0x2000u
#define CONTROL_KEPT                0x1c03u
#define SLEEP_TYPE_S5               0u /* as in the DSDT; the value of other emulators */

#define RESET_CPU 0x04u

static struct acpi_state *acpi(struct vm *vm)
{
	return &vm->state->acpi;
}

static void update_sci(struct vm *vm)
{
	struct acpi_state *s = acpi(vm);
	unsigned events = s->pm1_status & s->pm1_enable & PM1_EVENTS;
	uint8_t sci;

	for (unsigned i = 0; i < ACPI_GPE0_LEN / 2; i++)
		events |= s->gpe_status[i] & s->gpe_enable[i];
	sci = events != 0;
	if (sci == s->sci)
		return;
	s->sci = sci;
	vm_irq(vm, ACPI_SCI, sci);
}

static uint32_t pm_timer(const struct acpi_state *s)
{
	return (uint32_t)((unsigned __int128)(clock_ns() - s->pm_origin) * PM_TIMER_HZ / NS_PER_S);
}

static void write_control(struct vm *vm, uint16_t value)
{
	struct acpi_state *s = acpi(vm);

	s->pm1_control = (value & CONTROL_KEPT) | CONTROL_SCI_EN;
	if (!(value & CONTROL_SLEEP))
		return;
	if (CONTROL_SLEEP_TYPE(value) == SLEEP_TYPE_S5)
		vm_request(vm, VM_REQ_POWEROFF, "ACPI S5");
	else
		vm_log(vm, "sleep type %u is not supported", CONTROL_SLEEP_TYPE(value) & 7u);
}

static uint8_t pm1_read_byte(const struct acpi_state *s, uint64_t offset)
{
	uint64_t image =
		s->pm1_status | (uint64_t)s->pm1_enable << 16 | (uint64_t)s->pm1_control << 32;

	return (uint8_t)(image >> (8 * offset));
}

static uint64_t pm1_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct acpi_state *s = acpi(vm);
	uint64_t value = 0;

	(void)instance;
	if (offset >= OFFSET_TIMER)
		return pm_timer(s) >> (8 * (offset - OFFSET_TIMER));
	for (unsigned i = 0; i < size && offset + i < OFFSET_TIMER; i++)
		value |= (uint64_t)pm1_read_byte(s, offset + i) << (8 * i);
	return value;
}

static void pm1_write_byte(struct vm *vm, uint64_t offset, uint8_t value)
{
	struct acpi_state *s = acpi(vm);
	uint16_t high = (uint16_t)(value << 8);

	switch (offset) {
	case 0: /* status bits are cleared by writing ones */
		s->pm1_status &= (uint16_t)~value;
		break;
	case 1:
		s->pm1_status &= (uint16_t)~high;
		break;
	case 2:
		s->pm1_enable = (s->pm1_enable & 0xff00) | (value & PM1_EVENTS & 0xff);
		break;
	case 3:
		s->pm1_enable = (uint16_t)((s->pm1_enable & 0xff) | (high & PM1_EVENTS));
		break;
	case 4:
		write_control(vm, (uint16_t)((s->pm1_control & 0xff00) | value));
		break;
	case 5:
		write_control(vm, (uint16_t)((s->pm1_control & 0xff) | high));
		break;
	default: /* reserved, or the timer */
		break;
	}
}

static void pm1_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		      uint64_t value)
{
	(void)instance;
	for (unsigned i = 0; i < size; i++)
		pm1_write_byte(vm, offset + i, (uint8_t)(value >> (8 * i)));
	update_sci(vm);
}

static uint64_t gpe_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct acpi_state *s = acpi(vm);
	uint32_t image = s->gpe_status[0] | (uint32_t)s->gpe_status[1] << 8 |
			 (uint32_t)s->gpe_enable[0] << 16 | (uint32_t)s->gpe_enable[1] << 24;

	(void)instance;
	(void)size;
	return image >> (8 * offset);
}

static void gpe_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		      uint64_t value)
{
	struct acpi_state *s = acpi(vm);

	(void)instance;
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));

		if (offset + i < 2)
			s->gpe_status[offset + i] &= (uint8_t)~byte;
		else
			s->gpe_enable[offset + i - 2] = byte;
	}
	update_sci(vm);
}

static const struct io_ops pm1_ops = {pm1_read, pm1_write};
static const struct io_ops gpe_ops = {gpe_read, gpe_write};

void acpi_reset_control(struct vm *vm, uint8_t value)
{
	struct acpi_state *s = acpi(vm);

	if (value & ~s->reset_control & RESET_CPU)
		vm_request(vm, VM_REQ_RESET, "reset control register");
	s->reset_control = value & (uint8_t)~RESET_CPU;
}

void acpi_power_button(struct vm *vm)
{
	acpi(vm)->pm1_status |= PM1_POWER_BUTTON;
	update_sci(vm);
}

void acpi_event(struct vm *vm, unsigned number)
{
	acpi(vm)->gpe_status[number / 8] |= (uint8_t)(1u << number % 8);
	update_sci(vm);
}

void acpi_reset(struct vm *vm)
{
	struct acpi_state *s = acpi(vm);

	if (s->sci)
		vm_irq(vm, ACPI_SCI, false);
	*s = (struct acpi_state){
		.epoch = clock_epoch_ns(),
		.pm_origin = clock_ns(),
		.pm1_control = CONTROL_SCI_EN,
	};
}

int acpi_resume(struct vm *vm)
{
	struct acpi_state *s = acpi(vm);
	uint64_t epoch = clock_epoch_ns();

	s->pm_origin += s->epoch - epoch;
	s->epoch = epoch;
	if (bus_add(vm, BUS_PIO, ACPI_PM1_EVT, PM1_BYTES, &pm1_ops, 0) != 0)
		return -1;
	return bus_add(vm, BUS_PIO, ACPI_GPE0, ACPI_GPE0_LEN, &gpe_ops, 0);
}

int acpi_init(struct vm *vm)
{
	acpi_reset(vm);
	return acpi_resume(vm);
}
