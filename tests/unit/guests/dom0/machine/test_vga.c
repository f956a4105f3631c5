/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/* The VGA as a guest uses it, and what is to be seen on its screen. */
#include "tests/unit/unit.h"

#include "guests/dom0/machine/vga_part.h"
#include "tests/unit/mock_vm.h"

#define FRAME_BYTES (16u << 20)
#define INDEX       0x1ceu
#define DATA        0x1cfu

static uint32_t row[VGA_WIDTH];
static uint64_t rows[VGA_ROWS];

static int power_on(void **state)
{
	(void)state;
	mock_config.video = true;
	mock_config.video_memory = FRAME_BYTES;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	mock_config.video = false;
	return 0;
}

static void seq(uint8_t index, uint8_t value)
{
	out16(0x3c4, (uint16_t)(value << 8 | index));
}

static void graphics(uint8_t index, uint8_t value)
{
	out16(0x3ce, (uint16_t)(value << 8 | index));
}

static void crtc(uint8_t index, uint8_t value)
{
	out16(0x3d4, (uint16_t)(value << 8 | index));
}

static void vbe(uint16_t index, uint16_t value)
{
	out16(INDEX, index);
	out16(DATA, value);
}

static uint16_t vbe_get(uint16_t index)
{
	out16(INDEX, index);
	return in16(DATA);
}

static void colour(uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
	out8(0x3c8, index);
	out8(0x3c9, red);
	out8(0x3c9, green);
	out8(0x3c9, blue);
}

static uint8_t window_read(uint32_t offset)
{
	return (uint8_t)bus_read(&mock_vm, BUS_MMIO, 0xa0000 + offset, 1);
}

static void window_write(uint32_t offset, uint8_t value)
{
	bus_write(&mock_vm, BUS_MMIO, 0xa0000 + offset, 1, value);
}

/* Mode 12h: 640x480 in 16 colours. */
static void mode_12(void)
{
	static const uint8_t registers[] = {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0,
					    0x40, 0,    0,    0,    0,    0,    0,    0xea, 0x0c,
					    0xdf, 0x28, 0,    0xe7, 0x04, 0xe3, 0xff};

	seq(1, 0x01);
	seq(2, 0x0f);
	seq(4, 0x06);
	crtc(0x11, 0);
	for (uint8_t i = 0; i < sizeof(registers); i++)
		crtc(i, registers[i]);
	graphics(5, 0);
	graphics(6, 0x05);
}

/* Mode 13h: 320x200 in 256 colours. */
static void mode_13(void)
{
	static const uint8_t registers[] = {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0,
					    0x41, 0,    0,    0,    0,    0,    0,    0x9c, 0x8e,
					    0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff};

	seq(1, 0x01);
	seq(2, 0x0f);
	seq(4, 0x0e);
	crtc(0x11, 0);
	for (uint8_t i = 0; i < sizeof(registers); i++)
		crtc(i, registers[i]);
	graphics(5, 0x40);
	graphics(6, 0x05);
}

/* What was on the screen before is in the planes still. */
static void clear_planes(void)
{
	memset(((struct vga *)mock_vm.vga)->planar.bytes, 0, VGA_PLANAR_BYTES);
}

static void linear(uint16_t width, uint16_t height, uint16_t bits)
{
	vbe(VBE_ENABLE, 0);
	vbe(VBE_XRES, width);
	vbe(VBE_YRES, height);
	vbe(VBE_BPP, bits);
	vbe(VBE_ENABLE, VBE_ENABLED | 0x40);
}

static uint8_t *frame(void)
{
	return ((struct vga *)mock_vm.vga)->linear.bytes;
}

static uint64_t frame_base(void)
{
	return mock_state.pci.function[mock_state.vga.slot].bar_base[0];
}

static void assert_size(unsigned width, unsigned height)
{
	struct vga_size size = vga_size(&mock_vm);

	assert_int_equal(size.width, width);
	assert_int_equal(size.height, height);
}

/* --- text --- */

static void test_text_after_power_on(void **state)
{
	char text[VGA_WIDTH / 8 + 1];
	uint8_t *cell;

	(void)state;
	assert_size(720, 400);
	cell = mock_reach(0xb8000 + 160 * 3);
	assert_non_null(cell);
	memcpy(cell,
	       "A\x1f"
	       "B\x0c",
	       4);
	assert_int_equal(vga_text(&mock_vm, 3, text), 80);
	assert_memory_equal(text, "AB ", 3);
	assert_int_equal(vga_text(&mock_vm, 25, text), 0);
	/* The third line of an A is ...#.... ; white on blue, and behind it nothing. */
	vga_row(&mock_vm, 3 * 16 + 2, row);
	assert_int_equal(row[3], 0xffffff);
	assert_int_equal(row[0], 0x0000aa);
	assert_int_equal(row[8], 0x0000aa);
	vga_row(&mock_vm, 3 * 16 + 6, row);
	assert_int_equal(row[9], 0);
	assert_int_equal(row[10], 0xff5555);
}

static void test_no_screen(void **state)
{
	(void)state;
	power_off(NULL);
	mock_power_on();
	assert_size(0, 0);
	assert_int_equal(in8(0x3cc), 0xff);
	assert_int_equal(in16(INDEX), 0xffff);
	vga_look(&mock_vm, true);
	mock_config.video = true;
}

static void test_cursor_and_scrolling(void **state)
{
	char text[VGA_WIDTH / 8 + 1];

	(void)state;
	mock_reach(0xb8000)[160] = 'x';
	crtc(0x0d, 80);
	vga_text(&mock_vm, 0, text);
	assert_int_equal(text[0], 'x');
	crtc(0x0f, 81);
	vga_row(&mock_vm, 14, row);
	assert_int_equal(row[9], 0xaaaaaa);
	crtc(0x0a, 0x20);
	vga_row(&mock_vm, 14, row);
	assert_int_equal(row[9], 0);
}

/* --- planes --- */

static void test_write_modes(void **state)
{
	(void)state;
	mode_12();
	clear_planes();
	assert_size(640, 480);
	assert_null(mock_reach(0xa0000));
	/* Mode 0 with a mask of planes and of bits. */
	seq(2, 0x05);
	graphics(8, 0xf0);
	window_read(0);
	window_write(0, 0xff);
	seq(2, 0x0f);
	graphics(8, 0xff);
	for (uint8_t plane = 0; plane < 4; plane++) {
		graphics(4, plane);
		assert_int_equal(window_read(0), plane % 2 ? 0 : 0xf0);
	}
	vga_row(&mock_vm, 0, row);
	assert_int_equal(row[3], 0xaa00aa);
	assert_int_equal(row[4], 0);
	/* Mode 1 copies the latches. */
	graphics(5, 1);
	window_read(0);
	window_write(80, 0x12);
	vga_row(&mock_vm, 1, row);
	assert_int_equal(row[0], 0xaa00aa);
	/* Mode 2: the byte is a colour. */
	graphics(5, 2);
	graphics(8, 0x80);
	window_read(160);
	window_write(160, 0x0e);
	vga_row(&mock_vm, 2, row);
	assert_int_equal(row[0], 0xffff55);
	assert_int_equal(row[1], 0);
	/* Mode 3: the byte is a mask of the colour in set/reset. */
	graphics(5, 3);
	graphics(8, 0xff);
	graphics(0, 0x01);
	window_read(240);
	window_write(240, 0x40);
	vga_row(&mock_vm, 3, row);
	assert_int_equal(row[0], 0);
	assert_int_equal(row[1], 0x0000aa);
	/* Read mode 1 compares colours. */
	graphics(5, 0x08);
	graphics(2, 0x01);
	graphics(7, 0x0f);
	assert_int_equal(window_read(240), 0x40);
}

static void test_logic(void **state)
{
	(void)state;
	mode_12();
	window_write(0, 0xcc);
	graphics(3, 0x18 | 1); /* XOR, one to the right */
	window_read(0);
	window_write(0, 0x01);
	graphics(4, 2);
	assert_int_equal(window_read(0), 0x4c);
}

static void test_unchained(void **state)
{
	(void)state;
	mode_13();
	clear_planes();
	seq(4, 0x06);
	assert_size(320, 200);
	colour(9, 1, 2, 3);
	seq(2, 0x04);
	window_write(80, 9);
	vga_row(&mock_vm, 1, row);
	assert_int_equal(row[2], 0x04080c);
	assert_int_equal(row[1], 0);
}

/* --- pixels that are bytes --- */

static void test_256_colours(void **state)
{
	(void)state;
	mode_13();
	assert_size(320, 200);
	colour(200, 63, 0, 1);
	assert_ptr_equal(mock_reach(0xa0000 + 321), frame() + 321);
	*mock_reach(0xa0000 + 321) = 200;
	vga_row(&mock_vm, 1, row);
	assert_int_equal(row[1], 0xff0004);
	assert_int_equal(row[0], 0);
	/* Beyond the window's 64 KiB nothing answers. */
	assert_int_equal(window_read(0x10000), 0xff);
}

static void test_linear(void **state)
{
	uint32_t pixel = 0x12345678;

	(void)state;
	frame()[0] = 1;
	linear(1024, 768, 32);
	assert_size(1024, 768);
	assert_int_equal(frame()[0], 0);
	assert_ptr_equal(mock_reach(frame_base() + 5), frame() + 5);
	memcpy(frame() + (1024 * 2 + 7) * 4, &pixel, 4);
	vga_row(&mock_vm, 2, row);
	assert_int_equal(row[7], 0x345678);
	vga_row(&mock_vm, 768, row);
	assert_int_equal(row[7], 0);
	vbe(VBE_ENABLE, 0);
	vbe(VBE_ENABLE, VBE_ENABLED | VBE_NO_CLEARING);
	assert_memory_equal(frame() + (1024 * 2 + 7) * 4, &pixel, 4);
}

static void test_depths(void **state)
{
	(void)state;
	linear(640, 400, 16);
	frame()[0] = 0x1f;
	frame()[3] = 0xf8;
	vga_row(&mock_vm, 0, row);
	assert_int_equal(row[0], 0x0000f8);
	assert_int_equal(row[1], 0xf80000);
	linear(640, 400, 15);
	frame()[1] = 0x7c;
	vga_row(&mock_vm, 0, row);
	assert_int_equal(row[0], 0xf80000);
	linear(640, 400, 24);
	memcpy(frame() + 3, "\x03\x02\x01", 3);
	vga_row(&mock_vm, 0, row);
	assert_int_equal(row[1], 0x010203);
	linear(800, 600, 4);
	assert_size(800, 600);
	graphics(5, 2);
	window_write(100, 0x0f);
	vga_row(&mock_vm, 1, row);
	assert_int_equal(row[0], 0xffffff);
}

static void test_virtual_screen(void **state)
{
	(void)state;
	linear(640, 480, 8);
	assert_int_equal(vbe_get(VBE_VIRT_WIDTH), 640);
	vbe(VBE_VIRT_WIDTH, 1024);
	assert_int_equal(vbe_get(VBE_VIRT_HEIGHT), FRAME_BYTES / 1024);
	vbe(VBE_X_OFFSET, 8);
	vbe(VBE_Y_OFFSET, 2);
	colour(5, 63, 63, 63);
	frame()[2 * 1024 + 8] = 5;
	vga_row(&mock_vm, 0, row);
	assert_int_equal(row[0], 0xffffff);
	/* Never beyond the memory. */
	vbe(VBE_Y_OFFSET, 0xffff);
	assert_int_equal(vbe_get(VBE_Y_OFFSET), FRAME_BYTES / 1024 - 480);
	vbe(VBE_X_OFFSET, 0xffff);
	assert_int_equal(vbe_get(VBE_X_OFFSET), 1024 - 640);
	vga_row(&mock_vm, 479, row);
}

static void test_most(void **state)
{
	(void)state;
	vbe(VBE_ENABLE, VBE_GET_MOST);
	assert_int_equal(vbe_get(VBE_XRES), VGA_WIDTH);
	assert_int_equal(vbe_get(VBE_YRES), VGA_HEIGHT);
	assert_int_equal(vbe_get(VBE_MEMORY), FRAME_BYTES >> 16);
	linear(4096, 4096, 32);
	assert_true(vga_size(&mock_vm).width <= VGA_WIDTH);
	linear(VGA_WIDTH, VGA_HEIGHT, 32);
	assert_size(VGA_WIDTH, VGA_HEIGHT);
	vga_row(&mock_vm, VGA_HEIGHT - 1, row);
}

static void test_banks(void **state)
{
	(void)state;
	linear(640, 480, 8);
	vbe(VBE_BANK, 3);
	assert_ptr_equal(mock_reach(0xa0001), frame() + 3 * 65536 + 1);
	vbe(VBE_BANK, FRAME_BYTES >> 16);
	assert_int_equal(vbe_get(VBE_BANK), 3);
}

/* --- the function --- */

static void test_function(void **state)
{
	uint32_t slot = mock_state.vga.slot, address = 0x80000000u | slot << 11;
	uint64_t base = frame_base();

	(void)state;
	assert_int_equal(slot, 1);
	out32(0xcf8, address);
	assert_int_equal(in32(0xcfc), 0x11111234);
	/* BAR 2 has the same registers. */
	out32(0xcf8, address | 0x18);
	write32((in32(0xcfc) & ~15u) + 0x600, 0);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, (in32(0xcfc) & ~15u) + 0x500, 2),
			 VBE_ID_LATEST);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, (in32(0xcfc) & ~15u) + 0x40c, 1), 0x67);
	/* The frame moves, and is where it was no more. */
	out32(0xcf8, address | 0x10);
	out32(0xcfc, 0xd0000000);
	assert_null(mock_reach(base));
	assert_ptr_equal(mock_reach(0xd0000000), frame());
	/* On RAM it is not decoded. */
	out32(0xcfc, 0);
	assert_null(mock_reach(0xd0000000));
}

static void test_rom(void **state)
{
	uint32_t address = 0x80000030u | (uint32_t)mock_state.vga.slot << 11, size;

	(void)state;
	out32(0xcf8, address);
	out32(0xcfc, 0xfffff800);
	size = ~(in32(0xcfc) & ~0x7ffu) + 1;
	assert_int_equal(size, 65536);
	out32(0xcfc, 0xd8000000);
	assert_int_equal(read32(0xd8000000), 0xffffffff);
	out32(0xcfc, 0xd8000001);
	assert_int_equal(read32(0xd8000000) & 0xffff, 0xaa55);
	assert_int_equal(read32(0xd800fffc), 0xffffffff);
	out32(0xcfc, 0xd8000000);
	assert_int_equal(read32(0xd8000000), 0xffffffff);
}

/* The kernel has no room: dom0 does the accesses, and asks again. */
static void test_no_room(void **state)
{
	(void)state;
	mock_seen.no_room = true;
	linear(640, 480, 8);
	assert_null(mock_reach(0xa0000));
	window_write(7, 0x21);
	assert_int_equal(frame()[7], 0x21);
	assert_int_equal(window_read(7), 0x21);
	mock_seen.no_room = false;
	window_read(0);
	assert_ptr_equal(mock_reach(0xa0000), frame());
}

/* --- changes --- */

static unsigned changed_rows(unsigned *first)
{
	unsigned n = 0;

	vga_changes(&mock_vm, rows);
	for (unsigned y = VGA_HEIGHT; y-- > 0;)
		if (rows[y / 64] >> y % 64 & 1) {
			*first = y;
			n++;
		}
	return n;
}

static void test_changes_of_pixels(void **state)
{
	unsigned first = 0;

	(void)state;
	linear(1024, 768, 32);
	vga_look(&mock_vm, true);
	assert_int_equal(changed_rows(&first), 768);
	assert_int_equal(changed_rows(&first), 0);
	mock_seen.written = frame_base() + 4096 * 100;
	mock_seen.is_written = true;
	assert_int_equal(changed_rows(&first), 1);
	assert_int_equal(first, 100);
	/* By the window, too, where it is pixels; and another mode changes all. */
	mock_seen.written = 0xa0000 + 4096;
	mock_seen.is_written = true;
	assert_int_equal(changed_rows(&first), 1);
	assert_int_equal(first, 1);
	vbe(VBE_Y_OFFSET, 1);
	assert_int_equal(changed_rows(&first), 768);
	vga_look(&mock_vm, false);
}

/* Nothing is tracked for nobody, also when the frame moves. */
static void test_nobody_looks(void **state)
{
	(void)state;
	linear(1024, 768, 32);
	out32(0xcf8, 0x80000010u | (uint32_t)mock_state.vga.slot << 11);
	out32(0xcfc, 0xd0000000);
	for (unsigned i = 0; i < MOCK_SHOWN; i++)
		assert_false(mock_seen.shown[i].size && mock_seen.shown[i].tracked);
	vga_look(&mock_vm, true);
	vga_look(&mock_vm, true);
	out32(0xcfc, 0xd1000000);
	vga_changes(&mock_vm, rows);
	vga_look(&mock_vm, false);
	vga_changes(&mock_vm, rows);
	vga_look(&mock_vm, false);
	for (unsigned i = 0; i < MOCK_SHOWN; i++)
		assert_false(mock_seen.shown[i].size && mock_seen.shown[i].tracked);
	assert_int_not_equal(mock_seen.dirty_reads, 0);
}

static void test_changes_of_text(void **state)
{
	unsigned first = 0;

	(void)state;
	vga_look(&mock_vm, true);
	changed_rows(&first);
	assert_int_equal(changed_rows(&first), 0);
	mock_reach(0xb8000)[160 * 3 + 10] = 'x';
	assert_int_equal(changed_rows(&first), 16);
	assert_int_equal(first, 48);
	assert_int_equal(changed_rows(&first), 0);
	/* The cursor goes from the first row to the second. */
	crtc(0x0f, 80);
	assert_int_equal(changed_rows(&first), 32);
	assert_int_equal(first, 0);
	assert_int_equal(changed_rows(&first), 0);
	crtc(0x0d, 80);
	assert_int_equal(changed_rows(&first), 400);
	mode_12();
	changed_rows(&first);
	window_write(0, 1);
	assert_int_equal(changed_rows(&first), 480);
	assert_int_equal(changed_rows(&first), 0);
	vga_look(&mock_vm, false);
}

static void test_reset(void **state)
{
	(void)state;
	linear(1024, 768, 32);
	platform_part.reset(&mock_vm);
	vga_part.reset(&mock_vm);
	assert_size(720, 400);
	assert_non_null(mock_reach(0xb8000));
	assert_int_equal(*mock_reach(0xb8000), ' ');
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, power_on, power_off)
	const struct CMUnitTest tests[] = {
		T(test_text_after_power_on),
		T(test_no_screen),
		T(test_cursor_and_scrolling),
		T(test_write_modes),
		T(test_logic),
		T(test_unchained),
		T(test_256_colours),
		T(test_linear),
		T(test_depths),
		T(test_virtual_screen),
		T(test_most),
		T(test_banks),
		T(test_function),
		T(test_rom),
		T(test_no_room),
		T(test_changes_of_pixels),
		T(test_nobody_looks),
		T(test_changes_of_text),
		T(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
