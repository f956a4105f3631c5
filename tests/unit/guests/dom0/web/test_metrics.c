/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/web/metrics.c guests/dom0/manage/exit_names.c */
/*
 * The answer's lines for a machine of the test's: their form, escaped labels, the longest ones, and
 * guests that come and go while an answer is on its way.
 */
#include "guests/dom0/web/metrics.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"
#include "tests/unit/unit.h"

#define GUESTS 6u
#define ANSWER (1u << 20)

static struct vm guest[GUESTS];
static struct vm_config config[GUESTS];
static struct sampo_vcpu_page page;
static struct pool pool;
static char answer[ANSWER];
static bool has_facts;

/* --- the machine --- */

uint64_t clock_ns(void)
{
	return 12000000034ull;
}

void memory_usage(uint64_t *total, uint64_t *used)
{
	*total = 64 << 20;
	*used = 5;
}

bool host_facts(struct host_facts *facts)
{
	*facts = (struct host_facts){.memory = 100, .free = 99, .idle_ns = 1, .cpus = 4};
	return has_facts;
}

uint64_t host_version(void)
{
	return 6001002;
}

struct pool *pool_first(void)
{
	return &pool;
}

void pool_uuid(uint8_t uuid[16], const struct pool *of)
{
	(void)of;
	memset(uuid, 0xff, 16);
}

struct pool_sizes pool_sizes(const struct pool *of)
{
	(void)of;
	return (struct pool_sizes){.capacity = 30, .allocation = 20, .available = 10};
}

/* --- guests: a list of those with a name, in the array's order --- */

static struct vm *from(size_t i)
{
	while (i < GUESTS && !*guest[i].name)
		i++;
	return i < GUESTS ? &guest[i] : NULL;
}

struct vm *vm_first(void)
{
	return from(0);
}

struct vm *vm_next(const struct vm *vm)
{
	return from((size_t)(vm - guest) + 1);
}

bool vm_domain_info(struct vm *vm, struct sampo_domain_info *info)
{
	*info = (struct sampo_domain_info){.memory_bytes = 17, .cpu_ns = 1500000000};
	return vm->id;
}

bool vm_vcpu_info(struct vm *vm, unsigned vcpu, struct sampo_vcpu_info *info)
{
	*info = (struct sampo_vcpu_info){.cpu = 3, .cpu_ns = vcpu + 1, .wait_ns = 7};
	return vm->id;
}

const struct sampo_vcpu_page *vm_vcpu_page(const struct vm *vm, unsigned vcpu)
{
	return vm->id && vcpu < 2 ? &page : NULL;
}

uint64_t vm_up_ns(const struct vm *vm)
{
	return vm->id;
}

unsigned stats_state(const struct vm *vm)
{
	return vm->id ? 1 : 5;
}

unsigned stats_vcpu_state(const struct sampo_vcpu_info *info)
{
	return info->state;
}

uint64_t stats_disk_bytes(const struct vm *vm, unsigned disk)
{
	return vm->id ? 4096u + disk : 0;
}

void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic)
{
	snprintf(text, STATS_NIC_NAME, "%s/%u", config->name, nic);
}

uint64_t stats_dom0_ns(const struct vm *vm)
{
	return vm->id;
}

bool virtio_blk_stats(const struct vm *vm, unsigned disk, struct virtio_blk_stats *stats)
{
	*stats = (struct virtio_blk_stats){1, 2, 3, 4, 5, UINT64_MAX - disk};
	return vm->id;
}

bool virtio_net_stats(const struct vm *vm, unsigned nic, struct virtio_net_stats *stats)
{
	*stats = (struct virtio_net_stats){11, 12, 13, 14, 15, 16 + nic};
	return vm->id;
}

static void add(unsigned i, const char *name, uint8_t uuid, uint32_t id)
{
	guest[i].id = id;
	guest[i].config = &config[i];
	snprintf(guest[i].name, sizeof(guest[i].name), "%s", name);
	config[i] = (struct vm_config){.memory = 1 << 20, .vcpus = 2, .disks = 2, .nics = 1};
	snprintf(config[i].name, sizeof(config[i].name), "%s", name);
	memset(config[i].uuid, uuid, sizeof(config[i].uuid));
	strcpy(config[i].disk[0].target, "vda");
	strcpy(config[i].disk[1].target, "vdb");
}

static int set_up(void **state)
{
	(void)state;
	memset(guest, 0, sizeof(guest));
	memset(&page, 0, sizeof(page));
	pool.group.name = "data";
	has_facts = true;
	return 0;
}

/* --- answers --- */

/* Returns false at the end. */
static bool step(struct metrics *metrics)
{
	size_t used = strlen(answer), n;
	char line[METRICS_LINE];

	n = metrics_step(metrics, line);
	assert_true(n < METRICS_LINE - 1 && used + n < ANSWER);
	if (n)
		assert_true(line[n - 1] == '\n' && strlen(line) == n);
	memcpy(answer + used, line, n);
	answer[used + n] = 0;
	return !metrics->ended;
}

static void ask(void)
{
	struct metrics metrics = {0};

	*answer = 0;
	while (step(&metrics))
		;
	assert_int_equal(metrics_step(&metrics, (char[METRICS_LINE]){0}), 0);
}

static unsigned count(const char *text)
{
	unsigned n = 0;

	for (const char *at = strstr(answer, text); at; at = strstr(at + 1, text))
		n++;
	return n;
}

static void has(const char *line)
{
	char whole[METRICS_LINE];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (count(whole) != 1)
		fail_msg("%u times: %s", count(whole), line);
}

static void all_facts(void **state)
{
	(void)state;
	add(0, "web", 0x11, 5);
	add(1, "off", 0, 0);
	page.exits[3] = 20;
	ask();
	assert_memory_equal(answer, "# HELP libvirt_up ", 18);
	has("libvirt_up 1");
	has("libvirt_versions_info{hypervisor_running=\"6.1.2\",libvirtd_running=\"6.1.2\","
	    "libvirt_library=\"6.1.2\"} 1");
	has("libvirt_domains 2");
	has("sampo_host_cpu_idle_seconds_total 0.000000001");
	has("sampo_uptime_seconds 12.000000034");
	has("# TYPE libvirt_pool_info_capacity_bytes gauge");
	has("libvirt_pool_info_available_bytes{pool=\"data\"} 10");
	has("libvirt_domain_info_meta{domain=\"web\",uuid=\"11111111-1111-1111-1111-111111111111\"}"
	    " 1");
	has("libvirt_domain_info_vstate{domain=\"web\"} 1");
	has("libvirt_domain_info_vstate{domain=\"off\"} 5");
	has("# TYPE libvirt_domain_info_cpu_time_seconds_total counter");
	has("libvirt_domain_info_cpu_time_seconds_total{domain=\"web\"} 1.500000000");
	assert_int_equal(count("info_cpu_time_seconds_total{"), 1);
	has("libvirt_domain_vcpu_time_seconds_total{domain=\"web\",vcpu=\"1\"} 0.000000002");
	has("libvirt_domain_block_stats_read_bytes_total{domain=\"web\",source_file=\"\","
	    "target_device=\"vdb\"} 2");
	has("sampo_domain_block_errors_total{domain=\"web\",source_file=\"\",target_device="
	    "\"vda\"} 18446744073709551615");
	has("libvirt_domain_interface_stats_transmit_drops_total{domain=\"web\",source_bridge="
	    "\"\",target_device=\"web/0\"} 16");
	has("sampo_domain_exits_total{domain=\"web\",reason=\"CPUID\"} 40");
	assert_int_equal(count("sampo_domain_exits_total{"), 1);
	has_facts = false;
	ask();
	assert_int_equal(count("\nsampo_host_cpus"), 0);
	has("libvirt_domain_info_vstate{domain=\"web\"} 1");
}

static void escapes(void **state)
{
	(void)state;
	add(0, "a\\b\"c\nd}\xc3\xa4", 1, 0);
	ask();
	has("libvirt_domain_info_vstate{domain=\"a\\\\b\\\"c\\nd}\xc3\xa4\"} 5");
}

/* All texts are as long as they may be, and each byte is escaped. */
static void longest(void **state)
{
	static char bytes[CONFIG_SOURCE];

	(void)state;
	memset(bytes, '"', sizeof(bytes) - 1);
	add(0, bytes, 1, 1);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(config[0].disk[i].source, bytes, CONFIG_SOURCE);
		memset(config[0].disk[i].target, '"', sizeof(config[0].disk[i].target) - 1);
		memset(config[0].disk[i].serial, '"', sizeof(config[0].disk[i].serial) - 1);
		config[0].disk[i].qcow2 = true;
	}
	memset(config[0].nic[0].source, '\\', sizeof(config[0].nic[0].source) - 1);
	ask();
	assert_int_equal(count("driver_type=\"qcow2\"} 1\n"), 2);
}

/* One that is there all the time is told once in each family, whatever becomes of others. */
static void comings_and_goings(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct metrics metrics = {0};

		set_up(NULL);
		*answer = 0;
		for (unsigned i = 0; i < GUESTS; i++)
			if (i == 2 || random_below(2))
				add(i, i == 2 ? "stays" : "x", (uint8_t)(0x80 + 0x10 * i), i);
		while (step(&metrics)) {
			unsigned i = (unsigned)random_below(GUESTS);

			if (i == 2 || random_below(8))
				continue;
			if (*guest[i].name)
				*guest[i].name = 0;
			else
				add(i, "x", (uint8_t)(0x80 + 0x10 * i), i);
		}
		has("libvirt_domain_info_vstate{domain=\"stays\"} 1");
		assert_int_equal(count("vcpu_state{domain=\"stays\",vcpu=\"0\"}"), 1);
		assert_int_equal(count("vcpu_state{domain=\"stays\",vcpu=\"1\"}"), 1);
		assert_int_equal(count("target_device=\"stays/0\"}"), 9);
		assert_int_equal(count("libvirt_domain_block_meta{domain=\"stays\""), 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_facts, set_up),
		cmocka_unit_test_setup(escapes, set_up),
		cmocka_unit_test_setup(longest, set_up),
		cmocka_unit_test_setup(comings_and_goings, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
