/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/lwip.h"

#include <stdio.h>
#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/dhcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/ipconf.h"
#include "guests/dom0/net/ntp.h"
#include "guests/dom0/net/switch.h"
#include "guests/lib/guest.h"

#define QUEUE       64u /* frames that wait for the stack */
#define PIECES      16u
#define NS_PER_MS   1000000u
#define REST_NS     (30000ull * NS_PER_MS)
#define ACTIVE_NS   (16000ull * NS_PER_MS) /* longer than a query or a fragment waits */
#define PATIENCE_NS (15000ull * NS_PER_MS) /* with DHCP servers */

static struct net_port port;
static struct netif netif;
static struct ip_config config;
static uint32_t name_server[IP_NAME_SERVERS]; /* of the command line */
static bool enabled, fixed;                   /* fixed: by dom0's command line */
static char host_name[64] = STACK_NAME;

/*
 * A frame comes in the midst of somebody's switch_input, and the stack's answer is another
 * switch_input: so frames wait here for the next turn.
 */
static struct pbuf *queue[QUEUE];
static unsigned queue_first, queue_count;
static struct work input_work, flush_work, cable_work;
static struct timer stack_timer, patience_timer;
static uint64_t active_ns; /* the stack was last active */
static uint64_t rest_ns;   /* it rests since then; 0: it does not */

u32_t sys_now(void)
{
	return (u32_t)(clock_ns() / NS_PER_MS);
}

/* --- frames --------------------------------------------------------------- */

static bool port_deliver(struct net_port *to, const struct net_piece *piece, unsigned pieces,
			 unsigned bytes)
{
	struct pbuf *frame;
	u16_t at = 0;

	(void)to;
	if (queue_count == QUEUE || bytes > NET_FRAME_MAX)
		return false;
	frame = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_POOL);
	if (!frame)
		return false;
	for (unsigned i = 0; i < pieces; i++) {
		if (piece[i].bytes > bytes - at ||
		    pbuf_take_at(frame, piece[i].data, (u16_t)piece[i].bytes, at) != ERR_OK) {
			pbuf_free(frame);
			return false;
		}
		at = (u16_t)(at + piece[i].bytes);
	}
	queue[(queue_first + queue_count++) % QUEUE] = frame;
	return true;
}

static void port_deliver_done(struct net_port *to)
{
	(void)to;
	work_queue(&input_work);
}

/* A DHCP server may have named others meanwhile. */
static void keep_name_servers(void)
{
	for (u8_t i = 0; i < IP_NAME_SERVERS && name_server[0]; i++) {
		ip_addr_t server = {name_server[i]};

		if (dns_getserver(i)->addr != server.addr)
			dns_setserver(i, &server);
	}
}

/*
 * lwIP counts the time in ticks of 250 ms and more, whether there is something to wait for or not.
 * Each costs an exit, so there are none while the stack rests: no connection has data on the way,
 * no question is open. Ages (of ARP's and DNS's entries, of silent connections) are all that a rest
 * makes late, by at most REST_NS, and what they have missed is counted at the end.
 */
static bool rests(const struct tcp_pcb *pcb)
{
	return pcb->state == ESTABLISHED && !pcb->unsent && !pcb->unacked && !pcb->ooseq &&
	       !pcb->refused_data && !pcb->poll &&
	       !(pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND));
}

/* A question is open for less than ACTIVE_NS after its last frame. Without a cable no frame goes
 * out, and a DHCP server may take a minute. */
static bool may_rest(void)
{
	const struct dhcp *dhcp = netif_dhcp_data(&netif);

	if (!netif_is_link_up(&netif) || clock_ns() - active_ns < ACTIVE_NS ||
	    (dhcp && dhcp->request_timeout))
		return false;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		if (!rests(pcb))
			return false;
	return true;
}

static void set_stack_timer(void)
{
	uint64_t now = clock_ns();

	rest_ns = may_rest() ? now : 0;
	timer_set(&stack_timer,
		  now + (rest_ns ? REST_NS : (uint64_t)sys_timeouts_sleeptime() * NS_PER_MS));
}

/* Of ticks of so many milliseconds lwIP makes up for one itself. */
static void make_up(uint64_t rest_ms, uint64_t tick_ms, void (*tick)(void))
{
	for (uint64_t i = rest_ms / tick_ms; i > 1; i--)
		tick();
}

/* Before frames that come are looked at, so that an answer has its question's time. */
static void end_rest(void)
{
	uint64_t ms = rest_ns ? (clock_ns() - rest_ns) / NS_PER_MS : 0;

	rest_ns = 0;
	make_up(ms, TCP_TMR_INTERVAL, tcp_tmr);
	make_up(ms, ARP_TMR_INTERVAL, etharp_tmr);
	make_up(ms, DNS_TMR_INTERVAL, dns_tmr);
	sys_check_timeouts();
}

/* A part of a packet (RFC 791): the others have some seconds. */
static bool is_fragment(const struct pbuf *frame)
{
	const uint8_t *bytes = frame->payload;

	return frame->len >= 22 && bytes[12] == 0x08 && !bytes[13] &&
	       (bytes[20] & 0x3f || bytes[21]);
}

static void run_input(struct work *work)
{
	(void)work;
	end_rest();
	while (queue_count) {
		struct pbuf *frame = queue[queue_first];

		queue_first = (queue_first + 1) % QUEUE;
		queue_count--;
		if (is_fragment(frame))
			active_ns = clock_ns();
		if (netif.input(frame, &netif) != ERR_OK)
			pbuf_free(frame);
	}
	keep_name_servers();
	set_stack_timer(); /* what came in may have started a timeout */
}

static void run_flush(struct work *work)
{
	(void)work;
	switch_flush();
	set_stack_timer();
}

static err_t output(struct netif *from, struct pbuf *frame)
{
	struct net_piece piece[PIECES];
	unsigned pieces = 0;

	(void)from;
	for (struct pbuf *part = frame; part; part = part->next) {
		if (pieces == PIECES)
			return ERR_BUF;
		piece[pieces++] = (struct net_piece){part->payload, part->len};
	}
	/* The frame ends a rest, whose ticks are not those of this frame's question. */
	active_ns = clock_ns();
	rest_ns = 0;
	switch_input(&port, piece, pieces);
	work_queue(&flush_work);
	return ERR_OK;
}

static void stack_timeout(struct timer *timer)
{
	(void)timer;
	end_rest();
	set_stack_timer();
}

/* --- the cable and the address -------------------------------------------- */

static void patience_ends(struct timer *timer)
{
	(void)timer;
	if (netif_is_link_up(&netif) && !netif.ip_addr.addr)
		printf(LOG_WARNING "net: no DHCP server answers; still asking\n");
}

static void cable_changed(void)
{
	work_queue(&cable_work);
}

static void look_at_cable(struct work *work)
{
	const struct netdev *dev = uplink_card();
	bool up = uplink_port()->link_up;

	(void)work;
	if (up == (netif_is_link_up(&netif) != 0))
		return;
	printf("net: %s: cable %s\n", dev ? dev->name : "no network card",
	       up ? "connected" : "out");
	if (up) {
		netif_set_link_up(&netif);
		if (netif.ip_addr.addr)
			ntp_address_changed(true);
		timer_set(&patience_timer, clock_ns() + PATIENCE_NS);
	} else {
		netif_set_link_down(&netif);
	}
	set_stack_timer();
}

static void address_changed(struct netif *of)
{
	static ip4_addr_t shown;
	char gateway[IP4ADDR_STRLEN_MAX];

	if (of->ip_addr.addr == shown.addr)
		return;
	if (!of->ip_addr.addr) {
		printf(LOG_WARNING "net: address %s lost\n", ip4addr_ntoa(&shown));
		timer_set(&patience_timer, clock_ns() + PATIENCE_NS);
	} else {
		ip4addr_ntoa_r(&of->gw, gateway, sizeof(gateway));
		printf("net: address %s gateway %s%s\n", ip4addr_ntoa(&of->ip_addr), gateway,
		       dhcp_supplied_address(of) ? " by DHCP" : "");
	}
	shown = of->ip_addr;
	ntp_address_changed(of->ip_addr.addr != 0);
}

/* --- start ---------------------------------------------------------------- */

/* The NIC's own address stays with the NIC: ours is locally administered (bit
 * 1 of the first byte) and differs from it in bit 2. */
static void derive_mac(uint8_t mac[6])
{
	static const uint8_t without_nic[6] = {0x02, 'S', 'a', 'm', 'p', 'o'};
	const struct netdev *dev = uplink_card();

	memcpy(mac, dev ? dev->mac : without_nic, 6);
	mac[0] = (uint8_t)((mac[0] | 0x02) ^ 0x04);
}

static err_t init_netif(struct netif *of)
{
	of->name[0] = 'd';
	of->name[1] = '0';
	of->hostname = host_name;
	of->mtu = 1500;
	of->hwaddr_len = 6;
	memcpy(of->hwaddr, port.mac, 6);
	of->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	of->output = etharp_output;
	of->linkoutput = output;
	return ERR_OK;
}

static void set_address(void)
{
	ip_addr_t dns = {config.dns};
	ip4_addr_t address = {config.address}, mask = {config.mask};
	ip4_addr_t gateway = {config.gateway};

	netif_set_status_callback(&netif, address_changed);
	if (config.mode == IP_DHCP) {
		dhcp_start(&netif);
		return;
	}
	netif_set_addr(&netif, &address, &mask, &gateway);
	if (config.dns)
		dns_setserver(0, &dns);
	keep_name_servers();
}

const char *stack_name(void)
{
	return host_name;
}

/* A server learns the name with the next request. */
void stack_set_name(const char *name)
{
	snprintf(host_name, sizeof(host_name), "%s", name);
	if (enabled && dhcp_supplied_address(&netif))
		dhcp_renew(&netif);
}

static const char *parse_ip(const char *ip, struct ip_config *to)
{
	char word[128];
	const char *wrong;

	if (strlen(ip) > sizeof(word) - sizeof("ip=") || strpbrk(ip, " \t\n"))
		return "not an address";
	snprintf(word, sizeof(word), "ip=%s", ip);
	wrong = ip_config_parse(word, to);
	if (!wrong && to->mode == IP_OFF)
		wrong = "dom0's command line alone turns the network stack off";
	return wrong;
}

const char *stack_check(const char *ip)
{
	struct ip_config ignored;

	return parse_ip(ip, &ignored);
}

bool stack_is_fixed(void)
{
	return fixed;
}

const char *stack_use(const char *ip)
{
	struct ip_config next;
	const char *wrong = parse_ip(ip, &next);

	if (wrong || !enabled || fixed || !memcmp(&next, &config, sizeof(next)))
		return wrong;
	if (config.mode == IP_DHCP)
		dhcp_release_and_stop(&netif);
	netif_set_addr(&netif, NULL, NULL, NULL);
	config = next;
	set_address();
	set_stack_timer();
	return NULL;
}

static void join_switch(void)
{
	strcpy(port.name, "dom0");
	port.link_up = true;
	derive_mac(port.mac);
	port.deliver = port_deliver;
	port.deliver_done = port_deliver_done;
	switch_add(&port);
}

void stack_start(const char *cmdline)
{
	const char *error = ip_config_parse(cmdline, &config);

	if (error)
		printf(LOG_WARNING "net: ip=: %s; dom0 has no address\n", error);
	fixed = ip_is_given(cmdline);
	if (config.mode == IP_OFF)
		return;
	error = ip_name_servers(cmdline, name_server);
	if (error)
		printf(LOG_WARNING "net: dns=: %s\n", error);
	enabled = true;
	input_work.run = run_input;
	flush_work.run = run_flush;
	cable_work.run = look_at_cable;
	timer_init(&stack_timer, stack_timeout, NULL);
	timer_init(&patience_timer, patience_ends, NULL);
	join_switch();
	lwip_init();
	netif_add_noaddr(&netif, NULL, init_netif, ethernet_input);
	netif_set_default(&netif);
	netif_set_up(&netif);
	ntp_start(cmdline);
	keep_name_servers();
	set_address();
	uplink_watch(cable_changed);
	look_at_cable(&cable_work);
	if (!netif_is_link_up(&netif))
		printf("net: %s\n", uplink_card() ? "cable out" : "no network card");
	set_stack_timer();
}

/* --- for the shell -------------------------------------------------------- */

static const char *state_name(uint8_t state)
{
	switch (state) {
	case DHCP_STATE_REQUESTING:
		return "requesting";
	case DHCP_STATE_INIT:
		return "waiting for the cable";
	case DHCP_STATE_REBOOTING:
		return "asking for the last address";
	case DHCP_STATE_REBINDING:
		return "rebinding";
	case DHCP_STATE_RENEWING:
		return "renewing";
	case DHCP_STATE_SELECTING:
		return "looking for a server";
	case DHCP_STATE_BOUND:
		return "bound";
	case DHCP_STATE_BACKING_OFF:
		return "refused, will ask again";
	default:
		return "off";
	}
}

void stack_status(struct stack_status *status)
{
	const struct dhcp *dhcp;

	*status = (struct stack_status){.enabled = enabled};
	if (!enabled)
		return;
	dhcp = netif_dhcp_data(&netif);
	memcpy(status->mac, port.mac, sizeof(status->mac));
	status->dhcp = config.mode == IP_DHCP;
	status->cable = netif_is_link_up(&netif);
	status->address = netif.ip_addr.addr;
	status->mask = netif.netmask.addr;
	status->gateway = netif.gw.addr;
	status->dns = dns_getserver(0)->addr;
	status->dhcp_state = state_name(dhcp ? dhcp->state : DHCP_STATE_OFF);
	status->lease_seconds = dhcp ? dhcp->offered_t0_lease : 0;
	status->received = port.tx_frames;
	status->sent = port.rx_frames;
	status->dropped = port.dropped;
}
