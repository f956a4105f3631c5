/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/stats.h"

#include <stdio.h>
#include <string.h>

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

typedef void stats_put(const struct stats_fact *fact);

struct word {
	const char *word;
	unsigned number;
};

static unsigned number_of(const struct word *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].word, word))
			return words[i].number;
	return 0;
}

unsigned stats_state(const struct vm *vm)
{
	static const struct word words[] = {
		{"running", 1}, {"paused", 3}, {"in shutdown", 4}, {"shut off", 5}, {"crashed", 6},
	};

	return number_of(words, sizeof(words) / sizeof(words[0]), vm_state_name(vm));
}

/* virDomainRunningReason, virDomainPausedReason and virDomainShutoffReason share no word with
 * different numbers. */
unsigned stats_reason(const struct vm *vm)
{
	static const struct word words[] = {
		{"booted", 1},       {"unpaused", 5}, {"user", 1},
		{"starting up", 11}, {"shutdown", 1}, {"destroyed", 2},
		{"crashed", 3},      {"failed", 6},   {"panicked", 1},
	};

	return number_of(words, sizeof(words) / sizeof(words[0]), vm_reason(vm));
}

/* A vCPU that waits for a CPU or for dom0 runs, as QEMU's thread of it would. */
unsigned stats_vcpu_state(const struct sampo_vcpu_info *info)
{
	static const uint8_t state[] = {1, 1, 2, 1, 0, 0};

	return info->state < sizeof(state) ? state[info->state] : 0;
}

uint64_t stats_disk_bytes(const struct vm *vm, unsigned disk)
{
	const struct config_disk *of = &vm->config->disk[disk];
	struct blkdev *dev;

	return path_source(of->source, of->file, &dev) ? 0 : dev->sectors << 9;
}

void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic)
{
	if (*config->nic[nic].target)
		snprintf(text, STATS_NIC_NAME, "%s", config->nic[nic].target);
	else
		snprintf(text, STATS_NIC_NAME, "%s/%u", config->name, nic);
}

int stats_nic_find(const struct vm_config *config, const char *wanted)
{
	char name[STATS_NIC_NAME];
	uint8_t mac[MAC_BYTES];
	bool is_mac = mac_parse(wanted, mac);

	for (unsigned i = 0; i < config->nics; i++) {
		stats_nic_name(name, config, i);
		if (!strcmp(wanted, name) ||
		    (is_mac && !memcmp(mac, config->nic[i].mac, MAC_BYTES)))
			return (int)i;
	}
	return -1;
}

uint64_t stats_dom0_ns(const struct vm *vm)
{
	return clock_ticks_ns(vm->dom0_tsc);
}

/* Puts a text at *at, as far as it has room before `end`, and moves *at behind it. */
static void append(char **at, const char *end, const char *text)
{
	while (*text && *at < end)
		*(*at)++ = *text++;
}

static void append_number(char **at, const char *end, unsigned number)
{
	char digits[12], *first = digits + sizeof(digits) - 1;

	*first = 0;
	do
		*--first = (char)('0' + number % 10);
	while (number /= 10);
	append(at, end, first);
}

/* "GROUP.INDEX.NAME". There are dozens of them for each guest, and printf takes longer than all the
 * rest of a fact. */
static void name_fact(struct stats_fact *fact, const char *group, unsigned index, const char *name)
{
	char *at = fact->name;
	const char *end = at + sizeof(fact->name) - 1;

	append(&at, end, group);
	append(&at, end, ".");
	append_number(&at, end, index);
	append(&at, end, ".");
	append(&at, end, name);
	*at = 0;
}

static void number(stats_put *put, uint64_t value, const char *name)
{
	struct stats_fact fact;
	char *at = fact.name;

	fact.text = NULL;
	fact.number = value;
	append(&at, fact.name + sizeof(fact.name) - 1, name);
	*at = 0;
	put(&fact);
}

static void number_of_one(stats_put *put, uint64_t value, const char *group, unsigned index,
			  const char *name)
{
	struct stats_fact fact;

	fact.text = NULL;
	fact.number = value;
	name_fact(&fact, group, index, name);
	put(&fact);
}

static void text(stats_put *put, const char *group, unsigned index, const char *name,
		 const char *value)
{
	struct stats_fact fact;

	fact.text = value;
	fact.number = 0;
	name_fact(&fact, group, index, name);
	put(&fact);
}

static void put_state(struct vm *vm, stats_put *put)
{
	number(put, stats_state(vm), "state.state");
	number(put, stats_reason(vm), "state.reason");
}

static void put_cpu(struct vm *vm, stats_put *put)
{
	struct sampo_domain_info info;

	if (!vm_domain_info(vm, &info))
		return;
	number(put, info.cpu_ns, "cpu.time");
	number(put, stats_dom0_ns(vm), "cpu.system");
}

/* No guest has a balloon, so each has all of its memory. */
static void put_balloon(struct vm *vm, stats_put *put)
{
	struct sampo_domain_info info;

	number(put, vm->config->memory >> 10, "balloon.current");
	number(put, vm->config->memory >> 10, "balloon.maximum");
	if (vm_domain_info(vm, &info))
		number(put, info.memory_bytes >> 10, "balloon.rss");
}

static void put_vcpu(struct vm *vm, stats_put *put)
{
	struct sampo_vcpu_info info;

	number(put, vm->config->vcpus, "vcpu.current");
	number(put, vm->config->vcpus, "vcpu.maximum");
	for (unsigned i = 0; i < vm->config->vcpus; i++) {
		if (!vm_vcpu_info(vm, i, &info))
			continue;
		number_of_one(put, stats_vcpu_state(&info), "vcpu", i, "state");
		number_of_one(put, info.cpu_ns, "vcpu", i, "time");
		number_of_one(put, info.wait_ns, "vcpu", i, "wait");
	}
}

/* A cable of memory has no errors. */
static void put_interface(struct vm *vm, stats_put *put)
{
	struct virtio_net_stats s;
	char name[STATS_NIC_NAME];

	if (!vm->id)
		return;
	number(put, vm->config->nics, "net.count");
	for (unsigned i = 0; i < vm->config->nics; i++) {
		stats_nic_name(name, vm->config, i);
		text(put, "net", i, "name", name);
		if (!virtio_net_stats(vm, i, &s))
			continue;
		number_of_one(put, s.rx_bytes, "net", i, "rx.bytes");
		number_of_one(put, s.rx_frames, "net", i, "rx.pkts");
		number_of_one(put, 0, "net", i, "rx.errs");
		number_of_one(put, s.rx_dropped, "net", i, "rx.drop");
		number_of_one(put, s.tx_bytes, "net", i, "tx.bytes");
		number_of_one(put, s.tx_frames, "net", i, "tx.pkts");
		number_of_one(put, 0, "net", i, "tx.errs");
		number_of_one(put, s.tx_dropped, "net", i, "tx.drop");
	}
}

static void put_disk_counters(const struct virtio_blk_stats *s, unsigned i, stats_put *put)
{
	number_of_one(put, s->reads, "block", i, "rd.reqs");
	number_of_one(put, s->read_bytes, "block", i, "rd.bytes");
	number_of_one(put, s->writes, "block", i, "wr.reqs");
	number_of_one(put, s->written_bytes, "block", i, "wr.bytes");
	number_of_one(put, s->flushes, "block", i, "fl.reqs");
	number_of_one(put, s->errors, "block", i, "errors");
}

/* A guest's disk is a whole device or partition, so its allocation is its capacity. */
static void put_block(struct vm *vm, stats_put *put)
{
	struct virtio_blk_stats s;
	uint64_t bytes;

	number(put, vm->config->disks, "block.count");
	for (unsigned i = 0; i < vm->config->disks; i++) {
		text(put, "block", i, "name", vm->config->disk[i].target);
		text(put, "block", i, "path", vm->config->disk[i].source);
		if (virtio_blk_stats(vm, i, &s))
			put_disk_counters(&s, i, put);
		bytes = stats_disk_bytes(vm, i);
		if (!bytes)
			continue;
		number_of_one(put, bytes, "block", i, "allocation");
		number_of_one(put, bytes, "block", i, "capacity");
		number_of_one(put, bytes, "block", i, "physical");
	}
}

void stats_each(struct vm *vm, unsigned groups, stats_put *put)
{
	static void (*const group[])(struct vm * vm, stats_put * put) = {
		put_state, put_cpu, put_balloon, put_vcpu, put_interface, put_block,
	};

	for (unsigned i = 0; i < sizeof(group) / sizeof(group[0]); i++)
		if (groups >> i & 1)
			group[i](vm, put);
}
