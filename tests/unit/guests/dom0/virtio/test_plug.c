/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/life.c guests/dom0/virtio/plug.c guests/dom0/virtio/device.c guests/dom0/virtio/queue.c guests/dom0/virtio/blk.c */
/* sources: guests/dom0/virtio/blk_io.c guests/dom0/virtio/blk_tune.c guests/dom0/virtio/blk_error.c guests/dom0/virtio/blk_image.c guests/dom0/virtio/throttle.c guests/dom0/virtio/net.c guests/dom0/virtio/console.c drivers/block/claim.c */
/* sources: guests/dom0/virtio/rng.c guests/dom0/net/switch.c guests/dom0/net/offload.c guests/dom0/config/alias.c guests/dom0/base/mac.c guests/dom0/vm/watch.c */
/* Devices that come and go: what the description says of them, and what becomes of their requests.
 */
#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/vm/watch.h"
#include "tests/unit/unit.h"
#include "tests/unit/virtio_mock.h"

#define RING 0x10000u
#define DATA 0x100000u

static struct blkdev spare[3];

static void setup(void)
{
	if (mock_vm.virtio) {
		virtio_part.detach(&mock_vm);
		mock_settle();
	}
	assert_null(mock_vm.virtio);
	mock_init();
	memset(&mock_config, 0, sizeof(mock_config));
	mock_config.disks = 1;
	mock_config.nics = 1;
	mock_config.rng = true;
	strcpy(mock_config.disk[0].source, "sda1");
	strcpy(mock_config.disk[0].target, "vda");
	memcpy(mock_config.nic[0].mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	mock_disk.next = NULL;
	for (unsigned i = 0; i < 3; i++) {
		spare[i] = mock_disk;
		snprintf(spare[i].name, sizeof(spare[i].name), "spare%u", i);
		spare[i].user = NULL;
		spare[i].watch = NULL;
		spare[i].next = mock_disk.next;
		mock_disk.next = &spare[i];
	}
	mock_added = mock_removed = mock_asked = 0;
	assert_true(mock_attach());
}

static struct config_disk disk(unsigned n, const char *target)
{
	struct config_disk disk = {0};

	snprintf(disk.source, sizeof(disk.source), "spare%u", n);
	snprintf(disk.target, sizeof(disk.target), "%s", target);
	return disk;
}

/* What clients are told of devices. */
static char news[256];

static void happened(struct vm *vm, enum vm_event event, const char *device)
{
	size_t n = strlen(news);

	(void)vm;
	snprintf(news + n, sizeof(news) - n, "%c%s ", event == VM_EVENT_DEVICE_ADDED ? '+' : '-',
		 device);
}

static void comes_and_goes(void **unused)
{
	static struct vm_watcher watcher = {.happened = happened};
	struct config_disk one = disk(0, "vdb"), two = disk(1, "vdc");
	struct config_nic nic = {.mac = {2, 0, 0, 0, 0, 2}};
	struct virtio_device *dev;

	(void)unused;
	setup();
	vm_watch(&watcher);
	*news = 0;
	assert_string_equal(virtio_plug_nic(&mock_vm, &mock_config.nic[0]),
			    "a guest has this MAC address already");
	assert_null(virtio_plug_nic(&mock_vm, &nic));
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	assert_null(virtio_plug_disk(&mock_vm, &two, NULL, NULL));
	assert_int_equal(mock_added, 3);
	assert_int_equal(mock_config.disks, 3);
	assert_non_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	two = disk(1, "vdd");
	assert_string_equal(virtio_plug_disk(&mock_vm, &two, NULL, NULL),
			    "spare1 is in use by mock");
	assert_int_equal(mock_config.disks, 3);
	assert_string_equal(news, "+net-02:00:00:00:00:02 +virtio-vdb +virtio-vdc ");

	/* The first of them goes: the places behind it are those of the description again. */
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 2);
	assert_null(virtio_unplug(&mock_vm, VIRTIO_BLK, 1));
	assert_int_equal(mock_config.disks, 3);
	virtio_eject(virtio_find(&mock_vm, VIRTIO_BLK, 1));
	assert_int_equal(mock_removed, 1);
	assert_int_equal(mock_config.disks, 2);
	assert_string_equal(mock_config.disk[1].target, "vdc");
	assert_ptr_equal(virtio_find(&mock_vm, VIRTIO_BLK, 1), dev);
	assert_int_equal(dev->state->ordinal, 1);
	assert_null(spare[0].user);
	assert_string_equal(news + strlen(news) - 12, "-virtio-vdb ");
	assert_non_null(virtio_unplug(&mock_vm, VIRTIO_BLK, 2));

	/* One that was there at the start goes, too, by a reset; another takes its place. */
	assert_null(virtio_unplug(&mock_vm, VIRTIO_BLK, 0));
	virtio_part.reset(&mock_vm);
	assert_null(mock_disk.user);
	assert_int_equal(mock_config.disks, 1);
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 1);
	assert_int_equal(dev->instance, 0);
	assert_int_equal(dev->state->slot, 1);
}

/* A guest ejects a disk that is at work: it leaves the bus at once, and is freed when the disk has
 * ended. */
static void leaves_at_work(void **unused)
{
	struct config_disk one = disk(0, "vdb");
	struct driver_queue driver;
	struct virtio_device *dev;
	uint64_t header[2] = {0, 0};

	(void)unused;
	setup();
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 1);
	dev->state->negotiated = VIRTIO_F_VERSION_1;
	mock_queue_up(dev, 0, &driver, RING, 8);
	mock_driver_ok(dev);
	memcpy(mock_vm.ram + DATA, header, sizeof(header));
	driver_desc(&driver, 0, DATA, 16, DRIVER_NEXT, 1);
	driver_desc(&driver, 1, DATA + 4096, 512, DRIVER_NEXT | DRIVER_WRITE, 2);
	driver_desc(&driver, 2, DATA + 8192, 1, DRIVER_WRITE, 0);
	driver_avail(&driver, 0);
	virtio_notify(&dev->queue[0]);
	assert_null(virtio_unplug(&mock_vm, VIRTIO_BLK, 1));
	virtio_eject(dev);
	assert_int_equal(mock_config.disks, 1);
	assert_int_equal(mock_removed, 1);
	assert_null(virtio_find(&mock_vm, VIRTIO_BLK, 1));
	assert_non_null(spare[0].user);
	assert_false(virtio_part.quiet(&mock_vm));
	assert_true(virtio_is_leaving(&mock_vm));
	assert_string_equal(virtio_plug_disk(&mock_vm, &one, NULL, NULL),
			    "spare0 is in use by mock");
	virtio_part.reset(&mock_vm);
	mock_settle();
	assert_null(spare[0].user);
	assert_false(virtio_is_leaving(&mock_vm));
	assert_true(virtio_part.quiet(&mock_vm));
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));

	/* The guest ends in the same moment. */
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 1);
	dev->state->negotiated = VIRTIO_F_VERSION_1;
	mock_queue_up(dev, 0, &driver, RING, 8);
	mock_driver_ok(dev);
	driver_avail(&driver, 0);
	virtio_notify(&dev->queue[0]);
	virtio_eject(dev);
	virtio_part.detach(&mock_vm);
	assert_non_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	mock_settle();
	assert_null(mock_vm.virtio);
	assert_null(spare[0].user);
}

/* dom0 was asked for a disk and has begun anew since, and has no memory now: the disk stays until
 * there is some. */
static void stays(void **unused)
{
	struct virtio_device *dev;

	(void)unused;
	setup();
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 0);
	assert_null(virtio_unplug(&mock_vm, VIRTIO_BLK, 0));
	dev->state->status = 1;
	mock_no_config = true;
	assert_false(virtio_eject(dev));
	assert_ptr_equal(virtio_find(&mock_vm, VIRTIO_BLK, 0), dev);
	assert_int_equal(dev->state->status, 1);
	virtio_part.reset(&mock_vm);
	assert_ptr_equal(virtio_find(&mock_vm, VIRTIO_BLK, 0), dev);
	assert_int_equal(dev->state->status, 0);
	mock_no_config = false;
	assert_true(virtio_eject(dev));
	assert_null(virtio_find(&mock_vm, VIRTIO_BLK, 0));
	assert_int_equal(mock_config.disks, 0);
}

/* As many as there is room for. */
static void no_more(void **unused)
{
	struct config_nic nic = {.mac = {2, 0, 0, 0, 1, 0}};
	struct config_disk one = disk(0, "vdb");

	(void)unused;
	setup();
	while (mock_config.nics < CONFIG_NICS) {
		nic.mac[5]++;
		assert_null(virtio_plug_nic(&mock_vm, &nic));
	}
	nic.mac[5]++;
	assert_string_equal(virtio_plug_nic(&mock_vm, &nic),
			    "the guest has as many interfaces as it can have");
	mock_no_room = true;
	assert_string_equal(virtio_plug_disk(&mock_vm, &one, NULL, NULL), "no room on the PCI bus");
	mock_no_room = false;
	assert_int_equal(mock_config.disks, 1);
	assert_null(spare[0].user);
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	virtio_part.detach(&mock_vm);
	mock_settle();
	assert_null(mock_vm.virtio);
}

/* --- an image ----------------------------------------------------------------------------------
 */

static unsigned plugged_times;
static char plugged_why[128];

static void plugged(void *context, const char *wrong)
{
	assert_ptr_equal(context, &plugged_times);
	plugged_times++;
	snprintf(plugged_why, sizeof(plugged_why), "%s", wrong ? wrong : "");
}

static void begin_image(const char *target)
{
	struct config_disk image = disk(2, target);

	image.qcow2 = true;
	mock_images = true;
	plugged_times = 0;
	assert_null(virtio_plug_disk(&mock_vm, &image, plugged, &plugged_times));
	assert_int_equal(plugged_times, 0);
}

static void begin_transient(void)
{
	struct config_disk image = disk(2, "vdc");

	image.transient = true;
	mock_images = true;
	plugged_times = 0;
	assert_null(virtio_plug_disk(&mock_vm, &image, plugged, &plugged_times));
	assert_int_equal(plugged_times, 0);
}

/* The guest sees the disk when the image is open, not before. */
static void image_comes(void **unused)
{
	struct config_disk one = disk(0, "vdb");
	struct virtio_device *dev;

	(void)unused;
	setup();
	begin_image("vdc");
	assert_int_equal(mock_added, 0);
	assert_int_equal(mock_config.disks, 2);
	assert_string_equal(virtio_unplug(&mock_vm, VIRTIO_BLK, 1),
			    "the image of the disk is being opened still");
	/* A reset of the guest, and another disk that takes the next place on the bus. */
	virtio_part.reset(&mock_vm);
	assert_null(virtio_plug_disk(&mock_vm, &one, NULL, NULL));
	assert_int_equal(mock_added, 1);
	mock_image_opened(NULL);
	assert_int_equal(plugged_times, 1);
	assert_string_equal(plugged_why, "");
	assert_int_equal(mock_added, 2);
	dev = virtio_find(&mock_vm, VIRTIO_BLK, 1);
	assert_int_equal(dev->state->blk.capacity, MOCK_SECTORS);
	assert_int_not_equal(dev->state->slot, virtio_find(&mock_vm, VIRTIO_BLK, 2)->state->slot);

	/* It goes as a disk does, when its tables are written. */
	virtio_eject(dev);
	assert_int_equal(mock_config.disks, 2);
	assert_false(virtio_part.quiet(&mock_vm));
	mock_image_closed();
	assert_true(virtio_part.quiet(&mock_vm));
	assert_int_equal(plugged_times, 1);
}

static void image_fails(void **unused)
{
	(void)unused;
	setup();
	begin_image("vdc");
	mock_image_opened("the image on spare2: it is none");
	assert_int_equal(plugged_times, 1);
	assert_string_equal(plugged_why, "the image on spare2: it is none");
	assert_int_equal(mock_config.disks, 1);
	assert_int_equal(mock_added + mock_removed, 0);
	mock_image_closed();
	assert_true(virtio_part.quiet(&mock_vm));

	/* There is no place on the bus any more. */
	begin_image("vdc");
	mock_no_room = true;
	mock_image_opened(NULL);
	mock_no_room = false;
	assert_string_equal(plugged_why, "the guest's PCI bus has no free slot");
	assert_int_equal(mock_config.disks, 1);
	mock_image_closed();
	assert_true(virtio_part.quiet(&mock_vm));
}

/* A transient disk waits for its volume, then for the image there; the volume goes last. */
static void transient_comes_and_goes(void **unused)
{
	(void)unused;
	setup();
	begin_transient();
	assert_int_equal(mock_transients, 1);
	mock_transient.made(mock_transient.context, mock_transient.base, NULL);
	assert_int_equal(plugged_times, 0);
	mock_image_opened(NULL);
	assert_int_equal(plugged_times, 1);
	assert_string_equal(plugged_why, "");
	assert_true(mock_image.writable);
	virtio_eject(virtio_find(&mock_vm, VIRTIO_BLK, 1));
	assert_int_equal(mock_transients, 1);
	mock_image_closed();
	mock_settle();
	assert_int_equal(mock_transients, 0);
	assert_true(virtio_part.quiet(&mock_vm));
}

static void transient_fails(void **unused)
{
	(void)unused;
	setup();
	begin_transient();
	mock_transient.made(mock_transient.context, NULL, "the pool has 0 MiB left");
	assert_string_equal(plugged_why, "the pool has 0 MiB left");
	mock_settle();
	assert_int_equal(mock_transients, 0);
	/* The guest ends before the volume is there. */
	begin_transient();
	virtio_part.detach(&mock_vm);
	mock_settle();
	assert_null(mock_vm.virtio);
	assert_int_equal(mock_transients, 0);
}

/* The guest ends before the image is open. */
static void image_too_late(void **unused)
{
	(void)unused;
	setup();
	begin_image("vdc");
	virtio_part.detach(&mock_vm);
	assert_non_null(mock_vm.virtio);
	mock_image_closed();
	mock_settle();
	assert_null(mock_vm.virtio);
	assert_int_equal(plugged_times, 1);
	assert_string_equal(plugged_why, "the guest is ending");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_and_goes),  cmocka_unit_test(transient_comes_and_goes),
		cmocka_unit_test(transient_fails), cmocka_unit_test(leaves_at_work),
		cmocka_unit_test(no_more),         cmocka_unit_test(stays),
		cmocka_unit_test(image_comes),     cmocka_unit_test(image_fails),
		cmocka_unit_test(image_too_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
