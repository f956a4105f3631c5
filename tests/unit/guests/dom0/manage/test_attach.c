/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/attach.c guests/dom0/config/config.c guests/dom0/config/elements.c guests/dom0/config/devices.c guests/dom0/config/screen.c guests/dom0/config/firmware.c */
/* sources: guests/dom0/config/disk.c guests/dom0/config/values.c guests/dom0/config/ignored.c guests/dom0/config/metadata.c guests/dom0/config/absent.c guests/dom0/base/cpuset.c guests/dom0/base/mac.c */
/* libs: expat */
/* Devices that come, change and go: which of a guest's two descriptions has them, and when. */
#include "guests/dom0/manage/attach.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"
#include "tests/unit/unit.h"

#define DISK  "<disk type='block'><source dev='sda'/><target dev='vdb'/></disk>"
#define NIC   "<interface type='bridge'><source bridge='br0'/></interface>"
#define MAC   "<mac address='52:54:00:00:00:09'/>"
#define NAMED "<interface type='bridge'><source bridge='br0'/>" MAC "</interface>"
#define CARD                                                                                    \
	"<hostdev mode='subsystem' type='pci'><source><address bus='1' slot='0' function='0'/>" \
	"</source></hostdev>"

const char tune_not_running[] = "Requested operation is not valid: domain is not running";

/* --- a guest, and what happens to it -----------------------------------------------------------
 */

static struct vm_config live, own;
static struct vm guest = {.name = "guest", .id = 1, .config = &live};
static struct config_error error;
static uint64_t now = 1;
static struct timer *looks;
static const char *plug_wrong;
static virtio_plugged *plugged;
static void *plug_context;
static unsigned unplugged, ended_times;
static bool leaving;
static bool link_up;
static char ended_why[128];

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	(void)deadline_ns;
	looks = timer;
}

void arc4random_buf(void *bytes, size_t n)
{
	memset(bytes, 0x77, n);
}

struct vm *vm_find_name(const char *name)
{
	return strcmp(name, guest.name) ? NULL : &guest;
}

const struct vm *vm_find_mac(const uint8_t mac[6], const struct vm *except)
{
	(void)mac;
	(void)except;
	return NULL;
}

const char *vm_may_define(const struct vm_config *config)
{
	(void)config;
	return NULL;
}

struct vm_config *vm_live_config(struct vm *vm)
{
	(void)vm;
	return &live;
}

struct vm_config *vm_own_config(const struct vm *vm)
{
	(void)vm;
	return &own;
}

const char *redefine_guest(struct vm *vm, struct vm_config *config, define_done *done,
			   void *context)
{
	own = *config;
	config_free(config);
	done(context, vm, NULL, "");
	return NULL;
}

const char *virtio_plug_disk(struct vm *vm, const struct config_disk *disk, virtio_plugged *end,
			     void *context)
{
	(void)vm;
	if (plug_wrong)
		return plug_wrong;
	live.disk[live.disks++] = *disk;
	plugged = end;
	plug_context = context;
	return NULL;
}

const char *virtio_plug_nic(struct vm *vm, const struct config_nic *nic)
{
	(void)vm;
	live.nic[live.nics++] = *nic;
	return plug_wrong;
}

const char *virtio_unplug(struct vm *vm, uint32_t type, unsigned ordinal)
{
	(void)vm;
	unplugged = type << 8 | ordinal;
	return plug_wrong;
}

bool virtio_is_leaving(const struct vm *vm)
{
	(void)vm;
	return leaving;
}

bool virtio_net_link(struct vm *vm, unsigned nic, bool up)
{
	(void)vm;
	(void)nic;
	link_up = up;
	return true;
}

static void ended(void *context, struct vm *vm, const char *wrong, const char *note)
{
	(void)note;
	assert_ptr_equal(context, &ended_times);
	assert_ptr_equal(vm, &guest);
	ended_times++;
	snprintf(ended_why, sizeof(ended_why), "%s", wrong ? wrong : "");
}

static const char *change(enum attach_action action, const char *xml, unsigned affects)
{
	ended_times = 0;
	looks = NULL;
	return attach_change(&guest, action, xml, strlen(xml), affects, &error, ended,
			     &ended_times);
}

static void works(enum attach_action action, const char *xml, unsigned affects)
{
	assert_null(change(action, xml, affects));
	assert_int_equal(ended_times, 1);
	assert_string_equal(ended_why, "");
}

static int setup(void **state)
{
	(void)state;
	memset(&live, 0, sizeof(live));
	memset(&own, 0, sizeof(own));
	guest.id = 1;
	guest.transient = false;
	plug_wrong = NULL;
	return 0;
}

/* --- */

static void of_the_description(void **unused)
{
	(void)unused;
	guest.id = 0;
	assert_ptr_equal(change(ATTACH_DEVICE, DISK, TUNE_LIVE), tune_not_running);
	works(ATTACH_DEVICE, DISK, TUNE_CURRENT);
	assert_int_equal(own.disks, 1);
	assert_int_equal(live.disks, 0);
	assert_string_equal(change(ATTACH_DEVICE, DISK, TUNE_CONFIG),
			    "the guest has a disk of this target already");
	works(ATTACH_UPDATE, "<disk type='block'><source dev='sdc'/><target dev='vdb'/></disk>",
	      TUNE_CONFIG);
	assert_string_equal(own.disk[0].source, "sdc");
	works(ATTACH_DEVICE, CARD, TUNE_CONFIG);
	assert_int_equal(own.hostdev[0].requester, 0x100);
	works(ATTACH_DETACH, DISK, TUNE_CONFIG);
	works(ATTACH_DETACH, CARD, TUNE_CONFIG);
	assert_int_equal(own.disks + own.hostdevs, 0);
	assert_non_null(strstr(change(ATTACH_DETACH, DISK, TUNE_CONFIG), "no such device"));

	guest.transient = true;
	assert_non_null(strstr(change(ATTACH_DEVICE, DISK, TUNE_CONFIG), "persistent config"));
}

/* The guest has one device of each kind, then two: which is meant? */
static void of_interfaces(void **unused)
{
	static const uint8_t made[6] = {0x52, 0x54, 0x00, 0x77, 0x77, 0x77};

	(void)unused;
	guest.id = 0;
	works(ATTACH_DEVICE, NIC, TUNE_CONFIG);
	assert_memory_equal(own.nic[0].mac, made, 6);
	assert_string_equal(change(ATTACH_DEVICE, NIC, TUNE_CONFIG),
			    "the guest has this device already");
	works(ATTACH_UPDATE,
	      "<interface type='bridge'><source bridge='br1'/><link state='down'/></interface>",
	      TUNE_CONFIG);
	assert_true(own.nic[0].link_down);
	assert_memory_equal(own.nic[0].mac, made, 6);
	works(ATTACH_DEVICE, "<?xml version='1.0'?>\n" NAMED, TUNE_CONFIG);
	assert_int_equal(own.nics, 2);
	assert_non_null(strstr(change(ATTACH_DETACH, NIC, TUNE_CONFIG), "no such device"));
	works(ATTACH_DETACH, NAMED, TUNE_CONFIG);
	assert_memory_equal(own.nic[0].mac, made, 6);
	works(ATTACH_DETACH, NIC, TUNE_CONFIG);
	assert_int_equal(own.nics, 0);
}

/* The description follows when the guest has the disk, and only then. */
static void of_both(void **unused)
{
	(void)unused;
	assert_null(change(ATTACH_DEVICE, DISK, TUNE_LIVE | TUNE_CONFIG));
	assert_int_equal(ended_times, 0);
	assert_int_equal(own.disks, 0);
	plugged(plug_context, NULL);
	assert_int_equal(ended_times, 1);
	assert_int_equal(own.disks, 1);

	live.disks = own.disks = 0;
	assert_null(change(ATTACH_DEVICE, DISK, TUNE_LIVE | TUNE_CONFIG));
	plugged(plug_context, "the image is none");
	assert_int_equal(ended_times, 1);
	assert_string_equal(ended_why, "the image is none");
	assert_int_equal(own.disks, 0);

	live.disks = 0;
	plug_wrong = "the guest is ending";
	assert_ptr_equal(change(ATTACH_DEVICE, DISK, TUNE_LIVE | TUNE_CONFIG), plug_wrong);
	assert_int_equal(own.disks, 0);
}

static void of_the_guest(void **unused)
{
	(void)unused;
	assert_null(change(ATTACH_DEVICE, DISK, TUNE_CURRENT));
	plugged(plug_context, NULL);
	assert_int_equal(live.disks, 1);
	works(ATTACH_DEVICE, NAMED, TUNE_LIVE);
	assert_non_null(strstr(change(ATTACH_DEVICE, CARD, TUNE_LIVE), "start alone"));
	assert_non_null(strstr(change(ATTACH_UPDATE, DISK, TUNE_LIVE), "a change of a disk"));
	works(ATTACH_UPDATE,
	      "<interface type='bridge'><source bridge='br0'/>" MAC
	      "<link state='down'/></interface>",
	      TUNE_LIVE);
	assert_false(link_up);
	assert_true(live.nic[0].link_down);
	works(ATTACH_UPDATE, NAMED, TUNE_LIVE);
	assert_true(link_up);
	assert_non_null(strstr(change(ATTACH_UPDATE,
				      "<interface type='bridge'><source bridge='br0'/>"
				      "<vlan><tag id='3'/></vlan></interface>",
				      TUNE_LIVE),
			       "VLAN"));

	/* It takes its time to give a device up. */
	own.disks = 1;
	strcpy(own.disk[0].target, "vdb");
	assert_null(change(ATTACH_DETACH, DISK, TUNE_LIVE | TUNE_CONFIG));
	assert_int_equal(unplugged, VIRTIO_BLK << 8);
	looks->fire(looks);
	assert_int_equal(ended_times, 0);
	/* Its image is being closed: nobody else could have it. */
	live.disks = 0;
	leaving = true;
	looks->fire(looks);
	assert_int_equal(ended_times, 0);
	leaving = false;
	looks->fire(looks);
	assert_int_equal(ended_times, 1);
	assert_int_equal(own.disks, 0);

	/* It does not. */
	assert_null(change(ATTACH_DETACH, NIC, TUNE_LIVE));
	assert_int_equal(unplugged, VIRTIO_NET << 8);
	now += 11000000000ull;
	looks->fire(looks);
	assert_int_equal(ended_times, 1);
	assert_non_null(strstr(ended_why, "not given it up yet"));

	/* It ends. */
	assert_null(change(ATTACH_DETACH, NIC, TUNE_LIVE));
	guest.id = 0;
	looks->fire(looks);
	assert_string_equal(ended_why, "");
}

static void refuses(void **unused)
{
	static const char *const none[] = {
		"",
		"<teapot/>",
		"<disk",
		"<!DOCTYPE a><disk/>",
		"<?xml",
		"<?xml version='1.0'?>",
		"</devices></domain>",
		"<disk type='block'><source dev='sda'/></disk>",
	};
	static char large[ATTACH_XML + 2];

	(void)unused;
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		const char *why = change(ATTACH_DEVICE, none[i], TUNE_LIVE);

		assert_non_null(why);
		if (*why)
			assert_non_null(strstr(why, "is no disk"));
		else
			assert_int_not_equal(error.refusals.used, 0);
	}
	assert_non_null(strstr(change(ATTACH_DEVICE, DISK NIC, TUNE_LIVE), "is no disk"));
	assert_non_null(
		strstr(change(ATTACH_DEVICE, "<rng model='virtio'><backend model='random'/></rng>",
			      TUNE_LIVE),
		       "is no disk"));
	memset(large, ' ', sizeof(large) - 1);
	assert_non_null(strstr(change(ATTACH_DEVICE, large, TUNE_LIVE), "too long"));
	assert_int_equal(ended_times + live.disks + live.nics, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(of_the_description, setup),
		cmocka_unit_test_setup(of_interfaces, setup),
		cmocka_unit_test_setup(of_both, setup),
		cmocka_unit_test_setup(of_the_guest, setup),
		cmocka_unit_test_setup(refuses, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
