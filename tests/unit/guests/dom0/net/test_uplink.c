/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/merge.c guests/dom0/net/offload.c guests/dom0/base/mac.c guests/dom0/base/cmdline.c */
/* Which of several network cards is the uplink, and which one takes over. */
#include "tests/unit/unit.h"

#define printf(...) ((void)snprintf(NULL, 0, __VA_ARGS__))
#include "guests/dom0/net/uplink.c"
#undef printf

#define NICS 3

static struct netdev nic[NICS];
static unsigned sent[NICS], flushed[NICS], inputs, announced;

struct netdev *net_first(void)
{
	return nic;
}

void switch_add(struct net_port *port)
{
	assert_ptr_equal(port, &uplink);
	assert_true(port->trunk);
}

unsigned switch_takes(const struct net_port *from, const uint8_t *header)
{
	(void)from;
	(void)header;
	return 0;
}

void switch_input_offload(struct net_port *from, const struct net_piece *piece, unsigned pieces,
			  const struct net_offload *offload)
{
	(void)offload;
	assert_ptr_equal(from, &uplink);
	assert_int_equal(pieces, 1);
	assert_int_equal(piece->bytes, 60);
	inputs++;
}

void switch_flush(void)
{
}

void switch_announce(struct net_port *through)
{
	assert_ptr_equal(through, &uplink);
	announced++;
}

static bool send(struct netdev *dev, const struct net_piece *piece, unsigned pieces,
		 const struct net_offload *left)
{
	(void)left;
	(void)piece;
	(void)pieces;
	sent[dev - nic]++;
	return true;
}

static void flush(struct netdev *dev)
{
	flushed[dev - nic]++;
}

static void cable(unsigned n, bool up)
{
	nic[n].link_up = up;
	if (nic[n].link_changed)
		nic[n].link_changed(&nic[n]);
}

/* A frame goes out and one comes in at each card: both through card n, or through none (-1). */
static void check(int n)
{
	static const uint8_t frame[60];

	memset(sent, 0, sizeof(sent));
	memset(flushed, 0, sizeof(flushed));
	inputs = 0;
	assert_int_equal(uplink.link_up, n >= 0);
	if (uplink.deliver(&uplink, NULL, 0, 60))
		uplink.deliver_done(&uplink);
	for (int i = 0; i < NICS; i++) {
		if (nic[i].receive && nic[i].link_up)
			nic[i].receive(&nic[i], frame, sizeof(frame), false);
		if (n < 0)
			continue;
		assert_int_equal(sent[i], i == n);
		assert_int_equal(flushed[i], i == n);
	}
	assert_int_equal(inputs, n >= 0);
	if (n < 0)
		return;
	assert_ptr_equal(uplink_card(), &nic[n]);
	assert_string_equal(uplink.name, nic[n].name);
	assert_string_equal(uplink_role(&nic[n]), "active");
}

static int start(void **state)
{
	(void)state;
	memset(nic, 0, sizeof(nic));
	memset(&uplink, 0, sizeof(uplink));
	memset(card, 0, sizeof(card));
	cards = 0;
	active = NULL;
	announced = 0;
	for (unsigned i = 0; i < NICS; i++) {
		snprintf(nic[i].name, sizeof(nic[i].name), "eth%u", i);
		nic[i].send = send;
		nic[i].flush = flush;
		nic[i].next = i + 1 < NICS ? &nic[i + 1] : NULL;
	}
	return 0;
}

static void test_second_has_the_cable(void **state)
{
	(void)state;
	nic[1].link_up = true;
	uplink_start("ip=off");
	check(1);
	cable(0, true);
	check(1);
	cable(1, false);
	assert_false(uplink.link_up); /* eth0 may lead elsewhere */
	assert_string_equal(uplink_role(&nic[0]), "not used");
	cable(1, true);
	check(1);
	assert_int_equal(announced, 0);
}

static void test_no_cable_yet(void **state)
{
	(void)state;
	uplink_start("");
	assert_ptr_equal(uplink_card(), &nic[0]);
	assert_string_equal(uplink.name, "eth0");
	check(-1);
	cable(2, true);
	check(2);
}

static void test_chosen(void **state)
{
	(void)state;
	nic[0].link_up = nic[1].link_up = true;
	uplink_start("nouplink=eth0 uplink=eth2 ip=off");
	check(-1);
	assert_string_equal(uplink_role(&nic[0]), "not used");
	cable(2, true);
	check(2);
}

static void test_bond(void **state)
{
	(void)state;
	nic[0].link_up = nic[2].link_up = true;
	uplink_start("ip=dhcp uplink=eth2,eth7,eth0,eth2");
	assert_int_equal(cards, 2);
	check(2);
	assert_string_equal(uplink_role(&nic[0]), "backup");
	assert_string_equal(uplink_role(&nic[1]), "not used");
	cable(2, false);
	check(0);
	assert_int_equal(announced, 1);
	cable(2, true); /* no going to and fro */
	check(0);
	cable(0, false);
	check(2);
	assert_int_equal(announced, 2);
	cable(2, false);
	check(-1);
	cable(0, true);
	check(0);
}

static void test_nonsense(void **state)
{
	(void)state;
	nic[0].link_up = true;
	uplink_start("uplink=");
	assert_int_equal(cards, 0);
	assert_null(uplink_card());
	start(state);
	uplink_start("uplink=,,eth,eth00, x");
	assert_int_equal(cards, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_second_has_the_cable, start),
		cmocka_unit_test_setup(test_no_cable_yet, start),
		cmocka_unit_test_setup(test_chosen, start),
		cmocka_unit_test_setup(test_bond, start),
		cmocka_unit_test_setup(test_nonsense, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
