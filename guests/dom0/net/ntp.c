/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/ntp.h"

#include <stdio.h>
#include <string.h>

#include <lwip/apps/sntp.h>
#include <lwip/ip_addr.h>

#include "guests/dom0/base/cmdline.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/calendar.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/net/ipconf.h"
#include "guests/lib/guest.h"

#define SECOND      1000000000ll
#define ERA         2085978496ll  /* Unix time of second 0 of lwIP's time (RFC 4330, 3) */
#define EARLIEST    1767225600ll  /* 2026-01-01 */
#define LATEST      4102444800ll  /* 2100-01-01 */
#define BETWEEN_NS  (10 * SECOND) /* two answers, or the later one is no answer to a question */
#define TELL_NS     (600 * SECOND)
#define NAME_LENGTH 254u

static struct {
	bool off, up; /* up: dom0 has an address */
	bool any, asked;
	bool set, told;
	char name[NAME_LENGTH];
	uint64_t when, told_at;
	int64_t change_ns;
	unsigned taken, refused;
	const char *why;
} ntp;

static const char *server(void)
{
	if (*ntp.name)
		return ntp.name;
	return ip_addr_isany(sntp_getserver(0)) ? NULL : ipaddr_ntoa(sntp_getserver(0));
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void refuse(const char *why)
{
	uint64_t now = clock_ns();

	ntp.refused++;
	ntp.why = why;
	if (ntp.told && now - ntp.told_at < TELL_NS)
		return;
	ntp.told = true;
	ntp.told_at = now;
	printf(LOG_WARNING "time: an answer of %s is refused: %s\n", server(), why);
}

static void tell(int64_t wall_ns)
{
	uint64_t size = (uint64_t)(ntp.change_ns < 0 ? -ntp.change_ns : ntp.change_ns);
	char text[CALENDAR_TEXT];

	calendar_text(text, wall_ns / SECOND);
	printf("time: %s UTC, by %s; the clock was %llu.%03llu s %s\n", text, server(),
	       (unsigned long long)(size / SECOND), (unsigned long long)(size / 1000000 % 1000),
	       ntp.change_ns < 0 ? "fast" : "slow");
}

/* lwIP's SNTP calls the next two (guests/lib/lwip/lwipopts.h). */
void ntp_set_time(int seconds, unsigned fraction)
{
	int64_t unix_seconds = seconds + ERA;
	int64_t wall_ns = unix_seconds * SECOND + (int64_t)((uint64_t)fraction * SECOND >> 32);
	int64_t change_ns = wall_ns - (int64_t)clock_wall_ns();
	bool large =
		change_ns > NTP_STEP_SECONDS * SECOND || change_ns < -NTP_STEP_SECONDS * SECOND;
	bool first = !ntp.set;

	if (ntp.set && !ntp.asked && clock_ns() - ntp.when < (uint64_t)BETWEEN_NS)
		return;
	if (!seconds && !fraction) { /* RFC 4330, 5 */
		refuse("it has no time in it");
		return;
	}
	if (unix_seconds < EARLIEST || unix_seconds >= LATEST) {
		refuse("it is not in the years 2026 to 2099");
		return;
	}
	if (large && ntp.set && !ntp.any) {
		refuse("it is more than 1000 s away (time --sync --force takes it)");
		return;
	}
	clock_set_wall_ns((uint64_t)wall_ns);
	platform_wall_set();
	ntp.set = true;
	ntp.any = ntp.asked = false;
	ntp.when = clock_ns();
	ntp.change_ns = change_ns;
	ntp.taken++;
	ntp.why = NULL;
	if (first || change_ns >= SECOND || change_ns <= -SECOND)
		tell(wall_ns);
}

void ntp_get_time(int *seconds, unsigned *fraction)
{
	uint64_t wall_ns = clock_wall_ns();

	*seconds = (int)((int64_t)(wall_ns / SECOND) - ERA);
	*fraction = (unsigned)(((wall_ns % SECOND) << 32) / SECOND);
}

/* --- questions ----------------------------------------------------------------------------------
 */

void ntp_start(const char *cmdline)
{
	const char *word = cmdline_word(cmdline, "ntp=");
	size_t n = word ? strcspn(word, " \t\n") : 0;

	ntp.off = word && n == 3 && !strncmp(word, "off", 3);
	if (word && (!n || n >= sizeof(ntp.name))) {
		printf(LOG_WARNING "time: ntp=: not an address, not a name and not off\n");
		ntp.off = true;
	}
	sntp_setoperatingmode(SNTP_OPMODE_POLL);
	sntp_servermode_dhcp(!word);
	if (!word || ntp.off)
		return;
	memcpy(ntp.name, word, n);
	ntp.name[n] = 0;
	sntp_setservername(0, ntp.name);
}

void ntp_address_changed(bool has_address)
{
	ntp.up = has_address;
	sntp_stop();
	if (has_address && !ntp.off && server())
		sntp_init();
}

const char *ntp_ask(bool any)
{
	if (ntp.off)
		return "the time is not asked for: ntp=off";
	if (!server())
		return "there is no time server: neither ntp= nor the DHCP server names one";
	if (!ntp.up)
		return "dom0 has no address";
	ntp.any = any;
	ntp.asked = true;
	sntp_stop();
	sntp_init();
	return NULL;
}

void ntp_status(struct ntp_status *status)
{
	*status = (struct ntp_status){
		.server = ntp.off ? NULL : server(),
		.set = ntp.set,
		.when = ntp.when,
		.change_ns = ntp.change_ns,
		.taken = ntp.taken,
		.refused = ntp.refused,
		.why = ntp.why,
	};
}
