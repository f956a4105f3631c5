/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/kernel/edu.h"

#include "tests/kernel/abi.h"

/* PCI 3.0, 3.2.2.3.2, chapter 6 and 6.8.1. */
#define PORTS              0xcf8u
#define CONFIG_ENABLE      0x80000000u
#define IDENTITY           0x11e81234u
#define COMMAND            0x04u
#define COMMAND_MEMORY     0x0002u
#define COMMAND_MASTER     0x0004u
#define COMMAND_INTX_OFF   0x0400u
#define BAR0               0x10u
#define CAPABILITIES       0x34u
#define CAPABILITY_MSI     0x05u
#define MSI_ENABLE         0x00010000u /* in the dword that begins with the capability's number */
#define FUNCTIONS_OF_A_BUS 256u

#define RAISE       0x60u
#define ACKNOWLEDGE 0x64u
#define DMA_SOURCE  0x80u
#define DMA_TARGET  0x88u
#define DMA_COUNT   0x90u
#define DMA_COMMAND 0x98u
#define DMA_RUN     1u
#define DMA_STORE   2u
#define DMA_BUFFER  0x40000u
#define DMA_MS      101u /* the device begins after 100 ms */

uint16_t edu_requester;
uint64_t edu_bar;

static uint32_t ports;
static unsigned msi;
static volatile uint8_t *registers;

static uint32_t config_read(uint16_t requester, unsigned offset)
{
	uint64_t value = 0;

	must(sampo_port(ports, 0, 4 | SAMPO_PORT_WRITE,
			CONFIG_ENABLE | (uint32_t)requester << 8 | offset, NULL),
	     "PCI's address");
	must(sampo_port(ports, 4, 4, 0, &value), "PCI's data");
	return (uint32_t)value;
}

static void config_write(unsigned offset, uint32_t value)
{
	config_read(edu_requester, offset);
	must(sampo_port(ports, 4, 4 | SAMPO_PORT_WRITE, value, NULL), "PCI's data");
}

static unsigned find_msi(void)
{
	unsigned at = config_read(edu_requester, CAPABILITIES) & 0xfc;

	while (at && (config_read(edu_requester, at) & 0xff) != CAPABILITY_MSI)
		at = config_read(edu_requester, at) >> 8 & 0xfc;
	return at;
}

bool edu_find(unsigned slot)
{
	uint32_t region;

	must(sampo_region_of_machine(machine, SAMPO_REGION_PORTS, PORTS, 8, &ports), "ports");
	while (edu_requester < FUNCTIONS_OF_A_BUS && config_read(edu_requester, 0) != IDENTITY)
		edu_requester++;
	if (edu_requester == FUNCTIONS_OF_A_BUS)
		return false;
	edu_bar = config_read(edu_requester, BAR0) & ~0xfull;
	msi = find_msi();
	edu_set_master(false);
	must(sampo_region_of_machine(machine, SAMPO_REGION_PHYSICAL, edu_bar, PAGE, &region),
	     "edu's registers");
	must(sampo_region_map(region, 0, slot_address(slot), 0, SAMPO_MAP_R | SAMPO_MAP_W, PAGE),
	     "edu's registers");
	registers = (volatile uint8_t *)(uintptr_t)slot_address(slot);
	return true;
}

void edu_set_master(bool on)
{
	config_write(COMMAND, COMMAND_MEMORY | COMMAND_INTX_OFF | (on ? COMMAND_MASTER : 0));
}

bool edu_is_master(void)
{
	return config_read(edu_requester, COMMAND) & COMMAND_MASTER;
}

static volatile uint64_t *wide(unsigned offset)
{
	return (volatile uint64_t *)(registers + offset);
}

static void copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t direction)
{
	*wide(DMA_SOURCE) = from;
	*wide(DMA_TARGET) = to;
	*wide(DMA_COUNT) = bytes;
	*wide(DMA_COMMAND) = direction | DMA_RUN;
	pass_ms(DMA_MS);
	for (unsigned ms = 0; ms < 1000 && *wide(DMA_COMMAND) & DMA_RUN; ms++)
		pass_ms(1);
	if (*wide(DMA_COMMAND) & DMA_RUN)
		must(SAMPO_EBUSY, "edu's DMA");
}

void edu_load(uint64_t bus, uint64_t bytes)
{
	copy(bus, DMA_BUFFER, bytes, 0);
}

void edu_store(uint64_t bus, uint64_t bytes)
{
	copy(DMA_BUFFER, bus, bytes, DMA_STORE);
}

void edu_set_message(uint64_t message)
{
	config_write(msi, config_read(edu_requester, msi) & ~MSI_ENABLE);
	config_write(msi + 4, (uint32_t)(message >> 32));
	config_write(msi + 8, 0);
	config_write(msi + 12, (uint32_t)message);
	config_write(msi, config_read(edu_requester, msi) | MSI_ENABLE);
}

void edu_interrupt(void)
{
	*(volatile uint32_t *)(registers + RAISE) = 1;
	*(volatile uint32_t *)(registers + ACKNOWLEDGE) = 1;
}
