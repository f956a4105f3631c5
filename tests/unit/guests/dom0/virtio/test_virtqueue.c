/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/queue.c */
/* Virtqueues with drivers that keep the rules and with drivers that do not. */
#include "guests/dom0/virtio/features.h"
#include "guests/dom0/virtio/queue.h"
#include "tests/unit/guest_mock.h"
#include "tests/unit/unit.h"

#define AT   0x10000u
#define DATA 0x100000u
#define SIZE 16u

static struct virtqueue_state state;
static struct virtqueue queue;
static struct driver_queue driver;
static unsigned interrupts, broken;

void virtio_broken(struct virtio_device *dev, const char *why)
{
	(void)dev;
	(void)why;
	broken++;
	queue_stop(&queue);
}

void virtio_interrupt(struct virtio_device *dev, uint16_t msix)
{
	(void)dev;
	assert_int_equal(msix, 3);
	interrupts++;
}

static const char *start(uint64_t features)
{
	return queue_start(&queue, VIRTIO_F_VERSION_1 | features);
}

static void setup(uint64_t features)
{
	mock_init();
	driver_init(&driver, AT, SIZE);
	interrupts = broken = 0;
	memset(&state, 0, sizeof(state));
	state.desc = driver.desc_gpa;
	state.avail = driver.avail_gpa;
	state.used = driver.used_gpa;
	state.size = SIZE;
	state.msix = 3;
	queue = (struct virtqueue){.vm = &mock_vm, .state = &state};
	assert_null(start(features));
}

static bool in_flight(unsigned head)
{
	return state.in_flight[head / 64] >> (head % 64) & 1;
}

static void push(uint16_t head, uint32_t bytes)
{
	struct queue_used used = {head, bytes};

	queue_push(&queue, &used, 1);
}

/* A chain of three: two to read, one to write. */
static void chain_of_three(uint16_t head)
{
	uint16_t a = (head + 5) % SIZE, b = (head + 9) % SIZE;

	driver_desc(&driver, head, DATA, 16, DRIVER_NEXT, a);
	driver_desc(&driver, a, DATA + 0x1000, 100, DRIVER_NEXT, b);
	driver_desc(&driver, b, DATA + 0x2000, 1, DRIVER_WRITE, 77);
	driver_avail(&driver, head);
}

static void takes_and_gives(void **unused)
{
	uint32_t id, bytes;

	(void)unused;
	setup(0);
	assert_null(queue_pop(&queue));
	for (unsigned round = 0; round < 100000; round++) {
		uint16_t head = (uint16_t)(round % SIZE);

		chain_of_three(head);
		assert_int_equal(queue_waiting(&queue), 1);
		struct queue_chain *chain = queue_pop(&queue);
		assert_non_null(chain);
		assert_int_equal(chain->head, head);
		assert_int_equal(chain->out, 2);
		assert_int_equal(chain->in, 1);
		assert_int_equal(chain->out_bytes, 116);
		assert_int_equal(chain->in_bytes, 1);
		assert_ptr_equal(chain->segment[1].data, mock_vm.ram + DATA + 0x1000);
		assert_int_equal(chain->segment[2].gpa, DATA + 0x2000);
		assert_true(in_flight(head));
		assert_null(queue_pop(&queue));
		assert_false(driver_used(&driver, &id, &bytes));
		push(head, round);
		assert_false(in_flight(head));
		assert_true(driver_used(&driver, &id, &bytes));
		assert_int_equal(id, head);
		assert_int_equal(bytes, round);
	}
	assert_int_equal(broken, 0);
}

static void copies_across_segments(void **unused)
{
	uint8_t buffer[200];

	(void)unused;
	setup(0);
	chain_of_three(0);
	memset(mock_vm.ram + DATA, 1, 16);
	memset(mock_vm.ram + DATA + 0x1000, 2, 100);
	struct queue_chain *chain = queue_pop(&queue);
	assert_int_equal(queue_read(chain, 0, buffer, sizeof(buffer)), 116);
	assert_int_equal(buffer[15], 1);
	assert_int_equal(buffer[16], 2);
	assert_int_equal(queue_read(chain, 15, buffer, 2), 2);
	assert_int_equal(buffer[0], 1);
	assert_int_equal(buffer[1], 2);
	assert_int_equal(queue_read(chain, 116, buffer, 2), 0);
	assert_int_equal(queue_write(chain, 0, "ab", 2), 1);
	assert_int_equal(mock_vm.ram[DATA + 0x2000], 'a');
	assert_int_equal(queue_write(chain, 1, "ab", 2), 0);
}

static void puts_back(void **unused)
{
	(void)unused;
	setup(0);
	chain_of_three(3);
	assert_non_null(queue_pop(&queue));
	queue_unpop(&queue, 3);
	assert_false(in_flight(3));
	assert_int_equal(queue_pop(&queue)->head, 3);
}

static void indirect_table(uint64_t gpa, unsigned n)
{
	struct driver_desc *table = (void *)(mock_vm.ram + gpa);

	for (unsigned i = 0; i < n; i++)
		table[i] = (struct driver_desc){DATA + 0x1000 * i, 512, i + 1 < n ? DRIVER_NEXT : 0,
						(uint16_t)(i + 1)};
}

static void walks_indirect_tables(void **unused)
{
	(void)unused;
	setup(VIRTIO_F_INDIRECT_DESC);
	indirect_table(0x40000, 256);
	driver_desc(&driver, 2, 0x40000, 256 * 16, DRIVER_INDIRECT, 0);
	driver_avail(&driver, 2);
	struct queue_chain *chain = queue_pop(&queue);
	assert_non_null(chain);
	assert_int_equal(chain->out, 256);
	assert_int_equal(chain->head, 2);

	/* Behind a direct one (2.7.5.3.2). */
	driver_desc(&driver, 4, DATA, 16, DRIVER_NEXT, 5);
	driver_desc(&driver, 5, 0x40000, 3 * 16, DRIVER_INDIRECT, 0);
	indirect_table(0x40000, 3);
	driver_avail(&driver, 4);
	chain = queue_pop(&queue);
	assert_non_null(chain);
	assert_int_equal(chain->out, 4);
	assert_int_equal(broken, 0);
}

/* Each of these is a rule; the device stops, nothing else happens. */
static void breaks(void)
{
	driver_avail(&driver, 0);
	assert_null(queue_pop(&queue));
	assert_int_equal(broken, 1);
	assert_false(queue_live(&queue));
	assert_null(queue_pop(&queue));
	assert_false(queue_unsuppress(&queue));
	push(0, 0);
	queue_signal(&queue);
	assert_int_equal(driver.used[1], 0);
	assert_int_equal(interrupts, 0);
}

static void hostile_chains(void **unused)
{
	(void)unused;
	/* to itself, and round in a circle */
	setup(0);
	driver_desc(&driver, 0, DATA, 16, DRIVER_NEXT, 0);
	breaks();
	setup(0);
	driver_desc(&driver, 0, DATA, 16, DRIVER_NEXT, 1);
	driver_desc(&driver, 1, DATA, 16, DRIVER_NEXT, 0);
	breaks();
	/* of empty descriptors, which leave no segment */
	setup(0);
	driver_desc(&driver, 0, DATA, 0, DRIVER_NEXT, 0);
	breaks();
	/* out of the table */
	setup(0);
	driver_desc(&driver, 0, DATA, 16, DRIVER_NEXT, SIZE);
	breaks();
	/* outside of memory: beyond, across the end, around 2^64 */
	setup(0);
	driver_desc(&driver, 0, MOCK_RAM, 1, 0, 0);
	breaks();
	setup(0);
	driver_desc(&driver, 0, MOCK_RAM - 10, 11, 0, 0);
	breaks();
	setup(0);
	driver_desc(&driver, 0, ~0ull, 1, 0, 0);
	breaks();
	setup(0);
	driver_desc(&driver, 0, 16, ~0u, DRIVER_WRITE, 0);
	breaks();
	/* to be read after to be written */
	setup(0);
	driver_desc(&driver, 0, DATA, 16, DRIVER_WRITE | DRIVER_NEXT, 1);
	driver_desc(&driver, 1, DATA, 16, 0, 0);
	breaks();
}

static void hostile_tables(void **unused)
{
	(void)unused;
	/* not negotiated */
	setup(0);
	indirect_table(0x40000, 1);
	driver_desc(&driver, 0, 0x40000, 16, DRIVER_INDIRECT, 0);
	breaks();
	/* with a next one, of odd size, empty, too large, outside of memory */
	setup(VIRTIO_F_INDIRECT_DESC);
	driver_desc(&driver, 0, 0x40000, 16, DRIVER_INDIRECT | DRIVER_NEXT, 1);
	breaks();
	setup(VIRTIO_F_INDIRECT_DESC);
	driver_desc(&driver, 0, 0x40000, 17, DRIVER_INDIRECT, 0);
	breaks();
	setup(VIRTIO_F_INDIRECT_DESC);
	driver_desc(&driver, 0, 0x40000, 0, DRIVER_INDIRECT, 0);
	breaks();
	setup(VIRTIO_F_INDIRECT_DESC);
	driver_desc(&driver, 0, 0x40000, 257 * 16, DRIVER_INDIRECT, 0);
	breaks();
	setup(VIRTIO_F_INDIRECT_DESC);
	driver_desc(&driver, 0, MOCK_RAM - 16, 32, DRIVER_INDIRECT, 0);
	breaks();
	/* a table in a table */
	setup(VIRTIO_F_INDIRECT_DESC);
	((struct driver_desc *)(mock_vm.ram + 0x40000))[0] =
		(struct driver_desc){0x40000, 16, DRIVER_INDIRECT, 0};
	driver_desc(&driver, 0, 0x40000, 16, DRIVER_INDIRECT, 0);
	breaks();
	/* a next beyond the table, though within the queue */
	setup(VIRTIO_F_INDIRECT_DESC);
	indirect_table(0x40000, 3);
	driver_desc(&driver, 0, 0x40000, 2 * 16, DRIVER_INDIRECT, 0);
	breaks();
	/* longer than any chain may be */
	setup(VIRTIO_F_INDIRECT_DESC);
	indirect_table(0x40000, 256);
	driver_desc(&driver, 0, DATA, 16, DRIVER_NEXT, 1);
	driver_desc(&driver, 1, 0x40000, 256 * 16, DRIVER_INDIRECT, 0);
	breaks();
}

static void hostile_rings(void **unused)
{
	(void)unused;
	setup(0);
	driver.avail[1] = SIZE + 1;
	assert_null(queue_pop(&queue));
	assert_int_equal(broken, 1);

	setup(0);
	driver_avail(&driver, SIZE);
	assert_null(queue_pop(&queue));
	assert_int_equal(broken, 1);

	/* the same head twice */
	setup(0);
	chain_of_three(1);
	assert_non_null(queue_pop(&queue));
	driver_avail(&driver, 1);
	assert_null(queue_pop(&queue));
	assert_int_equal(broken, 1);
}

static void refuses_bad_queues(void **unused)
{
	static const struct {
		uint64_t desc, avail, used;
		uint16_t size;
	} bad[] = {
		{AT, AT, AT, 0},
		{AT, AT, AT, 3},
		{AT, AT, AT, 512},
		{AT, AT, AT, 0xffff},
		{AT + 8, AT, AT, 16},
		{AT, AT + 1, AT, 16},
		{AT, AT, AT + 2, 16},
		{MOCK_RAM - 16, AT, AT, 16},
		{AT, MOCK_RAM - 32, AT, 16},
		{AT, AT, MOCK_RAM - 128, 16},
		{~0ull << 4, AT, AT, 16},
	};

	(void)unused;
	setup(0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		queue_stop(&queue);
		state.desc = bad[i].desc;
		state.avail = bad[i].avail;
		state.used = bad[i].used;
		state.size = bad[i].size;
		assert_non_null(start(0));
		assert_false(queue_live(&queue));
	}
}

static void interrupts_by_flag(void **unused)
{
	(void)unused;
	setup(0);
	queue_signal(&queue);
	assert_int_equal(interrupts, 0);
	push(0, 0);
	queue_signal(&queue);
	queue_signal(&queue);
	assert_int_equal(interrupts, 1);
	driver.avail[0] = 1; /* no interrupt */
	push(0, 0);
	queue_signal(&queue);
	assert_int_equal(interrupts, 1);

	queue_suppress(&queue);
	assert_int_equal(driver.used[0], 1);
	assert_false(queue_unsuppress(&queue));
	assert_int_equal(driver.used[0], 0);
	chain_of_three(0);
	assert_true(queue_unsuppress(&queue));
}

/* The guest is told when the entry that it named has been passed, however many
 * are given at once and across the wrap of the index. */
static void interrupts_by_event_index(void **unused)
{
	uint16_t given = 0;

	(void)unused;
	setup(VIRTIO_F_EVENT_IDX);
	for (unsigned round = 0; round < 200000; round++) {
		uint16_t ahead = (uint16_t)(random_below(SIZE));
		uint16_t event = (uint16_t)(given + ahead);
		unsigned batch = 1 + (unsigned)random_below(SIZE);

		*driver_used_event(&driver) = event;
		for (unsigned i = 0; i < batch; i++)
			push(0, 0);
		given = (uint16_t)(given + batch);
		interrupts = 0;
		queue_signal(&queue);
		assert_int_equal(interrupts, ahead < batch);
	}
	queue_unsuppress(&queue);
	assert_int_equal(driver_avail_event(&driver), state.next_avail);
}

static void copy_of_state(struct virtqueue_state *saved)
{
	*saved = state;
}

/* dom0 ends at any point; its successor has the state and the guest's memory. */
static void recovers(void **unused)
{
	struct virtqueue_state before;
	uint32_t id, bytes;

	(void)unused;
	/* After the used index was shown, before the state noted it. */
	setup(0);
	chain_of_three(1);
	assert_non_null(queue_pop(&queue));
	copy_of_state(&before);
	push(1, 7);
	state = before;
	queue_stop(&queue);
	assert_null(start(0));
	assert_null(queue_recover(&queue));
	assert_false(in_flight(1));
	assert_int_equal(state.next_used, 1);
	assert_true(driver_used(&driver, &id, &bytes));
	queue_signal(&queue);
	assert_int_equal(interrupts, 1);

	/* After the head was noted in flight, before the index went on. */
	setup(0);
	chain_of_three(1);
	copy_of_state(&before);
	assert_non_null(queue_pop(&queue));
	state.next_avail = before.next_avail;
	queue_stop(&queue);
	assert_null(start(0));
	assert_null(queue_recover(&queue));
	assert_true(in_flight(1));
	assert_null(queue_pop(&queue));
	assert_int_equal(broken, 0);
	assert_non_null(queue_again(&queue, 1));
	push(1, 9);
	assert_true(driver_used(&driver, &id, &bytes));
	assert_int_equal(bytes, 9);

	/* A guest that plays with the used index meanwhile. */
	setup(0);
	driver.used[1] = 1000;
	assert_non_null(queue_recover(&queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_and_gives),    cmocka_unit_test(copies_across_segments),
		cmocka_unit_test(puts_back),          cmocka_unit_test(walks_indirect_tables),
		cmocka_unit_test(hostile_chains),     cmocka_unit_test(hostile_tables),
		cmocka_unit_test(hostile_rings),      cmocka_unit_test(refuses_bad_queues),
		cmocka_unit_test(interrupts_by_flag), cmocka_unit_test(interrupts_by_event_index),
		cmocka_unit_test(recovers),
	};

	return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
