/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about guests' screens and keyboards. */
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/display/display.h"
#include "guests/dom0/display/keys.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/vm/vm.h"

static void run_vncdisplay(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	uint16_t port = vm ? display_port(vm) : 0;

	if (!vm)
		return;
	if (!vm->id)
		shell_error("%s", shell_not_running);
	else if (!port)
		shell_error("Failed to get VNC port. Is this domain using VNC?");
	else
		term_printf(":%d\n\n", port - (int)CONFIG_VNC_PORTS);
}

static void run_screentext(const struct args *args)
{
	static char text[VGA_WIDTH / 8 + 1];
	struct vm *vm = shell_domain_of(args);
	unsigned row = 0, n;

	if (!vm)
		return;
	for (; (n = vga_text(vm, row, text)); row++) {
		for (unsigned i = 0; i < n; i++)
			if (text[i] < ' ' || text[i] > '~')
				text[i] = text[i] ? '?' : ' ';
		while (n && text[n - 1] == ' ')
			text[--n] = 0;
		shell_line(text);
	}
	if (!row)
		shell_error("the domain shows no text: it %s",
			    vga_size(vm).width ? "is in a mode of graphics" : "has no screen");
}

static void run_send_key(const struct args *args)
{
	static const struct {
		const char *name;
		enum key_set set;
	} sets[] = {{"linux", KEY_SET_LINUX}, {"xt", KEY_SET_XT}, {"xt_kbd", KEY_SET_XT_KBD}};
	const char *name = args_text(args, "codeset"), *wrong;
	struct vm *vm = shell_domain_of(args);
	uint32_t code[WORDS_MAX], set = KEY_SET_LINUX;
	bool known = !name;

	if (!vm)
		return;
	for (unsigned i = 0; name && i < sizeof(sets) / sizeof(sets[0]); i++)
		if (!strcmp(sets[i].name, name)) {
			set = sets[i].set;
			known = true;
		}
	if (!known) {
		shell_error("unknown codeset: '%s'", name);
		return;
	}
	for (unsigned i = 0; i < args->many_count; i++) {
		code[i] = key_of_name(args->many[i]);
		if (!code[i]) {
			shell_error("invalid keycode: '%s'", args->many[i]);
			return;
		}
	}
	wrong = keys_send(vm, set, code, args->many_count);
	if (wrong)
		shell_error("Requested operation is not valid: %s", wrong);
}

static const struct arg domain_args[] = {ARG_ANY_DOMAIN, ARG_END};
static const struct arg send_key_args[] = {
	ARG_ANY_DOMAIN,
	{"codeset", ARG_TEXT, ARG_NAMED, "the codeset of keycodes, default:linux"},
	{"keycode", ARG_MANY, ARG_REQUIRED, "the key code"},
	ARG_END,
};

const struct shell_command shell_screen_commands[] = {
	{"send-key", SHELL_DOMAIN, COMPLETE_DOMAIN, "Send keycodes to the guest",
	 "Send keycodes (integers or symbolic names) to the guest", send_key_args, run_send_key},
	{"vncdisplay", SHELL_MONITOR, COMPLETE_DOMAIN, "vnc display",
	 "Output the IP address and port number for the VNC display.", domain_args, run_vncdisplay},
	{"screentext", SHELL_SAMPO, COMPLETE_DOMAIN, "the text on a domain's screen",
	 "Print what a screen in a text mode shows.", domain_args, run_screentext},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
