/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests' counters. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/rpc/domains.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/lists.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define PATH 256

/* --- one guest --- */

/* A guest that runs; NULL after call_fail. */
static struct vm *running_domain(struct call *call)
{
	struct vm *vm = call_domain(call);

	if (vm && !vm->id) {
		call_fail(call, ERROR_INVALID, "%s", tune_not_running);
		return NULL;
	}
	return vm;
}

#define MEMORY_ACTUAL 6u /* virDomainMemoryStatTags */
#define MEMORY_RSS    7u

void counters_memory(struct call *call)
{
	struct vm *vm = running_domain(call);
	uint32_t most = xdr_u32(&call->in);
	struct sampo_domain_info info;

	if (!vm)
		return;
	vm_domain_info(vm, &info);
	most = most < 2 ? most : 2;
	xdr_put_u32(&call->out, most);
	if (most > 0) {
		xdr_put_u32(&call->out, MEMORY_ACTUAL);
		xdr_put_u64(&call->out, vm->config->memory >> 10);
	}
	if (most > 1) {
		xdr_put_u32(&call->out, MEMORY_RSS);
		xdr_put_u64(&call->out, info.memory_bytes >> 10);
	}
}

/* The kernel counts no times by physical CPU, so there is the total alone. */
void counters_cpu(struct call *call)
{
	struct vm *vm = running_domain(call);
	uint32_t most = xdr_u32(&call->in);
	int32_t first = xdr_i32(&call->in);
	struct sampo_domain_info info;

	if (!vm || !call_read(call))
		return;
	vm_domain_info(vm, &info);
	if (first >= 0)
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: times by physical CPU; the total is there");
	xdr_put_u32(&call->out, most < 2 ? 0 : 2);
	if (most >= 2) {
		xdr_put_number(&call->out, "cpu_time", XDR_ULLONG, info.cpu_ns);
		xdr_put_number(&call->out, "system_time", XDR_ULLONG, stats_dom0_ns(vm));
	}
	xdr_put_i32(&call->out, 2);
}

/* --- disks, by target or source --- */

static int find_disk(const struct vm *vm, const char *path)
{
	for (unsigned i = 0; i < vm->config->disks; i++)
		if (!strcmp(path, vm->config->disk[i].target) ||
		    !strcmp(path, vm->config->disk[i].source))
			return (int)i;
	return -1;
}

/* An empty path stands for all disks. Returns false after call_fail. */
static bool disk_counters(struct call *call, const struct vm *vm, const char *path,
			  struct virtio_blk_stats *sum)
{
	struct virtio_blk_stats s;
	int only = *path ? find_disk(vm, path) : -1;

	*sum = (struct virtio_blk_stats){0};
	if (*path && only < 0) {
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: invalid path: %s", path);
		return false;
	}
	for (unsigned i = 0; i < vm->config->disks; i++) {
		if ((*path && (int)i != only) || !virtio_blk_stats(vm, i, &s))
			continue;
		sum->reads += s.reads;
		sum->read_bytes += s.read_bytes;
		sum->writes += s.writes;
		sum->written_bytes += s.written_bytes;
		sum->flushes += s.flushes;
		sum->errors += s.errors;
	}
	return true;
}

void counters_block(struct call *call)
{
	struct vm *vm = running_domain(call);
	struct virtio_blk_stats s;
	char path[PATH];

	xdr_text(&call->in, path, sizeof(path));
	if (!vm || !call_read(call) || !disk_counters(call, vm, path, &s))
		return;
	xdr_put_u64(&call->out, s.reads);
	xdr_put_u64(&call->out, s.read_bytes);
	xdr_put_u64(&call->out, s.writes);
	xdr_put_u64(&call->out, s.written_bytes);
	xdr_put_u64(&call->out, s.errors);
}

/* In two steps: first the number of figures, then they themselves. */
void counters_block_flags(struct call *call)
{
	struct vm *vm = running_domain(call);
	struct virtio_blk_stats s;
	char path[PATH];
	int32_t most;

	xdr_text(&call->in, path, sizeof(path));
	most = xdr_i32(&call->in);
	if (!vm || !call_read(call) || !disk_counters(call, vm, path, &s))
		return;
	const struct {
		const char *name;
		uint64_t value;
	} figure[] = {
		{"rd_operations", s.reads},  {"rd_bytes", s.read_bytes},
		{"wr_operations", s.writes}, {"wr_bytes", s.written_bytes},
		{"errs", s.errors},          {"flush_operations", s.flushes},
	};
	uint32_t n = sizeof(figure) / sizeof(figure[0]);
	uint32_t some = most < 0 ? 0 : (uint32_t)most < n ? (uint32_t)most : n;

	xdr_put_u32(&call->out, some);
	for (uint32_t i = 0; i < some; i++)
		xdr_put_number(&call->out, figure[i].name, XDR_LLONG, figure[i].value);
	xdr_put_u32(&call->out, some ? 0 : n);
}

/* A guest's disk is a whole device, partition or volume, so its allocation is its capacity. */
void counters_block_info(struct call *call)
{
	struct vm *vm = call_domain(call);
	char path[PATH];
	int disk;

	xdr_text(&call->in, path, sizeof(path));
	if (!vm || !call_read(call))
		return;
	disk = find_disk(vm, path);
	if (disk < 0)
		call_fail(call, ERROR_INVALID_ARG,
			  "invalid argument: invalid path %s not assigned to domain", path);
	for (unsigned i = 0; disk >= 0 && i < 3; i++)
		xdr_put_u64(&call->out, stats_disk_bytes(vm, (unsigned)disk));
}

/* --- interfaces, by name or address --- */

/* A cable of memory has no errors. */
void counters_interface(struct call *call)
{
	struct vm *vm = running_domain(call);
	struct virtio_net_stats s;
	char name[PATH];
	int nic;

	xdr_text(&call->in, name, sizeof(name));
	if (!vm || !call_read(call))
		return;
	nic = stats_nic_find(vm->config, name);
	if (nic < 0 || !virtio_net_stats(vm, (unsigned)nic, &s)) {
		call_fail(call, ERROR_INVALID_ARG,
			  "invalid argument: '%s' is not a known interface", name);
		return;
	}
	xdr_put_u64(&call->out, s.rx_bytes);
	xdr_put_u64(&call->out, s.rx_frames);
	xdr_put_u64(&call->out, 0);
	xdr_put_u64(&call->out, s.rx_dropped);
	xdr_put_u64(&call->out, s.tx_bytes);
	xdr_put_u64(&call->out, s.tx_frames);
	xdr_put_u64(&call->out, 0);
	xdr_put_u64(&call->out, s.tx_dropped);
}

/* The address that the guest has told by ARP; 0: none yet. */
static uint32_t address_of(const uint8_t mac[6])
{
	for (const struct net_port *port = switch_first(); port; port = port->next)
		if (!memcmp(port->mac, mac, 6))
			return port->ipv4;
	return 0;
}

static void put_address(struct xdr_out *out, const struct vm *vm, unsigned nic, uint32_t address)
{
	char name[STATS_NIC_NAME], mac[MAC_TEXT], text[sizeof("255.255.255.255")];

	stats_nic_name(name, vm->config, nic);
	xdr_put_text(out, name);
	xdr_put_some_text(out, mac_text(mac, vm->config->nic[nic].mac));
	snprintf(text, sizeof(text), "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		 address >> 8 & 255, address & 255);
	xdr_put_u32(out, 1);
	xdr_put_u32(out, 0); /* virIPAddrType: IPv4 */
	xdr_put_text(out, text);
	xdr_put_u32(out, 0); /* the prefix is not known */
}

#define SOURCE_AGENT 1u

/* The switch hears ARP alone, whatever source the client asks for. */
void counters_addresses(struct call *call)
{
	struct vm *vm = running_domain(call);
	uint32_t source = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, true);

	if (vm && source == SOURCE_AGENT)
		call_fail(call, ERROR_INVALID_ARG, "argument unsupported: there is no guest agent");
	for (unsigned i = 0; vm && i < vm->config->nics; i++) {
		uint32_t address = address_of(vm->config->nic[i].mac);

		if (address && list_one(&list))
			put_address(&call->out, vm, i, address);
	}
	list_end_short(&list);
}
