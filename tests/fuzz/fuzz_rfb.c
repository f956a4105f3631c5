/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/display/rfb.c guests/dom0/display/update.c guests/dom0/display/encode.c guests/dom0/display/keys.c */
/* sources: guests/dom0/display/password.c */
/* libs: mbedtls */
/* fuzz: -max_len=400 -len_control=0 */
/*
 * A hostile viewer: any bytes, taken as slowly as it likes, while the screen changes under it. The
 * first byte says whether a password is asked for, and whether the viewer gets in by the rules.
 */
#include "tests/unit/fake_screen.h"

#define IN_WITHOUT 1u
#define PASSWORD   2u

static void change(uint8_t how)
{
	uint64_t rows[VGA_ROWS] = {0};

	if (how & 1)
		fake_size = (struct vga_size){1u + how % (2 * FAKE_WIDTH),
					      1u + how / 2 % (2 * FAKE_HEIGHT)};
	fake_pixels[how % FAKE_HEIGHT][how] ^= 0xffffff;
	memset(rows, how & 2 ? 0xff : 0, sizeof(rows));
	rows[how / 64] |= 1ull << how % 64;
}

static void take(struct rfb *rfb, size_t most)
{
	size_t n;

	rfb_output(rfb, &n);
	if (n > RFB_OUT)
		abort();
	rfb_sent(rfb, n < most ? n : most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct rfb *rfb;
	uint8_t how;
	size_t left;

	if (!bytes)
		return 0;
	how = *data++;
	bytes--;
	fake_size = (struct vga_size){FAKE_WIDTH, FAKE_HEIGHT};
	rfb = rfb_new(&fake_vm, how & PASSWORD ? "secret" : "", &fake_carrier, NULL);
	if (how & IN_WITHOUT)
		rfb_input(rfb, (const uint8_t *)"RFB 003.008\n\1\1", 14);
	if (how & PASSWORD && rfb_is_running(rfb))
		abort();
	while (bytes) {
		size_t n = 1 + data[0] % 16;

		n = n < bytes ? n : bytes;
		if (!rfb_input(rfb, data, n))
			break;
		change(data[n - 1]);
		rfb_work(rfb);
		take(rfb, (size_t)data[0] * 64);
		data += n;
		bytes -= n;
	}
	/* In the end nothing is left to do for it. */
	for (unsigned turn = 0; rfb_work(rfb); turn++) {
		take(rfb, SIZE_MAX);
		if (turn > 10000)
			abort();
	}
	take(rfb, SIZE_MAX);
	rfb_output(rfb, &left);
	if (left)
		abort();
	rfb_free(rfb);
	if (fake_lookers)
		abort();
	return 0;
}
