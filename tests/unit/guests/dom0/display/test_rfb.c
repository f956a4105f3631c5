/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/display/rfb.c guests/dom0/display/update.c guests/dom0/display/encode.c guests/dom0/display/keys.c */
/* sources: guests/dom0/display/password.c */
/* libs: mbedtls */
/* A viewer of a screen: what it says, and the picture that it has in the end. */
#include "tests/unit/unit.h"

#include <mbedtls/des.h>

#include "guests/dom0/display/encode.h"
#include "guests/dom0/display/keys.h"
#include "guests/dom0/display/rfb_part.h"
#include "tests/unit/fake_screen.h"

static struct rfb *rfb;
static uint8_t got[1 << 20];
static size_t got_used, got_read;
static uint32_t seen[2 * FAKE_HEIGHT][2 * FAKE_WIDTH]; /* the viewer's picture */
static struct rfb_format format;

/* --- the viewer --- */

static bool say(const void *bytes, size_t n)
{
	return rfb_input(rfb, bytes, n);
}

#define SAY(...) say((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Takes what the server has, as far as `most` bytes. */
static void take(size_t most)
{
	size_t n;
	const uint8_t *bytes = rfb_output(rfb, &n);

	n = n < most ? n : most;
	assert_true(got_used + n <= sizeof(got));
	memcpy(got + got_used, bytes, n);
	got_used += n;
	rfb_sent(rfb, n);
}

static void work(void)
{
	size_t n;

	do {
		bool more = rfb_work(rfb);

		rfb_output(rfb, &n);
		take(SIZE_MAX);
		if (!more && !n)
			break;
	} while (true);
}

static const uint8_t *next(size_t n)
{
	const uint8_t *at = got + got_read;

	assert_true(got_read + n <= got_used);
	got_read += n;
	return at;
}

static unsigned next16(void)
{
	const uint8_t *at = next(2);

	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t next32(void)
{
	uint32_t high = next16();

	return high << 16 | next16();
}

static uint32_t next_pixel(void)
{
	uint32_t value = 0;

	memcpy(&value, next(format.bytes), format.bytes);
	return value;
}

static void see(unsigned x, unsigned y, unsigned width, unsigned height, uint32_t pixel)
{
	for (unsigned i = 0; i < height; i++)
		for (unsigned j = 0; j < width; j++)
			seen[y + i][x + j] = pixel;
}

static void see_hextile(unsigned x0, unsigned y0, unsigned width, unsigned height)
{
	uint32_t back = 0, front = 0;

	for (unsigned y = y0; y < y0 + height; y += 16)
		for (unsigned x = x0; x < x0 + width; x += 16) {
			unsigned w = x0 + width - x < 16 ? x0 + width - x : 16;
			unsigned h = y0 + height - y < 16 ? y0 + height - y : 16;
			uint8_t kind = *next(1);

			if (kind & 1) {
				for (unsigned i = 0; i < w * h; i++)
					seen[y + i / w][x + i % w] = next_pixel();
				continue;
			}
			if (kind & 2)
				back = next_pixel();
			if (kind & 4)
				front = next_pixel();
			see(x, y, w, h, back);
			for (unsigned n = kind & 8 ? *next(1) : 0; n; n--) {
				uint32_t colour = kind & 16 ? next_pixel() : front;
				const uint8_t *at = next(2);

				see(x + (at[0] >> 4), y + (at[0] & 15), (at[1] >> 4) + 1u,
				    (at[1] & 15) + 1u, colour);
			}
		}
}

/* Reads an update. Returns how many rectangles it has. */
static unsigned read_update(void)
{
	unsigned count, i;

	assert_int_equal(*next(1), 0);
	next(1);
	count = next16();
	for (i = 0; i < count; i++) {
		unsigned x = next16(), y = next16(), w = next16(), h = next16();
		int32_t encoding = (int32_t)next32();

		if (encoding == 0)
			for (unsigned p = 0; p < w * h; p++)
				seen[y + p / w][x + p % w] = next_pixel();
		else if (encoding == 5)
			see_hextile(x, y, w, h);
		else if (encoding == -239)
			next(w * h * format.bytes + (w + 7) / 8 * h);
	}
	return count;
}

/* The same, of one that is all that has come. */
static unsigned update(void)
{
	unsigned count = read_update();

	assert_int_equal(got_read, got_used);
	return count;
}

static void request(bool incremental)
{
	assert_true(SAY(3, incremental, 0, 0, 0, 0, 0, FAKE_WIDTH, 0, FAKE_HEIGHT));
}

static void assert_same(void)
{
	for (unsigned y = 0; y < fake_size.height; y++)
		for (unsigned x = 0; x < fake_size.width; x++)
			if (seen[y][x] != fake_pixels[y][x])
				fail_msg("%u, %u: %x, not %x", x, y, seen[y][x], fake_pixels[y][x]);
}

static void changed(unsigned row)
{
	uint64_t rows[VGA_ROWS] = {0};

	rows[row / 64] |= 1ull << row % 64;
	rfb_changed(rfb, rows);
}

static void fill(void)
{
	uint32_t sum = 1;

	for (unsigned y = 0; y < 2 * FAKE_HEIGHT; y++)
		for (unsigned x = 0; x < 2 * FAKE_WIDTH; x++) {
			sum = sum * 1103515245u + 12345;
			/* Tiles of one colour, of two, of a few and of many. */
			switch ((x / 16 + y / 16) % 4) {
			case 0:
				fake_pixels[y][x] = 0x102030;
				break;
			case 1:
				fake_pixels[y][x] = x % 5 ? 0xffffff : 0;
				break;
			case 2:
				fake_pixels[y][x] = 0x010101 * (x % 16 / 4);
				break;
			default:
				fake_pixels[y][x] = sum >> 8;
			}
		}
}

static void begin(const char *password)
{
	got_used = got_read = 0;
	memset(seen, 0xee, sizeof(seen));
	rfb_format_read(&format, rfb_format_offered);
	rfb = rfb_new(&fake_vm, password, &fake_carrier, NULL);
	assert_non_null(rfb);
	take(SIZE_MAX);
	assert_memory_equal(next(12), "RFB 003.008\n", 12);
	assert_true(say("RFB 003.008\n", 12));
	take(SIZE_MAX);
	assert_int_equal(*next(1), 1);
	assert_int_equal(*next(1), *password ? 2 : 1);
}

static int set_up(void **state)
{
	(void)state;
	fake_size = (struct vga_size){FAKE_WIDTH, FAKE_HEIGHT};
	fake_no_random = false;
	fill();
	begin("");
	assert_true(SAY(1));
	take(SIZE_MAX);
	assert_int_equal(next32(), 0);
	assert_false(rfb_is_running(rfb));
	assert_true(SAY(0));
	take(SIZE_MAX);
	assert_int_equal(next16(), FAKE_WIDTH);
	assert_int_equal(next16(), FAKE_HEIGHT);
	next(16);
	assert_int_equal(next32(), 5);
	assert_memory_equal(next(5), "guest", 5);
	assert_true(rfb_is_running(rfb));
	assert_int_equal(fake_lookers, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (rfb)
		rfb_free(rfb);
	rfb = NULL;
	assert_int_equal(fake_lookers, 0);
	return 0;
}

/* --- pictures --- */

static void test_raw(void **state)
{
	(void)state;
	request(false);
	work();
	assert_true(update() > 0);
	assert_same();
}

static void test_hextile(void **state)
{
	size_t raw;

	(void)state;
	request(false);
	work();
	raw = got_used;
	update();
	assert_true(SAY(2, 0, 0, 1, 0, 0, 0, 5));
	memset(seen, 0xee, sizeof(seen));
	got_used = got_read = 0;
	request(false);
	work();
	assert_true(got_used < raw * 2 / 3);
	update();
	assert_same();
}

/* An update has the tiles that differ, and no update is sent for nothing. */
static void test_incremental(void **state)
{
	(void)state;
	request(false);
	work();
	update();
	request(true);
	work();
	assert_int_equal(got_used, got_read);
	changed(20);
	work();
	assert_int_equal(got_used, got_read);
	fake_pixels[20][40] ^= 0xff;
	changed(20);
	work();
	assert_int_equal(update(), 1);
	assert_same();
	/* Without a request nothing comes. */
	fake_pixels[20][40] ^= 0xff;
	changed(20);
	work();
	assert_int_equal(got_used, got_read);
	request(true);
	work();
	assert_int_equal(update(), 1);
	assert_same();
}

/* A viewer that takes nothing gets a bounded amount, and later the picture as it is then. */
static void test_slow(void **state)
{
	size_t n;

	(void)state;
	request(false);
	for (unsigned i = 0; i < 1000; i++) {
		rfb_work(rfb);
		rfb_output(rfb, &n);
		assert_true(n <= RFB_OUT);
		fake_pixels[i % FAKE_HEIGHT][i % FAKE_WIDTH] = i;
		changed(i % FAKE_HEIGHT);
		assert_true(SAY(3, 1, 0, 0, 0, 0, 0, FAKE_WIDTH, 0, FAKE_HEIGHT));
	}
	work();
	while (got_read < got_used)
		read_update();
	assert_same();
}

/* In pieces of a byte. */
static void test_trickle(void **state)
{
	size_t n;

	(void)state;
	request(false);
	do {
		rfb_work(rfb);
		take(1);
		rfb_output(rfb, &n);
	} while (n || rfb_work(rfb));
	update();
	assert_same();
}

static void test_formats(void **state)
{
	static const uint8_t rgb565[] = {0, 0,  0, 0,  16, 16, 0, 1, 0, 31,
					 0, 63, 0, 31, 11, 5,  0, 0, 0, 0};
	static const uint8_t rgb332_big[] = {0, 0, 0, 0, 8, 8, 1, 1, 0, 7,
					     0, 7, 0, 3, 0, 3, 6, 0, 0, 0};
	static const uint8_t big[] = {0, 0,   0, 0,   32, 24, 1, 1, 0, 255,
				      0, 255, 0, 255, 16, 8,  0, 0, 0, 0};

	(void)state;
	fake_pixels[0][0] = 0xff8010;
	assert_true(say(rgb565, sizeof(rgb565)));
	rfb_format_read(&format, rgb565 + 4);
	request(false);
	work();
	update();
	assert_int_equal(seen[0][0], 31 << 11 | 32 << 5 | 2);
	assert_true(say(rgb332_big, sizeof(rgb332_big)));
	rfb_format_read(&format, rgb332_big + 4);
	request(false);
	work();
	update();
	assert_int_equal(seen[0][0], 7 | 4 << 3 | 0 << 6);
	assert_true(say(big, sizeof(big)));
	rfb_format_read(&format, big + 4);
	request(false);
	work();
	update();
	assert_int_equal(seen[0][0], 0x1080ff00);
}

static void test_new_size(void **state)
{
	(void)state;
	assert_true(SAY(2, 0, 0, 1, 0xff, 0xff, 0xff, 0x21));
	request(false);
	work();
	update();
	fake_size = (struct vga_size){2 * FAKE_WIDTH, 2 * FAKE_HEIGHT};
	changed(0);
	request(true);
	work();
	assert_int_equal(update(), 1);
	assert_true(SAY(3, 0, 0, 0, 0, 0, 2 * FAKE_WIDTH >> 8, 2 * FAKE_WIDTH & 0xff, 0,
			2 * FAKE_HEIGHT));
	work();
	update();
	assert_same();
}

/* A viewer that does not know of sizes has its own, of which a part is black. */
static void test_old_size(void **state)
{
	(void)state;
	fake_size = (struct vga_size){FAKE_WIDTH / 2, FAKE_HEIGHT / 2};
	request(false);
	work();
	update();
	assert_same();
	assert_int_equal(seen[0][FAKE_WIDTH - 1], 0);
	assert_int_equal(seen[FAKE_HEIGHT - 1][0], 0);
}

/* --- input --- */

static void test_keys(void **state)
{
	(void)state;
	assert_true(SAY(4, 1, 0, 0, 0, 0, 0, 'A'));
	assert_int_equal(fake_key, 0x1e);
	assert_true(SAY(4, 0, 0, 0, 0, 0, 0xff, 0x52));
	assert_int_equal(fake_key, 0x100 | I8042_EXTENDED | 0x48);
	fake_keys = 0;
	assert_true(SAY(4, 1, 0, 0, 0, 0, 0x12, 0x34));
	assert_int_equal(fake_keys, 0);
	/* QEMU's message has the key itself. */
	assert_true(SAY(255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x9d));
	assert_int_equal(fake_key, I8042_EXTENDED | 0x1d);
	assert_int_equal(key_of_keysym('\\'), 0x2b);
	assert_int_equal(key_of_keysym('?'), 0x35);
	assert_int_equal(key_of_keysym(0xffc9), 0x58);
	assert_int_equal(key_of_keysym(0x1000000), 0);
}

static void test_pointer(void **state)
{
	(void)state;
	assert_true(SAY(5, 0, 0, 10, 0, 20));
	assert_int_equal(fake_x, 0);
	assert_true(SAY(5, 5, 0, 13, 0, 18));
	assert_int_equal(fake_x, 3);
	assert_int_equal(fake_y, 2);
	assert_int_equal(fake_buttons, 3);
	assert_true(SAY(5, 0x10, 0, 13, 0, 18));
	assert_int_equal(fake_wheel, 1);
	/* Motion by itself, from when the viewer has been told of it. */
	assert_true(SAY(2, 0, 0, 2, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xfe));
	request(true);
	work();
	assert_int_equal(update(), 2);
	assert_true(SAY(5, 0, 0x80, 0x04, 0x7f, 0xfe));
	assert_int_equal(fake_x, 5);
	assert_int_equal(fake_y, 1);
}

static void test_nonsense(void **state)
{
	static const uint8_t fatal[][20] = {
		{1},                              /* no such message */
		{0, 0, 0, 0, 32, 24, 0, 0},       /* a table of colours */
		{0, 0, 0, 0, 24, 24, 0, 1},       /* pixels of three bytes */
		{0, 0, 0, 0, 8, 8, 0, 1, 1, 255}, /* parts that do not fit */
		{0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 255, 255, 255},
		{6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}, /* a long text */
		{255, 9},                             /* not of QEMU's */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		assert_false(say(fatal[i], sizeof(fatal[i])));
		assert_false(SAY(3, 0));
		assert_int_equal(fake_lookers, 0);
		tear_down(NULL);
		set_up(NULL);
	}
	/* Texts are passed over. */
	assert_true(SAY(6, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3));
	request(false);
	work();
	update();
	assert_same();
	/* A part of the screen that is not there. */
	assert_true(SAY(3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
	work();
}

/* --- the way in --- */

static void test_password(void **state)
{
	uint8_t challenge[16], response[16], key[8] = {0};
	mbedtls_des_context des;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned bit = 0; bit < 8; bit++)
			key[i] |= (uint8_t)(("secret"[i] >> bit & 1) << (7 - bit));
	for (unsigned wrong = 0; wrong < 2; wrong++) {
		tear_down(NULL);
		begin("secret");
		assert_true(SAY(2));
		take(SIZE_MAX);
		memcpy(challenge, next(16), 16);
		mbedtls_des_init(&des);
		mbedtls_des_setkey_enc(&des, key);
		mbedtls_des_crypt_ecb(&des, challenge, response);
		mbedtls_des_crypt_ecb(&des, challenge + 8, response + 8);
		response[15] ^= (uint8_t)wrong;
		assert_int_equal(say(response, 16), !wrong);
		take(SIZE_MAX);
		assert_int_equal(next32(), wrong);
	}
	/* Nobody gets in without being asked for it. */
	tear_down(NULL);
	begin("secret");
	assert_false(SAY(1));
	tear_down(NULL);
	fake_no_random = true;
	begin("secret");
	assert_false(SAY(2));
}

static void test_versions(void **state)
{
	static const char *const wrong[] = {"RFB 003.003\n", "RFB 004.001\n", "GET / HTTP/1."};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		tear_down(NULL);
		rfb = rfb_new(&fake_vm, "", &fake_carrier, NULL);
		assert_false(say(wrong[i], 12));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_raw),      T(test_hextile), T(test_incremental), T(test_slow),
		T(test_trickle),  T(test_formats), T(test_new_size),    T(test_old_size),
		T(test_keys),     T(test_pointer), T(test_nonsense),    T(test_password),
		T(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
