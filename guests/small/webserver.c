/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A web server without an operating system: lwIP on a virtio network device.
 * Gets its address by DHCP, prints it, and gives everybody the same page.
 */
#include <stdio.h>
#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "guests/lib/cpu.h"
#include "guests/lib/lapic.h"
#include "guests/lib/tsc.h"
#include "guests/lib/virtio_net.h"

#define HTTP_PORT            80
#define VECTOR_NET           0x40
#define VECTOR_TIMER         0x41
#define POLL_HALF_SECONDS    10 /* then an idle connection ends */
#define CPUID_1_X2APIC       (1u << 21)
#define CPUID_1_TSC_DEADLINE (1u << 24)

static struct netif netif;
static uint64_t khz, pages;
static bool can_sleep;

u32_t sys_now(void)
{
	return (u32_t)(rdtsc() / khz);
}

/* --- the page ------------------------------------------------------------- */

static err_t end_connection(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static void send_page(struct tcp_pcb *pcb)
{
	static const char body[] = "<!DOCTYPE html>\n<html><head><title>Sampo</title></head>\n"
				   "<body><h1>It works</h1>\n"
				   "<p>This page comes from a guest without an operating system, "
				   "by lwIP and virtio.</p>\n</body></html>\n";
	char head[160];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.0 200 OK\r\nServer: sampo-webserver\r\n"
			 "Content-Type: text/html\r\n"
			 "Content-Length: %u\r\nConnection: close\r\n\r\n",
			 (unsigned)(sizeof(body) - 1));

	tcp_write(pcb, head, (u16_t)n, TCP_WRITE_FLAG_COPY);
	tcp_write(pcb, body, sizeof(body) - 1, 0);
	tcp_output(pcb);
	pages++;
	printf("webserver: page %llu to %s\n", (unsigned long long)pages,
	       ipaddr_ntoa(&pcb->remote_ip));
}

/* A request ends with an empty line; what it asks for does not matter. The
 * last bytes seen are kept in the connection's argument. */
static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	uint32_t last = (uint32_t)(uintptr_t)arg;
	bool complete = false;

	(void)err;
	if (!data)
		return end_connection(pcb);
	for (u16_t i = 0; i < data->tot_len && !complete; i++) {
		last = last << 8 | pbuf_get_at(data, i);
		complete = last == 0x0d0a0d0a || (last & 0xffff) == 0x0a0a;
	}
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	tcp_arg(pcb, (void *)(uintptr_t)last);
	if (!complete)
		return ERR_OK;
	send_page(pcb);
	return end_connection(pcb);
}

static err_t polled(void *arg, struct tcp_pcb *pcb)
{
	(void)arg;
	return end_connection(pcb);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)arg;
	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, received);
	tcp_poll(pcb, polled, POLL_HALF_SECONDS);
	return ERR_OK;
}

static bool listen(void)
{
	struct tcp_pcb *pcb = tcp_new();

	if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, HTTP_PORT) != ERR_OK)
		return false;
	pcb = tcp_listen(pcb);
	if (!pcb)
		return false;
	tcp_accept(pcb, accepted);
	return true;
}

/* --- the network ---------------------------------------------------------- */

static err_t output(struct netif *from, struct pbuf *frame)
{
	static uint8_t bytes[VIRTIO_NET_FRAME];

	(void)from;
	if (frame->tot_len > sizeof(bytes))
		return ERR_BUF;
	pbuf_copy_partial(frame, bytes, frame->tot_len, 0);
	return virtio_net_send(bytes, frame->tot_len) ? ERR_OK : ERR_MEM;
}

static err_t init_netif(struct netif *of)
{
	of->name[0] = 'e';
	of->name[1] = 't';
	of->hostname = "webserver";
	of->mtu = 1500;
	of->hwaddr_len = 6;
	of->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	of->output = etharp_output;
	of->linkoutput = output;
	return ERR_OK;
}

static void address_changed(struct netif *of)
{
	if (of->ip_addr.addr)
		printf("webserver: http://%s/\n", ip4addr_ntoa(&of->ip_addr));
	else
		printf("webserver: no address\n");
}

static bool take_frames(void)
{
	const void *data;
	size_t bytes;
	bool any = false;

	while ((data = virtio_net_receive(&bytes))) {
		struct pbuf *frame = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_POOL);

		if (frame) {
			pbuf_take(frame, data, (u16_t)bytes);
			if (netif.input(frame, &netif) != ERR_OK)
				pbuf_free(frame);
		}
		virtio_net_done();
		any = true;
	}
	return any;
}

static void look_at_link(void)
{
	bool up = virtio_net_link();

	if (up == (netif_is_link_up(&netif) != 0))
		return;
	printf("webserver: link %s\n", up ? "up" : "down");
	if (up)
		netif_set_link_up(&netif);
	else
		netif_set_link_down(&netif);
}

/* Until a frame comes or lwIP has something to do. */
static void sleep_ms(uint32_t ms)
{
	if (!ms)
		return;
	if (!can_sleep) {
		cpu_relax();
		return;
	}
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + ms * khz);
	halt_once();
}

static void start_interrupts(void)
{
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	can_sleep = leaf[2] & CPUID_1_X2APIC && leaf[2] & CPUID_1_TSC_DEADLINE;
	if (!can_sleep)
		return;
	interrupts_init();
	lapic_enable();
	wrmsr(X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
}

int main(void)
{
	const char *failure;

	khz = tsc_khz();
	start_interrupts();
	lwip_init();
	failure = virtio_net_start(netif.hwaddr, VECTOR_NET);
	if (failure) {
		printf("webserver: %s\n", failure);
		return 1;
	}
	netif_add_noaddr(&netif, NULL, init_netif, ethernet_input);
	netif_set_default(&netif);
	netif_set_up(&netif);
	netif_set_status_callback(&netif, address_changed);
	if (!listen()) {
		printf("webserver: out of memory\n");
		return 1;
	}
	look_at_link();
	dhcp_start(&netif);
	for (;;) {
		sys_check_timeouts();
		if (take_frames())
			continue;
		look_at_link();
		sleep_ms(sys_timeouts_sleeptime());
	}
}
