/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/pci/pci.c drivers/pci/msi.c */
/*
 * A function with any configuration space, whose registers all can be
 * written: looking for functions ends, reads and writes nothing beyond the
 * space, and leaves the BARs as they were; so does setting up interrupts.
 */
#include "tests/unit/log_mock.h"
#include "tests/unit/pci_model.h"

#define BDF   0x0010
#define LIMIT 200000

const struct pci_driver *const pci_drivers[] = {NULL};

static uint8_t *mapped[8];
static unsigned accesses, maps;

uint32_t ports_open(uint16_t base, uint32_t count)
{
	model_check(count && base + count <= 0x10000);
	return base == 0xcf8 && count == 8 ? PCI_PORTS : 2;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	model_check(ports == PCI_PORTS && ++accesses < LIMIT);
	return model_read(offset, bytes);
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	model_check(ports == PCI_PORTS && ++accesses < LIMIT);
	model_write(offset, bytes, value);
}

/* No more than a table can have, else it takes too long. */
volatile void *registers_map(uint64_t base, uint64_t bytes)
{
	(void)base;
	return bytes > 1u << 20 ? NULL : (mapped[maps++] = malloc(bytes));
}

void registers_unmap(volatile void *registers, uint64_t bytes)
{
	(void)registers;
	(void)bytes;
}

uint32_t device_open(uint16_t requester, const char *name)
{
	model_check(requester == BDF && name);
	return 1;
}

bool irq_message_bind(uint32_t device, irq_handler *handler, void *context, unsigned vector,
		      irq_program *program, void *function)
{
	struct irq_message message = {0xfee00000, 0x40 + vector};

	(void)device;
	(void)handler;
	(void)context;
	program(function, vector, &message);
	program(function, vector, NULL);
	message.address += 0x1000; /* and then to another CPU */
	program(function, vector, &message);
	return true;
}

bool irq_pin_bind(unsigned pin, enum irq_trigger trigger, irq_handler *handler, void *context,
		  unsigned vector)
{
	(void)trigger;
	(void)handler;
	(void)context;
	(void)vector;
	model_check(pin < 256);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct pci_device *dev;
	uint8_t before[256];

	if (bytes < 257)
		return 0;
	memset(model, 0, sizeof(model));
	model[0] = (struct model){.there = true, .bdf = BDF};
	memcpy(model[0].config, data, 256);
	memset(model[0].writable, 0xff, 256);
	for (size_t i = 0; i < 24 && 257 + i < bytes; i++) /* BARs of some size */
		model[0].writable[0x10 + i] = data[257 + i];
	memcpy(before, model[0].config, 256);
	accesses = maps = sized_while_decoding = 0;
	dev = pci_scan();
	model_check(!memcmp(before + 0x10, model[0].config + 0x10, 24));
	if (dev) {
		pci_find_extended(dev, data[256]);
		model_check(!dev->next && !sized_while_decoding);
		for (unsigned i = 0; i < 6; i++)
			model_check(!dev->bar[i].size ||
				    dev->bar[i].base + dev->bar[i].size >= dev->bar[i].base);
		pci_irq_setup(dev, data[256], (irq_handler *)1, NULL);
		pci_enable(dev, "fuzz");
		pci_messages_off(dev);
	}
	free(dev);
	while (maps)
		free(mapped[--maps]);
	return 0;
}
