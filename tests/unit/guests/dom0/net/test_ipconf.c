/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/cmdline.c guests/dom0/net/ipconf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "guests/dom0/net/ipconf.h"

static struct ip_config c;

static void modes(void **state)
{
	(void)state;
	assert_null(ip_config_parse("", &c));
	assert_int_equal(c.mode, IP_DHCP);
	assert_null(ip_config_parse("verbose vip=off x", &c));
	assert_int_equal(c.mode, IP_DHCP);
	assert_null(ip_config_parse("a ip=dhcp b", &c));
	assert_int_equal(c.mode, IP_DHCP);
	assert_null(ip_config_parse("vip=1 ip=off", &c));
	assert_int_equal(c.mode, IP_OFF);
}

static void statics(void **state)
{
	(void)state;
	assert_null(ip_config_parse("ip=192.168.1.2/24", &c));
	assert_int_equal(c.mode, IP_STATIC);
	assert_int_equal(c.address, inet_addr("192.168.1.2"));
	assert_int_equal(c.mask, inet_addr("255.255.255.0"));
	assert_int_equal(c.gateway, 0);
	assert_int_equal(c.dns, 0);
	assert_null(ip_config_parse("x ip=10.1.2.3/15,gw=10.0.0.1,dns=9.9.9.9 y", &c));
	assert_int_equal(c.mask, inet_addr("255.254.0.0"));
	assert_int_equal(c.gateway, inet_addr("10.0.0.1"));
	assert_int_equal(c.dns, inet_addr("9.9.9.9"));
	assert_null(ip_config_parse("ip=1.2.3.4/32", &c));
	assert_int_equal(c.mask, 0xffffffff);
	assert_null(ip_config_parse("ip=1.2.3.4/1,dns=1.1.1.1", &c));
	assert_int_equal(c.mask, inet_addr("128.0.0.0"));
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"ip=",
		"ip=foo",
		"ip=dhcpx",
		"ip=1.2.3/24",
		"ip=1.2.3.4",
		"ip=1.2.3.4/33",
		"ip=1.2.3.4/0",
		"ip=1.2.3.256/24",
		"ip=1.2.3.4/24,",
		"ip=1.2.3.4/24,gw=",
		"ip=1.2.3.4/24,gw=1.2.3",
		"ip=1.2.3.4/24x",
		"ip=1.2.3.4/24,mtu=9",
		"ip=1..3.4/24",
		"ip=99999999999999999999.1.1.1/8",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_non_null(ip_config_parse(bad[i], &c));
		assert_int_equal(c.mode, IP_OFF);
		assert_int_equal(c.address, 0);
	}
}

static void name_servers(void **state)
{
	static const char *const bad[] = {"dns=",          "dns=1.2.3",
					  "dns=1.2.3.4,",  "dns=1.2.3.4x",
					  "dns=1.2.3.4,,", "dns=1.1.1.1,2.2.2.2,",
					  "dns=,1.2.3.4",  "dns=1.1.1.1,2.2.2.2,3.3.3.3",
					  "dns=1.2.3.4,5", "dns=1.2.3.4,5  x=y"};
	uint32_t server[IP_NAME_SERVERS];

	(void)state;
	assert_null(ip_name_servers("ip=1.2.3.4/8,dns=9.9.9.9", server));
	assert_true(!server[0] && !server[1]);
	assert_null(ip_name_servers("ip=dhcp dns=1.2.3.4 ntp=off", server));
	assert_true(server[0] == inet_addr("1.2.3.4") && !server[1]);
	assert_null(ip_name_servers("dns=1.2.3.4,5.6.7.8", server));
	assert_true(server[0] == inet_addr("1.2.3.4") && server[1] == inet_addr("5.6.7.8"));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_non_null(ip_name_servers(bad[i], server));
		assert_true(!server[0] && !server[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(statics),
		cmocka_unit_test(refused),
		cmocka_unit_test(name_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
