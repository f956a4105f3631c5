/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/fuzz/fuzz_rpc.c */
/* The server as a whole, with clients that cost memory: it is bounded, and others are served. */
#include "tests/unit/unit.h"

#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/error.h"
#include "guests/dom0/rpc/stream.h"
#include "tests/fuzz/rpc.h"

/* The address sanitizer's count of all that is allocated. */
size_t __sanitizer_get_current_allocated_bytes(void);

#define CAPABILITIES   7u
#define HOSTNAME       59u
#define POOL_BY_NAME   84u
#define OPEN           1u
#define DEFINE         11u
#define SET_PARAMETERS 58u
#define SCREENSHOT     211u
#define SEND_KEY       226u
#define STATS          344u
#define WINDOW         65535u

/* The other end of a wire. */
struct peer {
	struct wire wire; /* .user is NULL: not connected */
	size_t room;      /* bytes that it takes */
	uint8_t got[256]; /* of the last message's beginning */
	size_t have, left;
	unsigned messages;
	size_t all; /* bytes that it got */
};

static struct peer peers[CLIENTS];

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void take(struct peer *peer, uint8_t byte)
{
	if (!peer->left && peer->have >= PACKET_HEADER)
		peer->have = 0;
	if (peer->have < sizeof(peer->got))
		peer->got[peer->have] = byte;
	peer->have++;
	if (peer->have == PACKET_HEADER)
		peer->left = word(peer->got) - PACKET_HEADER;
	else if (peer->have > PACKET_HEADER)
		peer->left--;
	peer->messages += peer->have >= PACKET_HEADER && !peer->left;
}

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct peer *peer = (struct peer *)wire;
	size_t taken = n < peer->room ? n : peer->room;

	peer->room -= taken;
	peer->all += taken;
	for (size_t i = 0; i < taken; i++)
		take(peer, bytes[i]);
	return taken;
}

static void consumed(struct wire *wire, size_t n)
{
	(void)wire;
	(void)n;
}

static void gone(struct wire *wire)
{
	wire->user = NULL;
}

static void settle(void)
{
	while (works_run())
		;
}

static void give(struct peer *peer, const void *bytes, size_t n)
{
	while (n) {
		size_t some = n < WINDOW ? n : WINDOW;

		assert_non_null(peer->wire.user);
		peer->wire.user->received(peer->wire.context, bytes, some);
		settle();
		bytes = (const uint8_t *)bytes + some;
		n -= some;
	}
}

static void header(struct peer *peer, uint32_t procedure, size_t payload)
{
	const struct packet packet = {PACKET_REMOTE, 1, procedure, PACKET_CALL, 7, PACKET_OK};
	uint8_t bytes[PACKET_HEADER];

	packet_write(bytes, &packet, payload);
	give(peer, bytes, sizeof(bytes));
}

static void connect(struct peer *peer, bool open)
{
	static const uint8_t no_name[8];

	*peer = (struct peer){
		.wire = {.peer = "test",
			 .write = write_wire,
			 .consumed = consumed,
			 .close = gone,
			 .abort = gone},
		.room = SIZE_MAX,
	};
	assert_true(client_take(&peer->wire));
	if (!open)
		return;
	header(peer, OPEN, sizeof(no_name));
	give(peer, no_name, sizeof(no_name));
	assert_int_equal(peer->messages, 1);
}

static void leave(struct peer *peer)
{
	if (peer->wire.user)
		peer->wire.user->ended(peer->wire.context);
	peer->wire.user = NULL;
	settle();
}

/* The error's number in the last answer, 0: it is a result. */
static uint32_t error_of_last(const struct peer *peer)
{
	return word(peer->got + 24) ? word(peer->got + PACKET_HEADER) : 0;
}

static void is_served(struct peer *peer)
{
	unsigned before = peer->messages;

	header(peer, HOSTNAME, 0);
	assert_int_equal(peer->messages, before + 1);
	assert_int_equal(error_of_last(peer), 0);
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		leave(&peers[i]);
	assert_null(client_first());
	capabilities = 100;
	return 0;
}

/* All clients begin long calls at the same time, and none ends its own. */
static void test_calls(void **state)
{
	static uint8_t part[256 << 10];
	size_t before, after;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		connect(&peers[i], true);
	before = __sanitizer_get_current_allocated_bytes();
	for (unsigned i = 0; i < CLIENTS; i++)
		header(&peers[i], DEFINE, PACKET_CALL_MOST);
	for (unsigned i = 0; i < CLIENTS; i++)
		give(&peers[i], part, sizeof(part));
	after = __sanitizer_get_current_allocated_bytes();
	assert_true(after - before < CLIENTS_CALLS + (256 << 10));
	/* The last client's call was read over: its end has an error for an answer. */
	give(&peers[CLIENTS - 1], part, PACKET_CALL_MOST - sizeof(part));
	assert_int_equal(error_of_last(&peers[CLIENTS - 1]), ERROR_RPC);
	is_served(&peers[CLIENTS - 1]);
	/* The first one's is there as a whole, and is no description. */
	give(&peers[0], part, PACKET_CALL_MOST - sizeof(part));
	assert_int_equal(error_of_last(&peers[0]), ERROR_CONFIG);
}

/* A client that has not opened sends short calls alone. */
static void test_not_open(void **state)
{
	static uint8_t part[PACKET_CALL_MOST];
	size_t before;

	(void)state;
	connect(&peers[0], false);
	before = __sanitizer_get_current_allocated_bytes();
	header(&peers[0], OPEN, sizeof(part));
	give(&peers[0], part, sizeof(part) - 1);
	assert_true(__sanitizer_get_current_allocated_bytes() - before < 1024);
	give(&peers[0], part, 1);
	assert_int_equal(error_of_last(&peers[0]), ERROR_RPC);
}

/* Clients that ask for long answers and read none: another one is served, by small answers. */
static void test_answers(void **state)
{
	size_t before, after;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		connect(&peers[i], true);
	capabilities = 200000;
	before = __sanitizer_get_current_allocated_bytes();
	for (unsigned i = 1; i < CLIENTS; i++) {
		peers[i].room = 0;
		header(&peers[i], CAPABILITIES, 0);
	}
	after = __sanitizer_get_current_allocated_bytes();
	assert_true(after - before > 3 << 20); /* there are some */
	assert_true(after - before < CLIENTS_QUEUES + (1 << 20));
	is_served(&peers[0]);
	header(&peers[0], CAPABILITIES, 0);
	assert_int_equal(error_of_last(&peers[0]), ERROR_NO_MEMORY);
	for (unsigned i = 1; i < CLIENTS; i++)
		leave(&peers[i]);
	header(&peers[0], CAPABILITIES, 0);
	assert_int_equal(error_of_last(&peers[0]), 0);
}

static void call(struct peer *peer, uint32_t procedure, struct xdr_out *arguments)
{
	header(peer, procedure, arguments->used);
	give(peer, arguments->bytes, arguments->used);
	free(arguments->bytes);
}

static struct vm *make_guest(void)
{
	struct vm_config *config = calloc(1, sizeof(*config));
	struct vm *vm;

	strcpy(config->name, "guest");
	config->vcpus = 1;
	config->weight = 1024;
	config->period = 100000;
	assert_null(vm_define(config, &vm));
	return vm;
}

static void put_guest(struct xdr_out *out, const struct vm *vm)
{
	xdr_put_text(out, vm->name);
	xdr_put_fixed(out, vm->config->uuid, sizeof(vm->config->uuid));
	xdr_put_i32(out, -1);
}

/* A client cannot name the same guest so often that its answer is as long as it likes. */
static void test_names(void **state)
{
	struct vm *vm = make_guest();

	(void)state;
	connect(&peers[0], true);
	for (unsigned n = 1; n <= 2; n++) {
		struct xdr_out out = {.most = 1024};

		xdr_put_u32(&out, n);
		for (unsigned i = 0; i < n; i++)
			put_guest(&out, vm);
		xdr_put_u32(&out, 0);
		xdr_put_u32(&out, 0);
		call(&peers[0], STATS, &out);
		assert_int_equal(error_of_last(&peers[0]), n == 1 ? 0 : ERROR_RPC);
	}
	vm_undefine(vm);
}

/* A long description is parsed in pieces, between which others are served. */
static void test_description(void **state)
{
	static const char begin[] = "<domain type='kvm'><name>long</name><memory>65536</memory>";
	static const char unknown[] = "<x a='1'/>";
	struct xdr_out out = {.most = 300 << 10};
	static char xml[200000];
	size_t n = sizeof(begin) - 1;
	unsigned turns = 0;

	(void)state;
	memcpy(xml, begin, n);
	while (n < sizeof(xml) - sizeof(unknown) - 10) {
		memcpy(xml + n, unknown, sizeof(unknown) - 1);
		n += sizeof(unknown) - 1;
	}
	strcpy(xml + n, "</domain>");
	connect(&peers[0], true);
	connect(&peers[1], true);
	xdr_put_text(&out, xml);
	header(&peers[0], DEFINE, out.used);
	give(&peers[0], out.bytes, WINDOW);
	for (size_t at = WINDOW; at < out.used; at += WINDOW) {
		size_t some = out.used - at < WINDOW ? out.used - at : WINDOW;

		peers[0].wire.user->received(peers[0].wire.context, out.bytes + at, some);
		if (at + WINDOW < out.used)
			settle();
	}
	peers[0].messages = 0;
	tick_ns = 1000;
	for (; works_run() && !peers[0].messages; turns++)
		;
	tick_ns = 0;
	settle();
	assert_true(turns > 50);
	assert_int_equal(error_of_last(&peers[0]), ERROR_CONFIG);
	is_served(&peers[0]);
	/* A client that goes in the midst of it. */
	header(&peers[1], DEFINE, out.used);
	give(&peers[1], out.bytes, WINDOW);
	leave(&peers[1]);
	free(out.bytes);
}

#define MANY 100u

/* Counters of many guests are collected in pieces, between which others are served. A guest that
 * goes meanwhile is left out, unless the client has named it. */
static void test_pieces(void **state)
{
	struct xdr_out out = {.most = 64 << 10};
	struct vm *vm[MANY];
	unsigned turns = 0;

	(void)state;
	guests_most = MANY;
	for (unsigned i = 0; i < MANY; i++) {
		struct vm_config *config = calloc(1, sizeof(*config));

		snprintf(config->name, sizeof(config->name), "guest%u", i);
		memcpy(config->uuid, &i, sizeof(i));
		assert_null(vm_define(config, &vm[i]));
	}
	connect(&peers[0], true);
	connect(&peers[1], true);
	for (unsigned named = 0; named < 2; named++) {
		out = (struct xdr_out){.most = 64 << 10};
		xdr_put_u32(&out, named ? MANY : 0);
		for (unsigned i = 0; i < MANY && named; i++)
			put_guest(&out, vm[i]);
		xdr_put_u32(&out, 0);
		xdr_put_u32(&out, 0);
		header(&peers[0], STATS, out.used);
		peers[0].wire.user->received(peers[0].wire.context, out.bytes, out.used);
		peers[0].messages = 0;
		tick_ns = 30000;
		for (turns = 0; works_run() && !peers[0].messages; turns++) {
			if (turns == 3 && named)
				vm_undefine(vm[50]);
		}
		tick_ns = 0;
		settle();
		assert_true(turns > (named ? 4u : 8u));
		assert_int_equal(error_of_last(&peers[0]), named ? ERROR_NO_DOMAIN : 0);
		if (!named)
			assert_int_equal(word(peers[0].got + PACKET_HEADER), MANY);
		free(out.bytes);
	}
	/* A client that goes in the midst of it. */
	out = (struct xdr_out){.most = 64};
	for (unsigned i = 0; i < 3; i++)
		xdr_put_u32(&out, 0);
	header(&peers[0], STATS, out.used);
	header(&peers[1], STATS, out.used);
	peers[0].wire.user->received(peers[0].wire.context, out.bytes, out.used);
	peers[1].wire.user->received(peers[1].wire.context, out.bytes, out.used);
	free(out.bytes);
	tick_ns = 30000;
	for (unsigned i = 0; i < 3; i++)
		works_run();
	tick_ns = 0;
	leave(&peers[0]);
	settle();
	assert_int_equal(word(peers[1].got + PACKET_HEADER), MANY - 1);
	is_served(&peers[1]);
	for (unsigned i = 0; i < MANY; i++)
		if (i != 50)
			vm_undefine(vm[i]);
	guests_most = 4;
}

/* One parameter that is wrong, or too many of them: none is set. */
static void test_parameters(void **state)
{
	struct vm *vm = make_guest();
	struct xdr_out out = {.most = 4096};

	(void)state;
	connect(&peers[0], true);
	put_guest(&out, vm);
	xdr_put_u32(&out, 2);
	xdr_put_number(&out, "cpu_shares", XDR_ULLONG, 512);
	xdr_put_number(&out, "vcpu_period", XDR_ULLONG, 1);
	call(&peers[0], SET_PARAMETERS, &out);
	assert_int_equal(error_of_last(&peers[0]), ERROR_INVALID_ARG);
	assert_int_equal(vm->config->weight, 1024);
	out = (struct xdr_out){.most = 4096};
	put_guest(&out, vm);
	xdr_put_u32(&out, 17);
	for (unsigned i = 0; i < 17; i++)
		xdr_put_number(&out, "cpu_shares", XDR_ULLONG, 512);
	call(&peers[0], SET_PARAMETERS, &out);
	assert_int_equal(error_of_last(&peers[0]), ERROR_RPC);
	assert_int_equal(vm->config->weight, 1024);
	out = (struct xdr_out){.most = 4096};
	put_guest(&out, vm);
	xdr_put_u32(&out, 1);
	xdr_put_number(&out, "cpu_shares", XDR_ULLONG, 512);
	call(&peers[0], SET_PARAMETERS, &out);
	assert_int_equal(error_of_last(&peers[0]), 0);
	assert_int_equal(vm->config->weight, 512);
	vm_undefine(vm);
}

/* A connection for reading stays one: it is not opened once more. */
static void test_open_twice(void **state)
{
	static const uint8_t for_reading[8] = {[7] = 1}, for_all[8] = {0};

	(void)state;
	connect(&peers[0], false);
	header(&peers[0], OPEN, 8);
	give(&peers[0], for_reading, 8);
	assert_int_equal(error_of_last(&peers[0]), 0);
	header(&peers[0], OPEN, 8);
	give(&peers[0], for_all, 8);
	assert_int_equal(error_of_last(&peers[0]), ERROR_INTERNAL);
	header(&peers[0], DEFINE, 0);
	assert_int_equal(error_of_last(&peers[0]), ERROR_DENIED);
}

/* --- the screen --- */

static struct vm *start_guest(void)
{
	static const char xml[] = "<domain type='sampo'><name>g</name><memory>8192</memory><os>"
				  "<type>hvm</type><kernel>k</kernel></os></domain>";
	static struct config_error wrong;
	struct vm *vm;

	assert_null(vm_define(config_parse("g.xml", xml, strlen(xml), &wrong), &vm));
	assert_null(vm_start(vm));
	return vm;
}

/* A call about the guest with numbers behind it. */
static void call_guest(struct peer *peer, const struct vm *vm, uint32_t procedure,
		       const uint8_t *numbers, size_t count)
{
	uint8_t bytes[256] = {0, 0, 0, 1, 'g'};

	memcpy(bytes + 8, vm->config->uuid, 16);
	for (size_t i = 0; i < count; i++)
		bytes[28 + 4 * i + 3] = numbers[i];
	header(peer, procedure, 28 + 4 * count);
	give(peer, bytes, 28 + 4 * count);
}

/* The picture is whole; a client that takes nothing has a bounded part of it waiting, and the end
 * of the guest or of the client ends it. */
static void test_screenshot(void **state)
{
	static const uint8_t first_screen[2], second_screen[2] = {1};
	const size_t type = 4 + 4 + 24, picture = 15 + 3 * 320 * 200;
	struct vm *vm = start_guest();
	struct peer *peer = &peers[0];
	size_t before, messages;

	(void)state;
	connect(peer, true);
	before = peer->all;
	messages = peer->messages;
	call_guest(peer, vm, SCREENSHOT, first_screen, 2);
	assert_int_equal(peer->have, PACKET_HEADER);
	assert_int_equal(peer->all - before,
			 picture + type + PACKET_HEADER * (peer->messages - messages));
	call_guest(peer, vm, SCREENSHOT, second_screen, 2);
	assert_int_equal(error_of_last(peer), ERROR_INVALID);
	peer->room = 1000;
	before = __sanitizer_get_current_allocated_bytes();
	call_guest(peer, vm, SCREENSHOT, first_screen, 2);
	assert_true(__sanitizer_get_current_allocated_bytes() - before < 128 << 10);
	vm_destroy(vm);
	settle();
	peer->room = SIZE_MAX;
	peer->wire.user->room(peer->wire.context);
	settle();
	assert_int_equal(peer->have, PACKET_HEADER);
	call_guest(peer, vm, SCREENSHOT, first_screen, 2);
	assert_int_equal(error_of_last(peer), ERROR_INVALID);
	is_served(peer);
	vm_undefine(vm);
}

static void test_send_key(void **state)
{
	static const uint8_t keys[] = {0, 0, 3, 29, 56, 111, 0}, none[] = {0, 0, 1, 250, 0};
	static const uint8_t many[] = {0, 0, 17, 1, 1, 1, 1, 1, 1, 1, 1,
				       1, 1, 1,  1, 1, 1, 1, 1, 1, 0};
	struct vm *vm = start_guest();
	struct peer *peer = &peers[0];

	(void)state;
	keys_pressed = 0;
	connect(peer, true);
	call_guest(peer, vm, SEND_KEY, keys, sizeof(keys));
	assert_int_equal(error_of_last(peer), 0);
	assert_int_equal(keys_pressed, 3);
	call_guest(peer, vm, SEND_KEY, none, sizeof(none));
	assert_int_equal(error_of_last(peer), ERROR_INVALID);
	call_guest(peer, vm, SEND_KEY, many, sizeof(many));
	assert_int_not_equal(error_of_last(peer), 0);
	assert_int_equal(keys_pressed, 3);
	vm_destroy(vm);
	vm_undefine(vm);
}

static void pass(uint64_t ns)
{
	now_ns += ns;
	timers_run(now_ns);
	settle();
}

static void ask_for_pool(struct peer *peer)
{
	struct xdr_out out = {.most = 64};

	xdr_put_text(&out, "x");
	call(peer, POOL_BY_NAME, &out);
}

/* A call that needs the pools waits while the disks are read, and so do those behind it; others'
 * do not. After 5 s it is an error. */
static void test_disks(void **state)
{
	(void)state;
	connect(&peers[0], true);
	connect(&peers[1], true);
	disks_are_read = false;
	ask_for_pool(&peers[0]);
	header(&peers[0], HOSTNAME, 0);
	pass(1000000000);
	assert_int_equal(peers[0].messages, 1);
	is_served(&peers[1]);
	disks_are_read = true;
	pass(10000000);
	assert_int_equal(peers[0].messages, 3);
	assert_int_equal(error_of_last(&peers[0]), 0);
	disks_are_read = false;
	ask_for_pool(&peers[0]);
	pass(4000000000u);
	assert_int_equal(peers[0].messages, 3);
	pass(1100000000);
	assert_int_equal(peers[0].messages, 4);
	assert_int_equal(error_of_last(&peers[0]), ERROR_INVALID);
	disks_are_read = true;
	is_served(&peers[0]);
	/* A client may go while it waits. */
	disks_are_read = false;
	ask_for_pool(&peers[0]);
	leave(&peers[0]);
	pass(10000000);
	disks_are_read = true;
	is_served(&peers[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_screenshot, end),
		cmocka_unit_test_teardown(test_send_key, end),
		cmocka_unit_test_teardown(test_calls, end),
		cmocka_unit_test_teardown(test_not_open, end),
		cmocka_unit_test_teardown(test_answers, end),
		cmocka_unit_test_teardown(test_names, end),
		cmocka_unit_test_teardown(test_description, end),
		cmocka_unit_test_teardown(test_pieces, end),
		cmocka_unit_test_teardown(test_parameters, end),
		cmocka_unit_test_teardown(test_open_twice, end),
		cmocka_unit_test_teardown(test_disks, end),
	};

	streams_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
