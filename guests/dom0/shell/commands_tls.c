/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs about keys and names of libvirt's clients. A new client's key is shown here once, on
 * the operator's console, and nowhere else.
 */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/manage/access.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/tls/keys.h"
#include "guests/dom0/tls/random.h"

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

static void run_tls_info(const struct args *args)
{
	const char *why, *list = access_names(&why);

	(void)args;
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
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
