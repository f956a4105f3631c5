/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VNC servers: a listening port for each guest that has one, and its viewers' connections.
 *
 * Nothing happens on a screen that nobody looks at. While a viewer waits for a change, a timer asks
 * the VGA which rows have changed, at most so often. Each viewer then draws what it has not seen,
 * in pieces, as far as its connection takes it.
 */
#include "guests/dom0/display/display.h"

#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/display/rfb.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/vm/vm.h"

#define VIEWERS        16u /* of all guests */
#define VIEWERS_OF_ONE 4u
#define PORTS          64u          /* that are tried for a guest that chooses none */
#define IN_FLIGHT      (256u << 10) /* of lwIP's heap, for all viewers */
#define FRAME_NS       33000000ull
#define LOOK_NS        5000000000ull
#define LOGIN_NS       30000000000ull /* until a viewer has said who it is */
#define STALL_NS       60000000000ull /* that a viewer may take nothing of what is there for it */

struct viewer {
	struct viewer *next;
	struct screen *screen;
	struct tcp_pcb *pcb; /* NULL: lwIP has ended it */
	struct rfb *rfb;
	struct work work;
	uint64_t since_ns; /* its connection, or the last bytes that it took */
	size_t in_flight;
	bool ending; /* when all has gone */
};

struct screen {
	struct vm *vm;
	struct tcp_pcb *listening;
	uint16_t port;
	struct timer frame;
	uint64_t frame_ns; /* the last time that the screen was looked at */
	struct viewer *viewers;
	unsigned count;
	char password[CONFIG_VNC_PASSWORD + 1];
};

static unsigned viewers; /* of all */

/* --- the end of a viewer --- */

static void leave_pcb(struct viewer *v, bool abort)
{
	struct tcp_pcb *pcb = v->pcb;

	if (!pcb)
		return;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (abort || tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
	v->pcb = NULL;
}

/* Not from within a call of lwIP's for this connection. Its work, which may be queued already,
 * frees it. */
static void end_viewer(struct viewer *v, bool abort)
{
	struct viewer **at = &v->screen->viewers;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	v->screen->count--;
	viewers--;
	leave_pcb(v, abort);
	rfb_free(v->rfb);
	v->rfb = NULL;
	work_queue(&v->work);
}

/* --- a viewer's work --- */

static void flush(struct viewer *v)
{
	size_t share = IN_FLIGHT / viewers, n;
	const uint8_t *bytes = rfb_output(v->rfb, &n);
	size_t room = share > v->in_flight ? share - v->in_flight : 0;

	if (room > tcp_sndbuf(v->pcb))
		room = tcp_sndbuf(v->pcb);
	if (n > room)
		n = room;
	if (!n || tcp_write(v->pcb, bytes, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
		return;
	v->in_flight += n;
	rfb_sent(v->rfb, n);
	tcp_output(v->pcb);
}

static void run_viewer(struct work *work)
{
	struct viewer *v = work->context;
	bool more = false;
	size_t left;

	if (!v->rfb) {
		free(v);
		return;
	}
	if (!v->pcb) {
		end_viewer(v, false);
		return;
	}
	if (!v->ending)
		more = rfb_work(v->rfb);
	flush(v);
	rfb_output(v->rfb, &left);
	if (v->ending && !left)
		end_viewer(v, false);
	else if (more)
		work_queue(&v->work);
}

static bool somebody_waits(const struct screen *screen)
{
	for (const struct viewer *v = screen->viewers; v; v = v->next)
		if (rfb_waits(v->rfb))
			return true;
	return false;
}

/* Asks the screen for changes on behalf of all viewers. */
static void frame(struct timer *timer)
{
	struct screen *screen = timer->context;
	uint64_t rows[VGA_ROWS];

	if (!somebody_waits(screen))
		return;
	screen->frame_ns = clock_ns();
	vga_changes(screen->vm, rows);
	for (struct viewer *v = screen->viewers; v; v = v->next) {
		if (!rfb_is_running(v->rfb))
			continue;
		rfb_changed(v->rfb, rows);
		work_queue(&v->work);
	}
	timer_set(&screen->frame, screen->frame_ns + FRAME_NS);
}

static void output(void *context)
{
	struct viewer *v = context;

	if (v->work.context)
		work_queue(&v->work);
}

static void wait(void *context)
{
	struct screen *screen = ((struct viewer *)context)->screen;

	if (!screen->frame.deadline)
		timer_set(&screen->frame, screen->frame_ns + FRAME_NS);
}

static const struct rfb_carrier carrier = {output, wait};

/* --- connections --- */

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	struct viewer *v = arg;

	(void)err;
	if (!data) {
		v->ending = true;
		work_queue(&v->work);
		return ERR_OK;
	}
	for (const struct pbuf *part = data; part && !v->ending; part = part->next)
		v->ending = !rfb_input(v->rfb, part->payload, part->len);
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	if (v->ending)
		work_queue(&v->work);
	return ERR_OK;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	struct viewer *v = arg;

	(void)pcb;
	v->in_flight -= n;
	v->since_ns = clock_ns();
	work_queue(&v->work);
	return ERR_OK;
}

/* lwIP has freed the connection. */
static void failed(void *arg, err_t err)
{
	struct viewer *v = arg;

	(void)err;
	v->pcb = NULL;
	work_queue(&v->work);
}

/* Called by lwIP twice a second: a viewer that does nothing makes room for others. */
static err_t look(void *arg, struct tcp_pcb *pcb)
{
	struct viewer *v = arg;
	uint64_t idle = clock_ns() - v->since_ns;
	size_t left;

	(void)pcb;
	rfb_output(v->rfb, &left);
	if ((rfb_is_running(v->rfb) || idle < LOGIN_NS) &&
	    ((!left && !v->in_flight) || idle < STALL_NS))
		return ERR_OK;
	leave_pcb(v, true);
	work_queue(&v->work);
	return ERR_ABRT;
}

/* A viewer that has not said who it is goes for another. */
static bool make_room(struct screen *screen)
{
	struct viewer *oldest = NULL;

	if (screen->count < VIEWERS_OF_ONE && viewers < VIEWERS)
		return true;
	for (struct viewer *v = screen->viewers; v; v = v->next)
		if (!rfb_is_running(v->rfb))
			oldest = v; /* the newest is first in the list */
	if (!oldest)
		return false;
	end_viewer(oldest, true);
	return true;
}

static err_t accept_viewer(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct screen *screen = arg;
	struct viewer *v;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	if (!make_room(screen))
		return ERR_MEM; /* lwIP ends the connection */
	v = calloc(1, sizeof(*v));
	if (!v)
		return ERR_MEM;
	v->screen = screen;
	v->rfb = rfb_new(screen->vm, screen->password, &carrier, v);
	if (!v->rfb) {
		free(v);
		return ERR_MEM;
	}
	v->pcb = pcb;
	v->since_ns = clock_ns();
	v->work = (struct work){.run = run_viewer, .context = v};
	v->next = screen->viewers;
	screen->viewers = v;
	screen->count++;
	viewers++;
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, v);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	tcp_poll(pcb, look, LOOK_NS / 500000000u);
	work_queue(&v->work);
	return ERR_OK;
}

/* --- the listening port --- */

static bool listen_on(struct screen *screen, uint16_t port)
{
	struct tcp_pcb *pcb = tcp_new();

	if (!pcb)
		return false;
	/* Connections of the guest's last run that are at their end do not keep the port; another
	 * that listens there does (tcp_listen). */
	ip_set_option(pcb, SOF_REUSEADDR);
	if (tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
		tcp_abort(pcb);
		return false;
	}
	screen->listening = tcp_listen(pcb);
	if (!screen->listening) {
		tcp_abort(pcb);
		return false;
	}
	screen->port = port;
	tcp_arg(screen->listening, screen);
	tcp_accept(screen->listening, accept_viewer);
	return true;
}

static const char *listen_somewhere(struct screen *screen, uint16_t wanted)
{
	static char text[64];
	struct stack_status status;

	stack_status(&status);
	if (!status.enabled) {
		vm_log(screen->vm, "VNC: dom0 has no network, so nobody can look at the screen");
		return NULL;
	}
	for (unsigned i = 0; !wanted && i < PORTS; i++)
		if (listen_on(screen, (uint16_t)(CONFIG_VNC_PORTS + i)))
			return NULL;
	if (wanted && listen_on(screen, wanted))
		return NULL;
	snprintf(text, sizeof(text), "VNC: %s %u is in use", wanted ? "port" : "every port from",
		 wanted ? wanted : CONFIG_VNC_PORTS);
	return text;
}

static const char *attach(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	struct screen *screen;
	const char *wrong;

	if (!config->vnc || config_vnc_is_local(config))
		return NULL;
	screen = calloc(1, sizeof(*screen));
	if (!screen)
		return "dom0 is out of memory";
	screen->vm = vm;
	memcpy(screen->password, config->vnc_password, sizeof(screen->password));
	timer_init(&screen->frame, frame, screen);
	wrong = listen_somewhere(screen, config->vnc_port);
	if (wrong)
		free(screen);
	else
		vm->display = screen;
	return wrong;
}

static void detach(struct vm *vm)
{
	struct screen *screen = vm->display;

	if (!screen)
		return;
	timer_cancel(&screen->frame);
	while (screen->viewers)
		end_viewer(screen->viewers, false);
	if (screen->listening)
		tcp_close(screen->listening);
	memset(screen->password, 0, sizeof(screen->password));
	free(screen);
	vm->display = NULL;
}

const struct vm_part display_part = {
	.attach = attach,
	.detach = detach,
};

uint16_t display_port(const struct vm *vm)
{
	const struct screen *screen = vm->display;

	return screen && screen->listening ? screen->port : 0;
}
