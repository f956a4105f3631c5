/* SPDX-License-Identifier: BSD-2-Clause */
/* The elements of domain XML that make a screen and what shows it: <video>, <graphics>, <input>. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/parse.h"

#define KIB            1024u
#define MEMORY_LEAST   4096u /* KiB */
#define MEMORY_MOST    65536u
#define MEMORY_DEFAULT 16384u
#define PORT_MOST      65535u

static void input_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"mouse", "keyboard", "tablet", NULL};
	static const char *const buses[] = {"ps2", "usb", "virtio", NULL};
	const char *type = config_choice(p, attributes, "type", types);
	const char *bus = config_choice(p, attributes, "bus", buses);

	p->inputs = true;
	if (!p->failed && type && (!strcmp(type, "tablet") || (bus && strcmp(bus, "ps2") != 0)))
		config_note(p, "a guest with a screen has a PS/2 keyboard and a PS/2 mouse");
}

/* <video> */

static void video_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	if (p->config->video)
		config_fail(p, "more than one screen");
	p->has_target = false;
}

/* The next power of two. */
static uint64_t round_up(uint64_t kib)
{
	uint64_t size = MEMORY_LEAST;

	while (size < kib)
		size *= 2;
	return size * KIB;
}

static void video_model_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"vga", "none",   "bochs", "cirrus",
					    "qxl", "virtio", "vmvga", NULL};
	const char *type = config_choice(p, attributes, "type", types);
	const char *memory = config_attribute(attributes, "vram");
	uint64_t kib = MEMORY_DEFAULT;

	p->has_target = true;
	if (p->failed)
		return;
	if (type && !strcmp(type, "none")) {
		p->no_video = true;
		return;
	}
	if (type && strcmp(type, "vga") != 0 && strcmp(type, "bochs") != 0)
		config_note(p, "the screen is a standard VGA, not '%s'", type);
	else if (memory)
		kib = config_number(p, memory, MEMORY_MOST);
	p->config->video = true;
	p->config->video_memory = round_up(kib);
}

static void video_end(struct config_parser *p, const char *text)
{
	(void)text;
	if (p->has_target || p->config->video)
		return;
	p->config->video = true;
	p->config->video_memory = round_up(MEMORY_DEFAULT);
}

/* <graphics> */

static bool is_address(const char *text)
{
	unsigned a, b, c, d;
	char more;

	/* sscanf itself would pass over blanks and signs. */
	if (strlen(text) >= sizeof(((struct vm_config *)0)->vnc_listen) ||
	    text[strspn(text, "0123456789.")])
		return false;
	return sscanf(text, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &more) == 4 && a < 256 &&
	       b < 256 && c < 256 && d < 256;
}

static void set_listen(struct config_parser *p, const char *address)
{
	struct vm_config *c = p->config;

	if (!address)
		return;
	if (!strcmp(address, "localhost"))
		address = "127.0.0.1";
	if (!is_address(address)) {
		config_fail(p, "'%.32s' is not an IPv4 address", address);
		return;
	}
	memset(c->vnc_listen, 0, sizeof(c->vnc_listen));
	memcpy(c->vnc_listen, address, strlen(address)); /* at most "255.255.255.255" */
}

static void set_port(struct config_parser *p, const char *port)
{
	if (port && strcmp(port, "-1") != 0)
		p->config->vnc_port = (uint16_t)config_number(p, port, PORT_MOST);
}

static void set_password(struct config_parser *p, const char *password)
{
	struct vm_config *c = p->config;

	if (!password)
		return;
	if (strlen(password) > CONFIG_VNC_PASSWORD)
		config_fail(p,
			    "the password is longer than %d characters, of which VNC takes no "
			    "more",
			    CONFIG_VNC_PASSWORD);
	else
		snprintf(c->vnc_password, sizeof(c->vnc_password), "%s", password);
}

static void graphics_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"vnc", NULL};
	const char *given = config_attribute(attributes, "autoport");

	if (!config_choice(p, attributes, "type", types) && !p->failed)
		config_fail(p, "attribute 'type' is missing");
	if (p->failed) {
		config_skip(p);
		return;
	}
	if (p->config->vnc)
		config_fail(p, "more than one VNC server");
	p->config->vnc = true;
	if (!given || strcmp(given, "yes") != 0)
		set_port(p, config_attribute(attributes, "port"));
	set_listen(p, config_attribute(attributes, "listen"));
	set_password(p, config_attribute(attributes, "passwd"));
	if (config_attribute(attributes, "passwdValidTo"))
		config_fail(p, "a password that ends at a time is not supported");
}

static void listen_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"address", "none", NULL};
	const char *type = config_choice(p, attributes, "type", types);

	if (type && !strcmp(type, "none"))
		set_listen(p, "127.0.0.1");
	else
		set_listen(p, config_attribute(attributes, "address"));
}

static void graphics_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	if (!p->config->vnc_listen[0])
		set_listen(p, "0.0.0.0");
	if (config_vnc_is_local(p->config))
		config_note(p,
			    "dom0 has no users of its own: nobody can connect to %s; "
			    "listen='0.0.0.0' lets them",
			    p->config->vnc_listen);
}

void config_check_screen(struct config_parser *p)
{
	struct vm_config *c = p->config;

	if (p->inputs && !c->vnc && !c->video)
		config_note(p, "a guest without a screen has no keyboard and no mouse");
	if (!c->vnc || c->video)
		return;
	if (p->no_video) {
		config_fail(p, "<graphics> needs a screen, and <video> says that there is none");
		return;
	}
	c->video = true;
	c->video_memory = round_up(MEMORY_DEFAULT);
}

#define DEVICES "domain/devices/"

static const struct config_element elements[] = {
	{DEVICES "input", "type bus -model", false, input_start, NULL},
	{DEVICES "video", "", false, video_start, video_end},
	{DEVICES "video/model", "type vram -ram -vram64 -vgamem -heads -primary -blob", false,
	 video_model_start, NULL},
	{DEVICES "graphics",
	 "type port listen passwd passwdValidTo autoport -keymap -sharePolicy -connected "
	 "-websocket -powerControl",
	 false, graphics_start, graphics_end},
	{DEVICES "graphics/listen", "type address -fromConfig -network -socket", false,
	 listen_start, NULL},
};

const struct config_table config_screen_elements = {elements,
						    sizeof(elements) / sizeof(elements[0])};
