/* SPDX-License-Identifier: BSD-2-Clause */
/* A viewer's messages: each is taken as bytes come, through a buffer of a fixed size. */
#include "guests/dom0/display/rfb.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/display/keys.h"
#include "guests/dom0/display/rfb_part.h"
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/vm/vm.h"

#define VERSION       "RFB 003.008\n"
#define VERSION_BYTES 12u
#define NAME_MOST     (sizeof(((struct vm *)0)->name))
#define CUT_MOST      (1u << 20)

#define SECURITY_NONE     1u
#define SECURITY_PASSWORD 2u
#define SECURITY_FAILED   1u

#define MESSAGE_FORMAT    0u
#define MESSAGE_ENCODINGS 2u
#define MESSAGE_REQUEST   3u
#define MESSAGE_KEY       4u
#define MESSAGE_POINTER   5u
#define MESSAGE_CUT       6u
#define MESSAGE_QEMU      255u
#define QEMU_KEY          0u

/* Bits of a pointer message: buttons from the left, and the wheel as buttons. */
#define POINTER_LEFT    0x01u
#define POINTER_MIDDLE  0x02u
#define POINTER_RIGHT   0x04u
#define POINTER_WHEEL   0x18u
#define POINTER_UP      0x08u
#define POINTER_DOWN    0x10u
#define RELATIVE_CENTRE 0x7fff

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put(struct rfb *rfb, const void *bytes, size_t n)
{
	/* Before an update begins the buffer has room for all that a message is answered with. */
	if (n > rfb_room(rfb))
		return;
	memcpy(rfb->out + rfb->out_used, bytes, n);
	rfb->out_used += (unsigned)n;
	rfb->carrier->output(rfb->context);
}

static void put32(struct rfb *rfb, uint32_t value)
{
	uint8_t wire[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
			   (uint8_t)value};

	put(rfb, wire, sizeof(wire));
}

struct rfb *rfb_new(struct vm *vm, const char *password, const struct rfb_carrier *carrier,
		    void *context)
{
	struct rfb *rfb = calloc(1, sizeof(*rfb));

	if (!rfb)
		return NULL;
	rfb->vm = vm;
	rfb->password = password;
	rfb->carrier = carrier;
	rfb->context = context;
	rfb_format_read(&rfb->format, rfb_format_offered);
	put(rfb, VERSION, VERSION_BYTES);
	return rfb;
}

void rfb_free(struct rfb *rfb)
{
	if (rfb->state == RFB_RUNNING)
		vga_look(rfb->vm, false);
	free(rfb->tile);
	free(rfb);
}

bool rfb_is_running(const struct rfb *rfb)
{
	return rfb->state == RFB_RUNNING;
}

const uint8_t *rfb_output(const struct rfb *rfb, size_t *n)
{
	*n = rfb->out_used - rfb->out_first;
	return rfb->out + rfb->out_first;
}

void rfb_sent(struct rfb *rfb, size_t n)
{
	rfb->out_first += (unsigned)n;
	if (rfb->out_first == rfb->out_used)
		rfb->out_first = rfb->out_used = 0;
}

/* The viewer is to go: no more of it is looked at. */
static bool gone(struct rfb *rfb)
{
	if (rfb->state == RFB_RUNNING)
		vga_look(rfb->vm, false);
	rfb->state = RFB_GONE;
	return false;
}

static bool refuse(struct rfb *rfb, const char *why)
{
	put32(rfb, SECURITY_FAILED);
	put32(rfb, (uint32_t)strlen(why));
	put(rfb, why, strlen(why));
	return gone(rfb);
}

/* --- the way in --- */

static bool version(struct rfb *rfb)
{
	uint8_t types[2] = {1, *rfb->password ? SECURITY_PASSWORD : SECURITY_NONE};

	/* Older ones than 3.7 choose no security themselves. */
	if (memcmp(rfb->in, "RFB 003.00", 10) != 0 || rfb->in[10] < '7' || rfb->in[10] > '9')
		return gone(rfb);
	put(rfb, types, sizeof(types));
	rfb->state = RFB_SECURITY;
	return true;
}

static bool security(struct rfb *rfb)
{
	if (rfb->in[0] != (*rfb->password ? SECURITY_PASSWORD : SECURITY_NONE))
		return gone(rfb);
	if (!*rfb->password) {
		put32(rfb, 0);
		rfb->state = RFB_SHARED;
		return true;
	}
	if (!password_challenge(rfb->challenge)) {
		vm_log(rfb->vm, "VNC: dom0 has no random numbers, so nobody can be asked for a "
				"password (entropy=weak on dom0's command line)");
		return gone(rfb);
	}
	put(rfb, rfb->challenge, RFB_CHALLENGE);
	rfb->state = RFB_RESPONSE;
	return true;
}

static bool response(struct rfb *rfb)
{
	if (!password_is_right(rfb->password, rfb->challenge, rfb->in)) {
		vm_log(rfb->vm, "VNC: a wrong password");
		return refuse(rfb, "the password is wrong");
	}
	put32(rfb, 0);
	rfb->state = RFB_SHARED;
	return true;
}

/* ClientInit and ServerInit. Viewers share the screen, whatever they want. */
static bool shared(struct rfb *rfb)
{
	struct vga_size size = vga_size(rfb->vm);
	uint8_t head[4] = {(uint8_t)(size.width >> 8), (uint8_t)size.width,
			   (uint8_t)(size.height >> 8), (uint8_t)size.height};
	size_t n = strnlen(rfb->vm->name, NAME_MOST);

	if (!rfb_resize(rfb, size))
		return gone(rfb);
	put(rfb, head, sizeof(head));
	put(rfb, rfb_format_offered, RFB_FORMAT_BYTES);
	put32(rfb, (uint32_t)n);
	put(rfb, rfb->vm->name, n);
	rfb->state = RFB_RUNNING;
	vga_look(rfb->vm, true);
	return true;
}

/* --- messages --- */

static void set_encoding(struct rfb *rfb, int32_t encoding)
{
	switch (encoding) {
	case ENCODING_HEXTILE:
		rfb->hextile = true;
		break;
	case ENCODING_SIZE:
		rfb->knows_size = true;
		break;
	case ENCODING_CURSOR:
		rfb->tell_cursor |= !rfb->knows_cursor;
		rfb->knows_cursor = true;
		break;
	case ENCODING_MOTION:
		rfb->tell_motion |= !rfb->knows_motion;
		rfb->knows_motion = true;
		break;
	case ENCODING_KEYS:
		rfb->tell_keys |= !rfb->knows_keys;
		rfb->knows_keys = true;
		break;
	default:
		break;
	}
}

static void pointer(struct rfb *rfb, uint8_t bits, unsigned x, unsigned y)
{
	uint8_t pressed = bits & (uint8_t)~rfb->buttons;
	int wheel = (pressed & POINTER_DOWN ? 1 : 0) - (pressed & POINTER_UP ? 1 : 0);
	unsigned buttons = (bits & POINTER_LEFT ? 1 : 0) | (bits & POINTER_RIGHT ? 2 : 0) |
			   (bits & POINTER_MIDDLE ? 4 : 0);
	int right = 0, down = 0;

	if (rfb->knows_motion && !rfb->tell_motion) {
		right = (int)x - RELATIVE_CENTRE;
		down = (int)y - RELATIVE_CENTRE;
	} else if (rfb->has_pointer) {
		right = (int)x - (int)rfb->x;
		down = (int)y - (int)rfb->y;
	}
	rfb->x = x;
	rfb->y = y;
	rfb->has_pointer = true;
	rfb->buttons = bits;
	i8042_mouse(rfb->vm, right, -down, wheel, buttons);
}

static void key(struct rfb *rfb, unsigned code, bool down)
{
	if (code)
		i8042_key(rfb->vm, code, down);
}

/* How many bytes of the message there have to be before it, or its head, can be done. */
static unsigned wanted(const struct rfb *rfb)
{
	static const uint8_t bytes[] = {
		[MESSAGE_FORMAT] = 20, [MESSAGE_ENCODINGS] = 4, [MESSAGE_REQUEST] = 10,
		[MESSAGE_KEY] = 8,     [MESSAGE_POINTER] = 6,   [MESSAGE_CUT] = 8};

	switch (rfb->state) {
	case RFB_VERSION:
		return VERSION_BYTES;
	case RFB_RESPONSE:
		return RFB_CHALLENGE;
	case RFB_RUNNING:
		if (rfb->encodings)
			return 4;
		if (rfb->in_used && rfb->in[0] < sizeof(bytes) && bytes[rfb->in[0]])
			return bytes[rfb->in[0]];
		return rfb->in_used && rfb->in[0] == MESSAGE_QEMU ? 12 : 1;
	default:
		return 1;
	}
}

static bool cut(struct rfb *rfb)
{
	uint32_t bytes = get32(rfb->in + 4);

	if (bytes > CUT_MOST)
		return gone(rfb);
	rfb->skip = bytes;
	return true;
}

static bool new_format(struct rfb *rfb)
{
	struct vga_size all = rfb->size;

	if (!rfb_format_read(&rfb->format, rfb->in + 4))
		return gone(rfb);
	/* The viewer asks for all of the screen, or has it in the old format. */
	(void)all;
	return true;
}

static bool message(struct rfb *rfb)
{
	const uint8_t *in = rfb->in;

	if (rfb->encodings) {
		rfb->encodings--;
		set_encoding(rfb, (int32_t)get32(in));
		return true;
	}
	switch (in[0]) {
	case MESSAGE_FORMAT:
		return new_format(rfb);
	case MESSAGE_ENCODINGS:
		rfb->encodings = get16(in + 2);
		rfb->hextile = rfb->knows_size = false;
		return true;
	case MESSAGE_REQUEST:
		rfb_request(rfb, !in[1], get16(in + 2), get16(in + 4), get16(in + 6),
			    get16(in + 8));
		return true;
	case MESSAGE_KEY:
		key(rfb, key_of_keysym(get32(in + 4)), in[1]);
		return true;
	case MESSAGE_POINTER:
		pointer(rfb, in[1], get16(in + 2), get16(in + 4));
		return true;
	case MESSAGE_CUT:
		return cut(rfb);
	case MESSAGE_QEMU:
		if (in[1] != QEMU_KEY)
			return gone(rfb);
		key(rfb, get32(in + 8) & 0xff, get16(in + 2));
		return true;
	default:
		return gone(rfb);
	}
}

static bool step(struct rfb *rfb)
{
	switch (rfb->state) {
	case RFB_VERSION:
		return version(rfb);
	case RFB_SECURITY:
		return security(rfb);
	case RFB_RESPONSE:
		return response(rfb);
	case RFB_SHARED:
		return shared(rfb);
	case RFB_RUNNING:
		return message(rfb);
	default:
		return false;
	}
}

bool rfb_input(struct rfb *rfb, const uint8_t *bytes, size_t n)
{
	while (n && rfb->state != RFB_GONE) {
		unsigned bytes_wanted;

		if (rfb->skip) {
			uint32_t part = n < rfb->skip ? (uint32_t)n : rfb->skip;

			rfb->skip -= part;
			bytes += part;
			n -= part;
			continue;
		}
		rfb->in[rfb->in_used++] = *bytes++;
		n--;
		bytes_wanted = wanted(rfb);
		if (rfb->in_used < bytes_wanted)
			continue;
		rfb->in_used = 0;
		/* in[] is still there for the step. */
		if (!step(rfb))
			return false;
	}
	return rfb->state != RFB_GONE;
}
