/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs about keys and names of libvirt's clients, and about the CAs of servers. A new client's
 * key is shown here once, on the operator's console, and nowhere else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/manage/access.h"
#include "guests/dom0/manage/authorities.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/shell/download.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/tls/keys.h"
#include "guests/dom0/tls/random.h"
#include "guests/dom0/tls/servers.h"

#define LOOK_NS 5000000u

static bool has_ended;

/* The files that virsh reads from the folder of ?pkipath=. */
static void print_file(const char *name, const char *text)
{
	term_printf("%s:\n%s", name, text);
}

static void ended(const char *wrong, const struct key_pair *ca, const struct key_pair *client)
{
	has_ended = true;
	if (wrong) {
		shell_failure(wrong, "Failed to change the access by TLS");
		return;
	}
	if (client) {
		print_file("cacert.pem", ca->certificate);
		print_file("clientcert.pem", client->certificate);
		print_file("clientkey.pem", client->key);
	}
	term_printf("%s\n\n", client ? "Keep these three texts as files of these names: the key is "
				       "not shown again."
				     : "Access by TLS changed");
}

/* ^C gives the shell back; the change goes on, and its end is printed. */
static bool wait_for_end(bool cancel)
{
	if (cancel)
		term_printf("The change goes on.\n");
	return !cancel && !has_ended;
}

static void wait(const char *wrong)
{
	if (wrong)
		shell_failure(wrong, "Failed to change the access by TLS");
	else if (!has_ended)
		shell_job(wait_for_end, LOOK_NS);
}

/* By default clients call the machine by its name and its address of this moment. */
static const char *hosts_of(const struct args *args)
{
	static char hosts[KEYS_HOSTS];
	const char *given = args_text(args, "hosts");
	struct stack_status status;
	const uint8_t *a = (const uint8_t *)&status.address;

	if (given)
		return given;
	stack_status(&status);
	snprintf(hosts, sizeof(hosts), "%s", stack_name());
	if (status.enabled && status.address)
		snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts), ",%u.%u.%u.%u", a[0],
			 a[1], a[2], a[3]);
	return hosts;
}

static void run_tls_setup(const struct args *args)
{
	has_ended = false;
	wait(access_set_up(hosts_of(args), ended));
}

static void run_tls_server(const struct args *args)
{
	has_ended = false;
	wait(access_serve(hosts_of(args), ended));
}

static enum right right_of(const struct args *args)
{
	return args_flag(args, "readonly") ? RIGHT_READ : RIGHT_WRITE;
}

static void run_tls_client(const struct args *args)
{
	has_ended = false;
	wait(access_add_client(args_text(args, "name"), right_of(args), ended));
}

static void run_tls_allow(const struct args *args)
{
	has_ended = false;
	wait(access_list(args_text(args, "name"), right_of(args), ended));
}

static void run_tls_deny(const struct args *args)
{
	has_ended = false;
	wait(access_list(args_text(args, "name"), RIGHT_NONE, ended));
}

/* --- servers that dom0 asks by https --- */

static void authorities_changed(const char *wrong)
{
	has_ended = true;
	if (wrong)
		shell_failure(wrong, "Failed to change the trusted CAs");
	else
		term_printf("Trusted CAs changed\n\n");
}

/* Returns true if the end has yet to come, for which a job waits. */
static bool trust_text(const char *from, const char *text, size_t bytes)
{
	const char *wrong;

	(void)from;
	(void)bytes;
	has_ended = false;
	wrong = authorities_set(text, authorities_changed);
	if (wrong)
		shell_failure(wrong, "Failed to change the trusted CAs");
	else if (!has_ended)
		shell_job(wait_for_end, LOOK_NS);
	return !wrong && !has_ended;
}

/* The file came with the machine's boot; its bytes have no zero behind them. */
static void trust_file(const char *name)
{
	struct module module;
	const char *wrong;
	char *text;

	if (!module_find(name, &module)) {
		shell_error("Failed to open file '%s': No such file or directory", name);
		return;
	}
	wrong = sums_check(&module);
	if (!wrong && module.size > SERVERS_TEXT)
		wrong = "the certificates are larger than 256 KiB";
	text = wrong ? NULL : strndup((const char *)module.data, module.size);
	if (!wrong && !text)
		wrong = "dom0 is out of memory";
	if (wrong)
		shell_failure(wrong, "Failed to read %s", name);
	else
		trust_text(name, text, module.size);
	free(text);
}

static void run_tls_trust(const struct args *args)
{
	const char *from = args_text(args, "file-or-url");
	struct download order = {
		.url = from,
		.sha256 = args_text(args, "sha256"),
		.most = SERVERS_TEXT,
		.what = "the file",
		.fault = "Failed to read",
		.use = trust_text,
	};

	if (args_flag(args, "none") == (from != NULL))
		shell_error("a file, a URL or --none is needed");
	else if (!from)
		trust_text("", "", 0);
	else if (!strstr(from, "://"))
		trust_file(from);
	else if (!order.sha256 && strncasecmp(from, "https://", 8) != 0)
		shell_failure("anybody on the way can change it: --sha256 or https is needed",
			      "Failed to read %s", from);
	else
		shell_download(&order);
}

static void print_authorities(void)
{
	char name[NAME_BYTES];

	for (unsigned n = 0; servers_ca(n, name); n++)
		term_printf("%s%s\n", n ? "                " : "CAs of https:   ", name);
}

static void run_tls_info(const struct args *args)
{
	const char *why, *list = access_names(&why);

	(void)args;
	print_authorities();
	if (!list) {
		term_printf("TLS:            off: %s\n", why);
		return;
	}
	term_printf("TLS:            on\n"
		    "Entropy:        %s\n",
		    tls_random_sources());
	if (access_untimely())
		term_printf("Warning:        the server's certificate %s\n", access_untimely());
	term_printf("Names:\n%s", list);
}

static const struct arg hosts_args[] = {
	{"hosts", ARG_TEXT, ARG_OPTIONAL,
	 "names and addresses of this machine that clients use, with commas"},
	ARG_END,
};

static const struct arg client_args[] = {
	{"name", ARG_TEXT, ARG_REQUIRED, "name of the client"},
	{"readonly", ARG_FLAG, ARG_OPTIONAL, "the client may change nothing"},
	ARG_END,
};

static const struct arg allow_args[] = {
	{"name", ARG_TEXT, ARG_REQUIRED, "name of a certificate, with * and ?"},
	{"readonly", ARG_FLAG, ARG_OPTIONAL, "its clients may change nothing"},
	ARG_END,
};

static const struct arg deny_args[] = {
	{"name", ARG_TEXT, ARG_REQUIRED, "name as in the list"},
	ARG_END,
};

static const struct arg trust_args[] = {
	{"file-or-url", ARG_TEXT, ARG_OPTIONAL,
	 "the CAs' certificates in PEM: a file of the boot medium, or a URL"},
	{"sha256", ARG_TEXT, ARG_NAMED, "the SHA-256 that the file of the URL must have"},
	{"none", ARG_FLAG, ARG_OPTIONAL, "trust no CA any more"},
	ARG_END,
};

const struct shell_command shell_tls_commands[] = {
	{"tls-allow", SHELL_SAMPO, COMPLETE_NONE, "let clients with this name in", NULL, allow_args,
	 run_tls_allow},
	{"tls-client", SHELL_SAMPO, COMPLETE_NONE, "make one client's certificate and key", NULL,
	 client_args, run_tls_client},
	{"tls-deny", SHELL_SAMPO, COMPLETE_NONE, "take a name away from the list", NULL, deny_args,
	 run_tls_deny},
	{"tls-info", SHELL_SAMPO, COMPLETE_NONE, "which clients are let in by TLS", NULL,
	 shell_no_args, run_tls_info},
	{"tls-server", SHELL_SAMPO, COMPLETE_NONE, "make the server's certificate anew", NULL,
	 hosts_args, run_tls_server},
	{"tls-setup", SHELL_SAMPO, COMPLETE_NONE, "make a CA, the server's and a client's keys",
	 NULL, hosts_args, run_tls_setup},
	{"tls-trust", SHELL_SAMPO, COMPLETE_NONE, "the CAs of servers that https asks", NULL,
	 trust_args, run_tls_trust},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
