/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/queue.c guests/dom0/rpc/client.c guests/dom0/base/slow.c guests/dom0/base/switch.S guests/dom0/rpc/connect.c guests/dom0/rpc/describe.c guests/dom0/rpc/counters.c guests/dom0/rpc/devices.c */
/* sources: guests/dom0/rpc/dispatch.c guests/dom0/rpc/domain.c guests/dom0/rpc/domstats.c guests/dom0/rpc/error.c guests/dom0/rpc/events.c guests/dom0/rpc/life.c guests/dom0/rpc/late.c */
/* sources: guests/dom0/rpc/network.c guests/dom0/rpc/packet.c guests/dom0/rpc/storage.c guests/dom0/rpc/stream.c guests/dom0/rpc/tune.c guests/dom0/rpc/xdr.c */
/* sources: guests/dom0/rpc/snippet.c guests/dom0/rpc/volumes.c guests/dom0/rpc/volume_facts.c guests/dom0/rpc/plans.c guests/dom0/rpc/absent.c guests/dom0/manage/pool_plan.c guests/dom0/rpc/copies.c guests/dom0/storage/copy.c */
/* sources: guests/dom0/rpc/plug.c guests/dom0/manage/attach.c guests/dom0/rpc/screen.c guests/dom0/display/picture.c guests/dom0/display/send_key.c */
/* sources: guests/dom0/manage/documents.c guests/dom0/manage/guest_console.c guests/dom0/manage/nodedev_xml.c guests/dom0/manage/pools.c guests/dom0/manage/tune.c */
/* sources: guests/dom0/config/config.c guests/dom0/config/elements.c guests/dom0/config/devices.c guests/dom0/config/screen.c guests/dom0/config/firmware.c guests/dom0/config/values.c guests/dom0/config/ignored.c guests/dom0/config/metadata.c guests/dom0/config/alias.c guests/dom0/config/absent.c guests/dom0/config/disk.c guests/dom0/config/dump.c */
/* sources: guests/dom0/base/cpuset.c guests/dom0/base/mac.c guests/dom0/base/xml.c guests/dom0/base/timer.c guests/dom0/vm/console.c guests/dom0/vm/watch.c guests/dom0/manage/describe.c guests/dom0/storage/lvm_tag.c guests/dom0/storage/lvm_text.c */
/* libs: expat */
/* fuzz: -max_len=600 */
/*
 * Clients of the server: calls whose arguments have the right form most of the time, raw bytes,
 * ends in the midst, guests that write and end, a volume, and time that passes. What comes back are
 * whole messages, and nobody uses the volume in the end.
 */
#include "tests/fuzz/rpc.h"

#include "guests/dom0/manage/guest_console.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/events.h"
#include "guests/dom0/rpc/procedures.h"
#include "guests/dom0/rpc/stream.h"
#include "tests/fuzz/input.h"

#define PEERS   3u
#define TURNS   200u
#define UNREAD  65535u /* a window of TCP */
#define LONGEST (PACKET_HEADER + CLIENT_REPLY)

/* The other end of a wire. */
struct peer {
	struct wire wire; /* .user is NULL: not connected */
	size_t room;      /* bytes that it takes */
	size_t unread;    /* bytes that the server has and has not consumed */
	uint8_t header[PACKET_HEADER];
	size_t have, left; /* of the message on its way */
};

static struct peer peers[PEERS];

static const uint32_t numbers[] = {
#define NUMBER(number, name, access, function) number,
	PROCEDURES(NUMBER)
#undef NUMBER
#define NUMBER(number, name, what) number,
		UNSUPPORTED(NUMBER)
#undef NUMBER
};

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void check_header(struct peer *peer)
{
	uint32_t length = word(peer->header), type = word(peer->header + 16);

	if (length < PACKET_HEADER || length > LONGEST ||
	    (type != PACKET_REPLY && type != PACKET_EVENT && type != PACKET_STREAM))
		abort();
	peer->left = length - PACKET_HEADER;
}

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct peer *peer = (struct peer *)wire;
	size_t taken = n < peer->room ? n : peer->room;

	peer->room -= taken;
	for (size_t i = 0; i < taken; i++) {
		if (peer->have < PACKET_HEADER) {
			peer->header[peer->have++] = bytes[i];
			if (peer->have == PACKET_HEADER)
				check_header(peer);
		} else {
			peer->left--;
		}
		if (peer->have == PACKET_HEADER && !peer->left)
			peer->have = 0;
	}
	return taken;
}

static void consumed(struct wire *wire, size_t n)
{
	struct peer *peer = (struct peer *)wire;

	if (n > peer->unread)
		abort();
	peer->unread -= n;
}

static void gone(struct wire *wire)
{
	wire->user = NULL;
}

static void connect(struct peer *peer)
{
	*peer = (struct peer){
		.wire = {.peer = "fuzz",
			 .write = write_wire,
			 .consumed = consumed,
			 .close = gone,
			 .abort = gone},
		.room = 4096,
	};
	if (!client_take(&peer->wire))
		peer->wire.user = NULL;
}

static void give(struct peer *peer, const uint8_t *bytes, size_t n)
{
	if (!peer->wire.user || n > UNREAD - peer->unread)
		return;
	peer->unread += n;
	peer->wire.user->received(peer->wire.context, bytes, n);
}

/* `disks`: those complete their requests, too. */
static void settle(bool disks)
{
	for (unsigned i = 0; i < TURNS && (works_run() || (disks && run_transfer())); i++)
		;
}

/* --- calls --- */

static const char description[] = "<domain type='kvm'><name>x</name><memory>4096</memory>"
				  "<os><type>hvm</type><kernel>k</kernel></os></domain>";

static void put_argument(struct xdr_out *out, struct input *in)
{
	struct vm *vm = guests;
	uint8_t raw[16];

	switch (next(in) % 9) {
	case 0:
		xdr_put_u32(out, next(in));
		break;
	case 1:
		xdr_put_u32(out, (uint32_t)next(in) << 24 | next(in));
		break;
	case 2: /* a guest that is there */
		for (unsigned skip = next(in) % guests_most; vm && skip && vm->next; skip--)
			vm = vm->next;
		xdr_put_text(out, vm ? vm->name : "x");
		memset(raw, 0, sizeof(raw));
		xdr_put_fixed(out, vm ? vm->config->uuid : raw, 16);
		xdr_put_u32(out, vm ? vm->id : 0);
		break;
	case 3:
		xdr_put_text(out, description);
		break;
	case 4:
		xdr_put_text(out, next(in) & 1 ? "x" : "computer");
		break;
	case 5:
		xdr_put_u64(out, (uint64_t)next(in) << (next(in) % 64));
		break;
	case 6:
		for (unsigned i = 0; i < sizeof(raw); i++)
			raw[i] = next(in);
		xdr_put_bytes(out, raw, next(in) % sizeof(raw));
		break;
	case 7:
		xdr_put_number(out, "cpu_shares", next(in) % 8, next(in));
		break;
	case 8: /* a part of the volume */
		for (unsigned i = 0; i < 3; i++)
			xdr_put_text(out, "x");
		xdr_put_u64(out, (uint64_t)next(in) * 2048);
		xdr_put_u64(out, (uint64_t)next(in) * 1024);
		xdr_put_u32(out, 0);
		break;
	}
}

static void call(struct peer *peer, struct input *in)
{
	uint8_t number = next(in), kind = next(in), arguments = next(in) % 8;
	struct packet packet = {
		.program = kind & 0x80 ? PACKET_KEEPALIVE : PACKET_REMOTE,
		.version = 1,
		.procedure = kind & 0x80 ? number % 3
			     : kind & 0x40
				     ? number
				     : numbers[number % (sizeof(numbers) / sizeof(numbers[0]))],
		.type = kind & 0x80   ? PACKET_EVENT
			: kind & 0x20 ? PACKET_STREAM
				      : PACKET_CALL,
		.status = kind & 0x20 ? kind % 3 : PACKET_OK,
		.serial = kind >> 2 & 3,
	};
	struct xdr_out out = message_begin();
	size_t cut = next(in) % 64 + 1;

	for (unsigned i = 0; i < arguments; i++)
		put_argument(&out, in);
	if (out.failed)
		abort();
	packet_write(out.bytes, &packet, out.used - PACKET_HEADER);
	for (size_t at = 0; at < out.used; at += cut) {
		give(peer, out.bytes + at, out.used - at < cut ? out.used - at : cut);
		if (cut & 1)
			works_run();
	}
	free(out.bytes);
}

static void raw(struct peer *peer, struct input *in)
{
	uint8_t bytes[64];
	size_t n = next(in) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = next(in);
	give(peer, bytes, n);
}

/* --- the rest of the world --- */

static void guest_writes(struct input *in)
{
	static uint8_t text[1024];

	for (unsigned i = next(in); guests && i; i--)
		vm_console_output(guests, CONSOLE_SERIAL, text, sizeof(text));
}

static void leave(struct peer *peer)
{
	if (!peer->wire.user)
		return;
	peer->wire.user->ended(peer->wire.context);
	peer->wire.user = NULL;
}

static void peer_reads(struct peer *peer, size_t n)
{
	peer->room += n;
	if (peer->wire.user)
		peer->wire.user->room(peer->wire.context);
}

static void time_passes(uint64_t ns)
{
	now_ns += ns;
	guest_room = 16;
	timers_run(now_ns);
}

static void step(struct input *in)
{
	uint8_t what = next(in);
	struct peer *peer = &peers[what / 16 % PEERS];

	switch (what % 16) {
	case 0:
		if (!peer->wire.user)
			connect(peer);
		break;
	case 1:
		leave(peer);
		break;
	case 2:
		raw(peer, in);
		break;
	case 3:
		guest_writes(in);
		break;
	case 4:
		if (guests)
			stop(guests);
		break;
	case 5:
		time_passes((uint64_t)next(in) * 300000000u);
		break;
	case 6:
		peer_reads(peer, (size_t)next(in) * 64);
		break;
	default:
		call(peer, in);
	}
	settle(what & 0x80);
}

static void open_peer(struct peer *peer)
{
	static const struct packet open = {PACKET_REMOTE, 1, 1, PACKET_CALL, 0, PACKET_OK};
	uint8_t bytes[PACKET_HEADER + 8] = {0};

	connect(peer);
	packet_write(bytes, &open, 8);
	give(peer, bytes, sizeof(bytes));
	settle(true);
}

static void start(void)
{
	static bool started;

	if (started)
		return;
	started = true;
	if (!freopen("/dev/null", "w", stdout))
		abort();
	guest_console_start();
	events_start();
	streams_start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	start();
	guest_room = 16;
	open_peer(&peers[0]);
	while (in.size)
		step(&in);
	for (unsigned i = 0; i < PEERS; i++)
		leave(&peers[i]);
	while (works_run() || run_transfer())
		;
	if (client_first() || the_volume.dev.user)
		abort();
	while (guests) {
		stop(guests);
		vm_undefine(guests);
	}
	time_passes(10000000000u);
	return 0;
}
