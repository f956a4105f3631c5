/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's devices in XML, as virsh nodedev-dumpxml shows them. */
#include <stdlib.h>

#include "guests/dom0/manage/nodedev.h"
#include "guests/dom0/manage/say.h"

static const char *speed_of(uint8_t code)
{
	static const char *const speed[] = {"", "2.5", "5", "8", "16", "32", "64"};

	return code < sizeof(speed) / sizeof(speed[0]) ? speed[code] : "";
}

static void put_link(const struct saying *to, const struct nodedev_link *link, const char *of)
{
	if (link->width)
		say(to, "      <link validity='%s'%s speed='%s' width='%u'/>\n", of,
		    *of == 'c' ? " port='0'" : "", speed_of(link->speed), link->width);
}

static void put_address(const struct saying *to, const char *indent, uint16_t bdf)
{
	say(to, "%s<address domain='0x0000' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n", indent,
	    bdf >> 8, bdf >> 3 & 31, bdf & 7);
}

static void put_vfs(const struct saying *to, const struct nodedev *of)
{
	unsigned count;
	struct nodedev *device = of->vfs ? nodedev_all(&count) : NULL;

	if (of->is_virtual) {
		say(to, "    <capability type='phys_function'>\n");
		put_address(to, "      ", of->physical);
		say(to, "    </capability>\n");
	}
	if (of->max_vfs)
		say(to, "    <capability type='virt_functions' maxCount='%u'%s>\n", of->max_vfs,
		    device ? "" : "/");
	for (unsigned n = 0; device && n < count; n++)
		if (device[n].is_virtual && device[n].physical == of->bdf)
			put_address(to, "      ", device[n].bdf);
	if (device)
		say(to, "    </capability>\n");
	free(device);
}

static void put_group(const struct saying *to, const struct nodedev *of)
{
	unsigned count;
	struct nodedev *device = nodedev_all(&count);

	say(to, "    <iommuGroup number='%u'>\n", of->group);
	for (unsigned n = 0; device && n < count; n++)
		if (device[n].has_group && device[n].group == of->group)
			put_address(to, "      ", device[n].bdf);
	say(to, "    </iommuGroup>\n");
	free(device);
}

static void put_pci(const struct saying *to, const struct nodedev *device)
{
	if (device->driver)
		say(to, "  <driver>\n    <name>%s</name>\n  </driver>\n", device->driver);
	say(to,
	    "  <capability type='pci'>\n"
	    "    <class>0x%06x</class>\n"
	    "    <domain>0</domain>\n"
	    "    <bus>%u</bus>\n"
	    "    <slot>%u</slot>\n"
	    "    <function>%u</function>\n"
	    "    <product id='0x%04x'/>\n"
	    "    <vendor id='0x%04x'/>\n",
	    (unsigned)device->class_code, device->bdf >> 8, device->bdf >> 3 & 31, device->bdf & 7,
	    device->product, device->vendor);
	put_vfs(to, device);
	if (device->bridge)
		say(to, "    <capability type='pci-bridge'/>\n");
	if (device->has_group)
		put_group(to, device);
	if (device->can.width) {
		say(to, "    <pci-express>\n");
		put_link(to, &device->can, "cap");
		put_link(to, &device->does, "sta");
		say(to, "    </pci-express>\n");
	}
	say(to, "  </capability>\n");
}

void nodedev_document(const struct nodedev *device, document_piece *put, void *context)
{
	const struct saying to = {put, context};

	say(&to, "<device>\n  <name>%s</name>\n", device->name);
	if (*device->parent) {
		say(&to, "  <parent>%s</parent>\n", device->parent);
		put_pci(&to, device);
	} else {
		say(&to, "  <capability type='system'>\n    <hardware>\n    </hardware>\n"
			 "  </capability>\n");
	}
	say(&to, "</device>\n");
}
