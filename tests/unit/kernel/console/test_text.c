/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/console/text.c */
/* The text console in VGA memory and in framebuffers. */
#include "kernel/console/text.h"
#include "tests/unit/unit.h"

static struct text text;
static uint8_t *screen;
static size_t screen_size;

void vga_cursor_off(void)
{
}

/* Guards around the memory tell writes outside of it. */
static void new_screen(size_t size)
{
	free(screen);
	screen = malloc(size);
	screen_size = size;
	memset(screen, 0xaa, size);
	memset(&text, 0, sizeof(text));
}

static void vga(void)
{
	new_screen(80 * 25 * 2);
	text_init_vga(&text, screen, 80, 25);
}

static void say(const char *string)
{
	text_write(&text, string, strlen(string));
}

static void assert_line(unsigned row, const char *wanted)
{
	char line[81] = {0};
	size_t end = 80;

	for (unsigned i = 0; i < 80; i++)
		line[i] = (char)screen[(row * 80 + i) * 2];
	while (end && line[end - 1] == ' ')
		line[--end] = 0;
	assert_string_equal(line, wanted);
}

static void test_vga(void **state)
{
	char line[100];

	(void)state;
	vga();
	for (unsigned i = 0; i < 25; i++)
		assert_line(i, "");
	say("hello\nworld\ta\tb\rW\x1b[1;33mx\x07y\x01\xc3z");
	assert_line(0, "hello");
	assert_line(1, "Wxy?z   a       b");
	/* The cursor is the cell in inverse. */
	assert_int_equal(screen[(80 + 5) * 2 + 1], 0x70);
	assert_int_equal(screen[(80 + 4) * 2 + 1], 0x07);
	/* A line of exactly 80 characters wraps when the next one comes. */
	memset(line, 'm', 80);
	line[80] = 0;
	say("\n");
	say(line);
	assert_int_equal(text.row, 2);
	say("\nnext");
	assert_line(3, "next");
	say("\n");
	say(line);
	say("!");
	assert_line(5, "!");
	/* Scrolling. */
	for (unsigned i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "\nline %u", i);
		say(line);
	}
	for (unsigned i = 0; i < 25; i++) {
		snprintf(line, sizeof(line), "line %u", 75 + i);
		assert_line(i, line);
	}
}

static void test_editing(void **state)
{
	(void)state;
	vga();
	say("abcdef\b\b\x1b[K");
	assert_line(0, "abcd");
	say("\x1b[2DX");
	assert_line(0, "abXd");
	say("\x1b[99D\x1b[CY");
	assert_line(0, "aYXd");
	say("\x1b[999C|");
	assert_int_equal(screen[79 * 2], '|');
	say("\x1b[2K\rnew\n2nd\n3rd\x1b[H\x1b[J");
	assert_line(0, "");
	assert_line(2, "");
	say("\b\b\b1");
	assert_line(0, "1");
	say("\n\n\nlow\x1b[2J");
	assert_line(0, "");
	assert_line(3, "");
	say("\x1b[99999999999D!\x1bx\x1b[?25l.");
	assert_line(3, "!.");
}

static void test_noise(void **state)
{
	static const struct {
		uint32_t width, height, bpp, pad;
	} modes[] = {{0, 0, 0, 0},         {640, 480, 32, 0}, {1027, 770, 24, 5},
		     {1920, 1200, 32, 64}, {163, 33, 24, 0},  {4096, 2160, 32, 0}};

	(void)state;
	for (unsigned m = 0; m < 6; m++) {
		char noise[512];

		if (!m) {
			vga();
		} else {
			uint32_t pitch = modes[m].width * modes[m].bpp / 8 + modes[m].pad;

			new_screen((size_t)pitch * modes[m].height);
			assert_true(text_init_framebuffer(&text, screen, pitch, modes[m].width,
							  modes[m].height, modes[m].bpp));
		}
		for (unsigned i = 0; i < 100; i++) {
			for (unsigned j = 0; j < sizeof(noise); j++) {
				static const char often[] = "\n\r\b\t\x1b[[[0123456789;;CDHJK ";

				noise[j] = random_below(2) ? (char)random64()
							   : often[random_below(sizeof(often))];
			}
			text_write(&text, noise, 1 + random_below(sizeof(noise)));
			assert_in_range(text.row, 0, text.rows - 1);
			assert_in_range(text.column, 0, text.columns);
		}
	}
}

/* What a framebuffer shows is what is in the cells. */
static void test_framebuffer(void **state)
{
	uint32_t pitch = 320 * 4, lit = 0;

	(void)state;
	new_screen(pitch * 64);
	assert_false(text_init_framebuffer(&text, screen, pitch, 320, 64, 16));
	assert_false(text_init_framebuffer(&text, screen, pitch, 100, 64, 32));
	say("not yet");
	assert_int_equal(screen[0], 0xaa);
	assert_true(text_init_framebuffer(&text, screen, pitch, 320, 64, 32));
	assert_int_equal(text.columns, 40);
	assert_int_equal(text.rows, 4);
	for (size_t i = 0; i < screen_size; i++)
		assert_int_equal(screen[i], 0);
	say("scrolled away\nA\nB\nC\n~");
	for (unsigned y = 0; y < 16; y++)
		for (unsigned x = 0; x < 8; x++)
			lit += screen[y * pitch + x * 4] != 0;
	assert_in_range(lit, 20, 60);
}

static void test_again(void **state)
{
	uint8_t *other = malloc(1280 * 64);

	(void)state;
	new_screen(1280 * 64);
	text_init_framebuffer(&text, screen, 1280, 320, 64, 32);
	say("one\ntwo\nthree\nfour\nfive");
	memset(other, 0x55, 1280 * 64);
	text_init_framebuffer(&text, other, 1280, 320, 64, 32);
	say("");
	assert_memory_equal(screen, other, 1280 * 64);
	say(" and more");
	assert_memory_not_equal(screen, other, 1280 * 64);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vga),         cmocka_unit_test(test_editing),
		cmocka_unit_test(test_framebuffer), cmocka_unit_test(test_again),
		cmocka_unit_test(test_noise),
	};
	int failed = cmocka_run_group_tests_name("text", tests, NULL, NULL);

	free(screen);
	return failed;
}
