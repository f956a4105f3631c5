/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client takes its answer as slowly as it likes, and guests come and go meanwhile. So an answer
 * keeps no pointer to a guest and no place in their list: it goes through them in the order of
 * their UUIDs and keeps the place among those. A guest that is there from beginning to end is told
 * once in each family, whatever becomes of others.
 */
#include "guests/dom0/web/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/exit_names.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define NS 1000000000u

typedef unsigned long long llu;

enum of { HOST, POOL, GUEST, VCPU, DISK, NIC, EXIT };

/* A sample's: one of vm and pool, or neither. */
struct place {
	struct vm *vm;
	const struct pool *pool;
	unsigned part;
};

struct text {
	char *line;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	size_t room = METRICS_LINE - text->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->line + text->used, room, format, args);
	va_end(args);
	text->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* Prometheus's text format: a value has its backslashes, quotes and line ends escaped. */
static void put_label(struct text *text, const char *name, const char *value)
{
	put(text, ",%s=\"", name);
	for (; *value; value++)
		if (*value == '\n')
			put(text, "\\n");
		else
			put(text, *value == '\\' || *value == '"' ? "\\%c" : "%c", *value);
	put(text, "\"");
}

/* --- numbers --- */

/* The members of these structures are numbers of 64 bits, of which a family names one. */
static uint64_t member(const void *structure, size_t at)
{
	uint64_t number;

	memcpy(&number, (const char *)structure + at, sizeof(number));
	return number;
}

struct machine {
	uint64_t one, guests, cpus, memory, free, idle_ns, up_ns, dom0_memory, dom0_used;
};

static bool machine_number(const struct place *place, size_t at, uint64_t *value)
{
	struct machine machine = {.one = 1, .up_ns = clock_ns()};
	struct host_facts facts;

	(void)place;
	for (const struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		machine.guests++;
	memory_usage(&machine.dom0_memory, &machine.dom0_used);
	if (!host_facts(&facts))
		return false;
	machine.cpus = facts.cpus;
	machine.memory = facts.memory;
	machine.free = facts.free;
	machine.idle_ns = facts.idle_ns;
	*value = member(&machine, at);
	return true;
}

static bool pool_number(const struct place *place, size_t at, uint64_t *value)
{
	struct pool_sizes sizes = pool_sizes(place->pool);

	*value = member(&sizes, at);
	return true;
}

struct guest {
	uint64_t one, state, memory, vcpus;
};

/* The facts that a guest has also while it is off. */
static bool guest_number(const struct place *place, size_t at, uint64_t *value)
{
	const struct guest guest = {
		.one = 1,
		.state = stats_state(place->vm),
		.memory = place->vm->config->memory,
		.vcpus = place->vm->config->vcpus,
	};

	*value = member(&guest, at);
	return true;
}

struct run {
	uint64_t memory, resident, cpu_ns, dom0_ns, up_ns;
};

static bool run_number(const struct place *place, size_t at, uint64_t *value)
{
	struct sampo_domain_info info;
	struct run run;

	if (!vm_domain_info(place->vm, &info))
		return false;
	run = (struct run){
		.memory = place->vm->config->memory,
		.resident = info.memory_bytes,
		.cpu_ns = info.cpu_ns,
		.dom0_ns = stats_dom0_ns(place->vm),
		.up_ns = vm_up_ns(place->vm),
	};
	*value = member(&run, at);
	return true;
}

struct vcpu {
	uint64_t state, cpu, cpu_ns, wait_ns;
};

static bool vcpu_number(const struct place *place, size_t at, uint64_t *value)
{
	struct sampo_vcpu_info info;
	struct vcpu vcpu;

	if (!vm_vcpu_info(place->vm, place->part, &info))
		return false;
	vcpu = (struct vcpu){
		.state = stats_vcpu_state(&info),
		.cpu = info.cpu,
		.cpu_ns = info.cpu_ns,
		.wait_ns = info.wait_ns,
	};
	*value = member(&vcpu, at);
	return true;
}

static bool disk_number(const struct place *place, size_t at, uint64_t *value)
{
	struct virtio_blk_stats stats;

	if (!virtio_blk_stats(place->vm, place->part, &stats))
		return false;
	*value = member(&stats, at);
	return true;
}

static bool disk_size(const struct place *place, size_t at, uint64_t *value)
{
	(void)at;
	*value = stats_disk_bytes(place->vm, place->part);
	return *value;
}

static bool nic_number(const struct place *place, size_t at, uint64_t *value)
{
	struct virtio_net_stats stats;

	if (!virtio_net_stats(place->vm, place->part, &stats))
		return false;
	*value = member(&stats, at);
	return true;
}

/* A cable of memory has no errors. */
static bool nic_errors(const struct place *place, size_t at, uint64_t *value)
{
	struct virtio_net_stats stats;

	(void)at;
	*value = 0;
	return virtio_net_stats(place->vm, place->part, &stats);
}

/* Of all the guest's vCPUs. A kind that has not come yet has no sample. */
static bool exit_number(const struct place *place, size_t at, uint64_t *value)
{
	(void)at;
	*value = 0;
	for (unsigned i = 0; i < place->vm->config->vcpus; i++) {
		const struct sampo_vcpu_page *page = vm_vcpu_page(place->vm, i);

		if (page)
			*value += page->exits[place->part];
	}
	return *value;
}

/* --- labels --- */

static void put_versions(struct text *text, const struct place *place)
{
	uint64_t version = host_version();
	char number[48];

	(void)place;
	snprintf(number, sizeof(number), "%llu.%llu.%llu", (llu)(version / 1000000),
		 (llu)(version / 1000 % 1000), (llu)(version % 1000));
	put_label(text, "hypervisor_running", number);
	put_label(text, "libvirtd_running", number);
	put_label(text, "libvirt_library", number);
}

static void put_uuid(struct text *text, const struct place *place)
{
	const uint8_t *u = place->vm->config->uuid;
	char uuid[37];

	snprintf(uuid, sizeof(uuid),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
	put_label(text, "uuid", uuid);
}

static void put_disk_kind(struct text *text, const struct place *place)
{
	const struct config_disk *disk = &place->vm->config->disk[place->part];

	put_label(text, "serial", disk->serial);
	put_label(text, "bus", "virtio");
	put_label(text, "disk_type", disk->file ? "file" : "block");
	put_label(text, "driver_type", disk->qcow2 ? "qcow2" : "raw");
}

static void put_place(struct text *text, enum of of, const struct place *place)
{
	char name[STATS_NIC_NAME];

	if (place->pool)
		put_label(text, "pool", place->pool->group.name);
	if (place->vm)
		put_label(text, "domain", place->vm->name);
	if (of == VCPU) {
		snprintf(name, sizeof(name), "%u", place->part);
		put_label(text, "vcpu", name);
	} else if (of == DISK) {
		put_label(text, "source_file", place->vm->config->disk[place->part].source);
		put_label(text, "target_device", place->vm->config->disk[place->part].target);
	} else if (of == NIC) {
		stats_nic_name(name, place->vm->config, place->part);
		put_label(text, "source_bridge", place->vm->config->nic[place->part].source);
		put_label(text, "target_device", name);
	} else if (of == EXIT) {
		put_label(text, "reason", exit_name(place->part));
	}
}

/* --- families --- */

enum type { COUNTER, GAUGE, COUNTER_NS, GAUGE_NS };

static const struct family {
	const char *name;
	enum of of;
	enum type type;
	bool (*value)(const struct place *place, size_t at, uint64_t *value);
	size_t at;
	const char *help;
	void (*labels)(struct text *text, const struct place *place); /* more of them, or NULL */
} families[] = {
	{"libvirt_up", HOST, GAUGE, machine_number, offsetof(struct machine, one),
	 "1: the facts have been read.", NULL},
	{"libvirt_versions_info", HOST, GAUGE, machine_number, offsetof(struct machine, one),
	 "The versions, as labels.", put_versions},
	{"libvirt_domains", HOST, GAUGE, machine_number, offsetof(struct machine, guests),
	 "Guests that are defined.", NULL},
	{"sampo_host_cpus", HOST, GAUGE, machine_number, offsetof(struct machine, cpus),
	 "CPUs of the machine.", NULL},
	{"sampo_host_cpu_idle_seconds_total", HOST, COUNTER_NS, machine_number,
	 offsetof(struct machine, idle_ns), "Time that the CPUs spent idle, all together.", NULL},
	{"sampo_host_memory_bytes", HOST, GAUGE, machine_number, offsetof(struct machine, memory),
	 "Memory of the machine.", NULL},
	{"sampo_host_memory_free_bytes", HOST, GAUGE, machine_number,
	 offsetof(struct machine, free), "Memory of the machine that nobody has.", NULL},
	{"sampo_uptime_seconds", HOST, GAUGE_NS, machine_number, offsetof(struct machine, up_ns),
	 "Time since the start of dom0.", NULL},
	{"sampo_dom0_memory_bytes", HOST, GAUGE, machine_number,
	 offsetof(struct machine, dom0_memory), "Memory of dom0.", NULL},
	{"sampo_dom0_memory_used_bytes", HOST, GAUGE, machine_number,
	 offsetof(struct machine, dom0_used), "Memory of dom0 that is in use.", NULL},

	{"libvirt_pool_info_capacity_bytes", POOL, GAUGE, pool_number,
	 offsetof(struct pool_sizes, capacity), "Size of the pool.", NULL},
	{"libvirt_pool_info_allocation_bytes", POOL, GAUGE, pool_number,
	 offsetof(struct pool_sizes, allocation), "Bytes of the pool that volumes have.", NULL},
	{"libvirt_pool_info_available_bytes", POOL, GAUGE, pool_number,
	 offsetof(struct pool_sizes, available), "Bytes of the pool that no volume has.", NULL},

	{"libvirt_domain_info_meta", GUEST, GAUGE, guest_number, offsetof(struct guest, one),
	 "The guest's identity, as labels.", put_uuid},
	{"libvirt_domain_info_vstate", GUEST, GAUGE, guest_number, offsetof(struct guest, state),
	 "virDomainState: 1 running, 3 paused, 4 in shutdown, 5 shut off, 6 crashed.", NULL},
	{"libvirt_domain_info_maximum_memory_bytes", GUEST, GAUGE, guest_number,
	 offsetof(struct guest, memory), "Memory that the guest may have.", NULL},
	{"libvirt_domain_info_virtual_cpus", GUEST, GAUGE, guest_number,
	 offsetof(struct guest, vcpus), "Virtual CPUs of the guest.", NULL},
	{"libvirt_domain_info_memory_usage_bytes", GUEST, GAUGE, run_number,
	 offsetof(struct run, memory), "Memory that the guest has.", NULL},
	{"libvirt_domain_memory_stats_rss_bytes", GUEST, GAUGE, run_number,
	 offsetof(struct run, resident), "Memory that the machine gives for the guest.", NULL},
	{"libvirt_domain_info_cpu_time_seconds_total", GUEST, COUNTER_NS, run_number,
	 offsetof(struct run, cpu_ns), "CPU time of all the guest's vCPUs.", NULL},
	{"sampo_domain_dom0_seconds_total", GUEST, COUNTER_NS, run_number,
	 offsetof(struct run, dom0_ns), "Time that dom0 worked for the guest's devices.", NULL},
	{"sampo_domain_uptime_seconds", GUEST, GAUGE_NS, run_number, offsetof(struct run, up_ns),
	 "Time since the guest's last start or reset.", NULL},

	{"libvirt_domain_vcpu_state", VCPU, GAUGE, vcpu_number, offsetof(struct vcpu, state),
	 "virVcpuState: 0 offline, 1 running, 2 blocked.", NULL},
	{"libvirt_domain_vcpu_cpu", VCPU, GAUGE, vcpu_number, offsetof(struct vcpu, cpu),
	 "The CPU that the vCPU runs on or ran on last.", NULL},
	{"libvirt_domain_vcpu_time_seconds_total", VCPU, COUNTER_NS, vcpu_number,
	 offsetof(struct vcpu, cpu_ns), "CPU time of the vCPU.", NULL},
	{"libvirt_domain_vcpu_delay_seconds_total", VCPU, COUNTER_NS, vcpu_number,
	 offsetof(struct vcpu, wait_ns),
	 "Time that the vCPU was ready and waited for a CPU: its steal time.", NULL},

	{"libvirt_domain_block_meta", DISK, GAUGE, guest_number, offsetof(struct guest, one),
	 "Facts about the disk, as labels.", put_disk_kind},
	{"libvirt_domain_block_stats_read_requests_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, reads), "Reads from the disk.", NULL},
	{"libvirt_domain_block_stats_read_bytes_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, read_bytes), "Bytes read from the disk.", NULL},
	{"libvirt_domain_block_stats_write_requests_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, writes), "Writes to the disk.", NULL},
	{"libvirt_domain_block_stats_write_bytes_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, written_bytes), "Bytes written to the disk.", NULL},
	{"libvirt_domain_block_stats_flush_requests_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, flushes), "Flushes of the disk.", NULL},
	{"sampo_domain_block_errors_total", DISK, COUNTER, disk_number,
	 offsetof(struct virtio_blk_stats, errors), "Requests of the disk that failed.", NULL},
	{"libvirt_domain_block_stats_capacity", DISK, GAUGE, disk_size, 0,
	 "Bytes of the device behind the disk.", NULL},
	{"libvirt_domain_block_stats_allocation", DISK, GAUGE, disk_size, 0,
	 "Bytes of the device behind the disk, all of which the disk has.", NULL},
	{"libvirt_domain_block_stats_physicalsize_bytes", DISK, GAUGE, disk_size, 0,
	 "Bytes of the device behind the disk.", NULL},

	{"libvirt_domain_interface_meta", NIC, GAUGE, guest_number, offsetof(struct guest, one),
	 "Facts about the interface, as labels.", NULL},
	{"libvirt_domain_interface_stats_receive_bytes_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, rx_bytes), "Bytes that the guest received.", NULL},
	{"libvirt_domain_interface_stats_receive_packets_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, rx_frames), "Frames that the guest received.", NULL},
	{"libvirt_domain_interface_stats_receive_errors_total", NIC, COUNTER, nic_errors, 0,
	 "Errors of reception, of which there are none.", NULL},
	{"libvirt_domain_interface_stats_receive_drops_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, rx_dropped),
	 "Frames to the guest for which it had no room.", NULL},
	{"libvirt_domain_interface_stats_transmit_bytes_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, tx_bytes), "Bytes that the guest sent.", NULL},
	{"libvirt_domain_interface_stats_transmit_packets_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, tx_frames), "Frames that the guest sent.", NULL},
	{"libvirt_domain_interface_stats_transmit_errors_total", NIC, COUNTER, nic_errors, 0,
	 "Errors of sending, of which there are none.", NULL},
	{"libvirt_domain_interface_stats_transmit_drops_total", NIC, COUNTER, nic_number,
	 offsetof(struct virtio_net_stats, tx_dropped),
	 "Frames of the guest that the switch dropped.", NULL},

	{"sampo_domain_exits_total", EXIT, COUNTER, exit_number, 0,
	 "Exits of all the guest's vCPUs to the hypervisor, by their reason.", NULL},
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static size_t put_head(const struct family *family, char *line)
{
	struct text text = {line, 0};
	bool counter = family->type == COUNTER || family->type == COUNTER_NS;

	put(&text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
	    counter ? "counter" : "gauge");
	return text.used;
}

static size_t put_sample(const struct family *family, const struct place *place, uint64_t value,
			 char *line)
{
	struct text text = {line, 0};
	size_t begin;

	put(&text, "%s", family->name);
	begin = text.used;
	put_place(&text, family->of, place);
	if (family->labels)
		family->labels(&text, place);
	if (text.used > begin) { /* in the place of the first label's comma */
		line[begin] = '{';
		put(&text, "}");
	}
	if (family->type == COUNTER_NS || family->type == GAUGE_NS)
		put(&text, " %llu.%09llu\n", (llu)(value / NS), (llu)(value % NS));
	else
		put(&text, " %llu\n", (llu)value);
	return text.used;
}

/* --- the way through --- */

static void next_family(struct metrics *metrics)
{
	const unsigned family = metrics->family + 1;

	*metrics = (struct metrics){.family = family, .ended = family == FAMILIES};
}

/* Behind a thing. The highest UUID has none behind it. */
static void next_thing(struct metrics *metrics)
{
	unsigned byte = sizeof(metrics->uuid);

	metrics->part = 0;
	while (byte && !++metrics->uuid[byte - 1])
		byte--;
	if (!byte)
		next_family(metrics);
}

/* Is the UUID at or behind the place, and nearer to it than `best`, which it becomes then? */
static bool is_nearer(const struct metrics *metrics, const uint8_t uuid[16], uint8_t best[16],
		      bool have_best)
{
	if (memcmp(uuid, metrics->uuid, 16) < 0 || (have_best && memcmp(uuid, best, 16) >= 0))
		return false;
	memcpy(best, uuid, 16);
	return true;
}

/* Returns false if the family has no more things; the machine is one, of the UUID of zeros. */
static bool find_thing(const struct metrics *metrics, enum of of, struct place *place,
		       uint8_t best[16])
{
	static const uint8_t zeros[16];
	uint8_t uuid[16];

	*place = (struct place){0};
	if (of == HOST)
		return is_nearer(metrics, zeros, best, false);
	for (const struct pool *pool = of == POOL ? pool_first() : NULL; pool; pool = pool->next) {
		pool_uuid(uuid, pool);
		if (is_nearer(metrics, uuid, best, place->pool))
			place->pool = pool;
	}
	for (struct vm *vm = of == POOL ? NULL : vm_first(); vm; vm = vm_next(vm))
		if (is_nearer(metrics, vm->config->uuid, best, place->vm))
			place->vm = vm;
	return place->pool || place->vm;
}

static unsigned parts_of(enum of of, const struct place *place)
{
	switch (of) {
	case VCPU:
		return place->vm->config->vcpus;
	case DISK:
		return place->vm->config->disks;
	case NIC:
		return place->vm->config->nics;
	case EXIT:
		return SAMPO_EXIT_COUNTERS;
	default:
		return 1;
	}
}

/* The next sample's place. Returns false if the step leads to none. */
static bool find_place(struct metrics *metrics, const struct family *family, struct place *place)
{
	uint8_t uuid[16];

	if (!find_thing(metrics, family->of, place, uuid)) {
		next_family(metrics);
		return false;
	}
	if (memcmp(uuid, metrics->uuid, sizeof(uuid)) != 0)
		metrics->part = 0;
	memcpy(metrics->uuid, uuid, sizeof(uuid));
	if (metrics->part >= parts_of(family->of, place)) {
		next_thing(metrics);
		return false;
	}
	place->part = metrics->part++;
	return true;
}

size_t metrics_step(struct metrics *metrics, char line[METRICS_LINE])
{
	const struct family *family = &families[metrics->family];
	struct place place;
	uint64_t value;

	if (metrics->ended)
		return 0;
	if (!metrics->described) {
		metrics->described = true;
		return put_head(family, line);
	}
	if (!find_place(metrics, family, &place) || !family->value(&place, family->at, &value))
		return 0;
	return put_sample(family, &place, value, line);
}
