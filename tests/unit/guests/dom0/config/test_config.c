/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/config/config.c guests/dom0/config/elements.c guests/dom0/config/devices.c guests/dom0/config/screen.c guests/dom0/config/firmware.c guests/dom0/config/disk.c */
/* sources: guests/dom0/config/values.c guests/dom0/config/ignored.c guests/dom0/config/metadata.c guests/dom0/config/alias.c guests/dom0/config/absent.c guests/dom0/config/dump.c guests/dom0/base/cpuset.c guests/dom0/base/mac.c guests/dom0/base/xml.c */
/* libs: expat */
/* Domain XML: what is understood, what is refused and with which words. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"

#define KERNEL "<os><type>hvm</type><kernel>vmlinuz</kernel></os>"
#define START  "<domain type='kvm'><name>g</name><memory unit='MiB'>64</memory>"
#define REST   KERNEL "</domain>"

static struct config_error error;

static struct vm_config *parse(const char *xml)
{
	memset(&error, 0, sizeof(error));
	return config_parse("dir/g.xml", xml, strlen(xml), &error);
}

/* The description is refused, and the message has these words. */
static void refused(const char *xml, const char *words)
{
	struct vm_config *config = parse(xml);

	assert_null(config);
	if (!strstr(error.refusals.text, words))
		fail_msg("'%s' is not in '%s'", words, error.refusals.text);
}

static struct vm_config *accepted(const char *xml)
{
	struct vm_config *config = parse(xml);

	if (!config)
		fail_msg("%s", error.refusals.text);
	return config;
}

static const char full[] =
	"<?xml version='1.0'?>\n"
	"<!-- as virt-install would write it, nearly -->\n"
	"<domain type='kvm' id='3'>\n"
	"  <name>linux-1</name>\n"
	"  <uuid>01234567-89ab-cdef-0123-456789ABCDEF</uuid>\n"
	"  <title>A guest</title>\n"
	"  <metadata><x:y xmlns:x='urn:x'><x:z/>text</x:y></metadata>\n"
	"  <memory unit='KiB'>524289</memory>\n"
	"  <currentMemory unit='KiB'>524289</currentMemory>\n"
	"  <vcpu placement='static'>1</vcpu>\n"
	"  <cputune><shares>2048</shares></cputune>\n"
	"  <os><type arch='x86_64' machine='pc'>hvm</type>\n"
	"    <kernel>/boot/vmlinuz</kernel><initrd>one.gz</initrd>\n"
	"    <initrd> two.gz  a=b c </initrd>\n"
	"    <cmdline>console=ttyS0 x=&lt;y&gt; \"q\"</cmdline>\n"
	"    <boot dev='hd'/></os>\n"
	"  <features><acpi/><apic/><pae/></features>\n"
	"  <cpu mode='host-passthrough' check='none' migratable='on'>\n"
	"    <topology sockets='1' dies='1' cores='1' threads='1'/></cpu>\n"
	"  <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/>\n"
	"    <timer name='hpet' present='no'/></clock>\n"
	"  <on_poweroff>destroy</on_poweroff><on_reboot>preserve</on_reboot>\n"
	"  <on_crash>restart</on_crash>\n"
	"  <pm><suspend-to-mem enabled='no'/></pm>\n"
	"  <devices>\n"
	"    <emulator>/usr/bin/qemu</emulator>\n"
	"    <disk type='block' device='disk'><driver name='qemu' type='raw'/>\n"
	"      <source dev='/dev/sda1'/><target dev='vda' bus='virtio'/>\n"
	"      <serial>S123</serial><readonly/></disk>\n"
	"    <disk type='block'><driver type='qcow2'/>\n"
	"      <source dev='/dev/disk/by-partlabel/x'/><transient/>\n"
	"      <target dev='vdb'/></disk>\n"
	"    <disk type='file'><source file='/srv/vm/web &amp; co.img'/>\n"
	"      <driver name='qemu' cache='none' io='native' discard='unmap'\n"
	"        error_policy='stop' rerror_policy='report'/>\n"
	"      <iotune><total_bytes_sec>1000000</total_bytes_sec>\n"
	"        <read_iops_sec>500</read_iops_sec>\n"
	"        <read_iops_sec_max>900</read_iops_sec_max>\n"
	"        <read_iops_sec_max_length>20</read_iops_sec_max_length>\n"
	"        <write_iops_sec>400</write_iops_sec>\n"
	"        <size_iops_sec>4096</size_iops_sec></iotune>\n"
	"      <shareable/><boot order='2'/><target dev='vdc'/></disk>\n"
	"    <interface type='bridge'><mac address='52:54:00:aa:BB:01'/>\n"
	"      <source bridge='br0'/><model type='virtio'/>\n"
	"      <vlan><tag id='42'/></vlan><link state='down'/></interface>\n"
	"    <interface type='network'><source network='default'/></interface>\n"
	"    <serial type='pty'><target type='isa-serial' port='0'>\n"
	"      <model name='isa-serial'/></target></serial>\n"
	"    <console type='pty'><target type='virtio' port='0'/></console>\n"
	"    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
	"    <memballoon model='none'/>\n"
	"    <controller type='pci' index='0' model='pci-root'/>\n"
	"  </devices>\n"
	"</domain>\n";

static void check_full(const struct vm_config *c)
{
	static const uint8_t uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0xaa, 0xbb, 0x01};

	assert_string_equal(c->name, "linux-1");
	assert_memory_equal(c->uuid, uuid, 16);
	assert_int_equal(c->memory, 514ull << 20);
	assert_int_equal(c->vcpus, 1);
	assert_int_equal(c->weight, 2048);
	assert_string_equal(c->kernel, "/boot/vmlinuz");
	assert_int_equal(c->initrds, 2);
	assert_string_equal(c->initrd[0], "one.gz");
	assert_string_equal(c->initrd_args[0], "");
	assert_string_equal(c->initrd[1], "two.gz");
	assert_string_equal(c->initrd_args[1], "a=b c");
	assert_string_equal(c->cmdline, "console=ttyS0 x=<y> \"q\"");
	assert_true(c->acpi && c->apic && c->pae);
	assert_int_equal(c->on_poweroff, VM_ACTION_DESTROY);
	assert_int_equal(c->on_reboot, VM_ACTION_PRESERVE);
	assert_int_equal(c->on_crash, VM_ACTION_RESTART);
	assert_int_equal(c->disks, 3);
	assert_true(c->disk[2].file);
	assert_string_equal(c->disk[2].source, "/srv/vm/web & co.img");
	assert_int_equal(c->disk[2].word[DISK_CACHE], CACHE_NONE);
	assert_int_equal(c->disk[2].word[DISK_DISCARD], DISCARD_UNMAP);
	assert_int_equal(c->disk[2].word[DISK_WRITE_ERROR], POLICY_STOP);
	assert_int_equal(c->disk[2].word[DISK_READ_ERROR], POLICY_REPORT);
	assert_true(c->disk[2].shareable);
	assert_true(c->disk[1].transient && !c->disk[2].transient);
	assert_int_equal(c->disk[2].boot_order, 2);
	assert_int_equal(c->disk[2].iotune.rate[IOTUNE_TOTAL_BYTES], 1000000);
	assert_int_equal(c->disk[2].iotune.rate[IOTUNE_READ_IOPS], 500);
	assert_int_equal(c->disk[2].iotune.burst[IOTUNE_READ_IOPS], 900);
	assert_int_equal(c->disk[2].iotune.seconds[IOTUNE_READ_IOPS], 20);
	assert_int_equal(c->disk[2].iotune.rate[IOTUNE_WRITE_IOPS], 400);
	assert_int_equal(c->disk[2].iotune.request_bytes, 4096);
	assert_string_equal(c->disk[0].source, "/dev/sda1");
	assert_string_equal(c->disk[0].target, "vda");
	assert_string_equal(c->disk[0].serial, "S123");
	assert_true(c->disk[0].readonly);
	assert_false(c->disk[1].readonly);
	assert_true(c->disk[1].qcow2);
	assert_false(c->disk[0].qcow2 || c->disk[2].qcow2);
	assert_int_equal(c->nics, 2);
	assert_memory_equal(c->nic[0].mac, mac, 6);
	assert_string_equal(c->nic[0].source, "br0");
	assert_int_equal(c->nic[0].vlan, 42);
	assert_true(c->nic[0].link_down);
	assert_int_equal(c->nic[1].vlan, 0);
	assert_int_equal(c->nic[1].mac[0], 0x52);
	assert_int_equal(c->serials, 1);
	assert_true(c->virtio_console);
	assert_true(c->rng);
}

static void test_full(void **state)
{
	struct vm_config *c = accepted(full);

	(void)state;
	check_full(c);
	config_free(c);
}

static char dumped[64 * 1024];

static void collect(void *context, const char *text)
{
	(void)context;
	assert_true(strlen(dumped) + strlen(text) < sizeof(dumped));
	strcat(dumped, text);
}

/* What dumpxml says is read back the same, and dumps the same. */
static void test_round_trip(void **state)
{
	static char first[sizeof(dumped)];
	struct vm_config *c = accepted(full);

	(void)state;
	dumped[0] = 0;
	config_dump(c, 0, collect, NULL);
	config_free(c);
	memcpy(first, dumped, sizeof(first));
	c = accepted(first);
	check_full(c);
	dumped[0] = 0;
	config_dump(c, 0, collect, NULL);
	assert_string_equal(dumped, first);
	config_free(c);
}

static void test_defaults(void **state)
{
	struct vm_config *c = accepted(START REST), *d;

	(void)state;
	assert_int_equal(c->memory, 64ull << 20);
	assert_int_equal(c->vcpus, 1);
	assert_int_equal(c->weight, 1024);
	assert_int_equal(c->on_poweroff, VM_ACTION_DESTROY);
	assert_int_equal(c->on_reboot, VM_ACTION_RESTART);
	assert_int_equal(c->on_crash, VM_ACTION_DESTROY);
	assert_int_equal(c->serials, 1);
	assert_false(c->virtio_console);
	/* Made from the name: the same each time, another for another name. */
	d = accepted(START REST);
	assert_memory_equal(c->uuid, d->uuid, 16);
	config_free(d);
	d = accepted("<domain type='kvm'><name>h</name><memory>65536</memory>" REST);
	assert_memory_not_equal(c->uuid, d->uuid, 16);
	config_free(c);
	config_free(d);
}

static void test_units(void **state)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = {
		{"b", 1},       {"Bytes", 1},          {"k", 1024},       {"KiB", 1024},
		{"KB", 1000},   {"m", 1 << 20},        {"mib", 1 << 20},  {"MB", 1000000},
		{"G", 1 << 30}, {"TB", 1000000000000}, {"P", 1ull << 50}, {"EiB", 1ull << 60},
	};
	static const char *const none[] = {"", "x", "Ki", "KiBs", "Bs", "iB", "KBs", " k"};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		assert_int_equal(config_unit(units[i].unit), units[i].bytes);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(config_unit(none[i]), 0);
}

static void test_topology(void **state)
{
	static const uint32_t ids[] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};
	struct vm_config *c = accepted(START "<vcpu>64</vcpu>" REST);

	(void)state;
	assert_int_equal(c->cores, 64);
	assert_int_equal(config_apic_id(c, 63), 63);
	config_free(c);
	c = accepted(
		START
		"<vcpu>12</vcpu><cpu><topology sockets='2' cores='3' threads='2'/></cpu>" REST);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(config_apic_id(c, i), ids[i]);
	dumped[0] = 0;
	config_dump(c, 0, collect, NULL);
	config_free(c);
	c = accepted(dumped);
	assert_int_equal(c->cores, 3);
	assert_int_equal(c->threads, 2);
	config_free(c);
}

static void test_cputune(void **state)
{
	struct vm_config *c = accepted(
		START "<vcpu placement='static' cpuset='0-3,^2,200' current='3'>3</vcpu><cputune>"
		      "<shares>2048</shares><period>50000</period><quota>25000</quota>"
		      "<vcpupin vcpu='1' cpuset='5'/></cputune>" REST);
	const uint64_t most[] = {0xb, 0, 0, 1ull << 8};
	char text[64];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(c->quota, 25000);
		assert_int_equal(c->period, 50000);
		assert_memory_equal(&c->affinity[0], most, sizeof(most));
		assert_memory_equal(&c->affinity[2], most, sizeof(most));
		assert_int_equal(c->affinity[1].word[0], 1u << 5);
		cpuset_format(&c->affinity[0], 256, text, sizeof(text));
		assert_string_equal(text, "0-1,3,200");
		dumped[0] = 0;
		config_dump(c, 0, collect, NULL);
		config_free(c);
		c = accepted(dumped);
	}
	config_free(c);
	c = accepted(START "<cputune><quota>-1</quota></cputune>" REST);
	assert_int_equal(c->quota, 0);
	assert_int_equal(c->affinity[0].word[3], ~0ull);
	config_free(c);
	refused(START "<cputune><quota>999</quota></cputune>" REST, "<quota>: 999: a quota is");
	refused(START "<cputune><period>999</period></cputune>" REST, "<period>: 999: a period");
	refused(START "<cputune><period>1000001</period></cputune>" REST, "more than 1000000");
	refused(START "<cputune><global_quota>9</global_quota></cputune>" REST, "<global_quota>");
	refused(START "<vcpu cpuset='1-0'>1</vcpu>" REST, "<vcpu>: cpuset='1-0' is not a list");
	refused(START "<vcpu cpuset='256'>1</vcpu>" REST, "is not a list of CPUs");
	refused(START "<vcpu cpuset='1,^1'>1</vcpu>" REST, "has no CPU");
	refused(START "<vcpu cpuset=''>1</vcpu>" REST, "is not a list of CPUs");
	refused(START "<vcpu current='1'>2</vcpu>" REST, "all of them are always there");
	refused(START "<cputune><vcpupin vcpu='1' cpuset='0'/></cputune>" REST,
		"<vcpupin> is for a virtual CPU");
	refused(START "<cputune><vcpupin cpuset='0'/></cputune>" REST, "'vcpu' is missing");
	refused(START "<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/>"
		      "</cputune>" REST,
		"given twice");
}

static void read_file(const char *path, char *to, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		fail_msg("%s cannot be opened", path);
	n = fread(to, 1, room - 1, f);
	to[n] = 0;
	fclose(f);
}

static unsigned lines(const struct config_report *report)
{
	unsigned n = 0;

	for (const char *c = report->text; *c; c++)
		n += *c == '\n';
	return n;
}

/* All of a document at once, each by its line; one fault is one line. */
static void test_all_at_once(void **state)
{
	(void)state;
	refused("<domain type='vbox'>\n<name>a b</name>\n<memory>x</memory>\n<vcpu>0</vcpu>\n"
		"<os>\n<loader type='x'>f</loader></os>\n<devices>\n"
		"<disk type='file' device='cdrom'>\n<source file='a'/>\n<target "
		"dev='hda'/></disk>\n"
		"<video><model type='xen' vram='1'/></video>\n</devices></domain>",
		"g.xml:1: <domain>: type='vbox' is not supported\n"
		"g.xml:2: <name>: the name may not have blanks, quotes, slashes or control "
		"characters\n"
		"g.xml:3: <memory>: 'x' is not a size\n"
		"g.xml:4: <vcpu>: a guest needs a virtual CPU\n"
		"g.xml:6: <loader>: type='x' is not supported\n"
		"g.xml:8: <disk>: device='cdrom' is not supported\n"
		"g.xml:11: <model>: type='xen' is not supported\n");
	assert_int_equal(lines(&error.refusals), 7);
}

/* More than the report holds: the rest is counted. */
static void test_bounded(void **state)
{
	static char many[CONFIG_XML_BYTES];
	size_t n = (size_t)sprintf(many, START);
	unsigned told, more;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		n += (size_t)sprintf(many + n, "<teapot/>\n");
	strcpy(many + n, REST);
	assert_null(parse(many));
	assert_int_equal(sscanf(strstr(error.refusals.text, "and "), "and %u more", &more), 1);
	told = lines(&error.refusals) - 1;
	assert_true(told > 40);
	assert_int_equal(told + more, 5000);
}

/* Which line of the report comes next, and whether all have come. */
static const char *next_line;

static void compare(const char *text)
{
	size_t n = strlen(text);

	if (strncmp(next_line, text, n) != 0 || next_line[n] != '\n')
		fail_msg("'%s' instead of '%.*s'", text, (int)strcspn(next_line, "\n"), next_line);
	next_line += n + 1;
}

/* Descriptions as tools and instructions write them: every refusal and every note. */
static void test_descriptions(void **state)
{
	static const char *const names[] = {"virt-manager-linux", "virt-install-direct",
					    "windows-howto",      "qubes",
					    "kubevirt",           "cloud-script"};
	static char xml[CONFIG_XML_BYTES], expected[16384];
	char path[128], file[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vm_config *c;

		snprintf(path, sizeof(path), "tests/descriptions/%s.xml", names[i]);
		read_file(path, xml, sizeof(xml));
		snprintf(path, sizeof(path), "tests/descriptions/%s.report", names[i]);
		read_file(path, expected, sizeof(expected));
		snprintf(file, sizeof(file), "%s.xml", names[i]);
		c = config_parse(file, xml, strlen(xml), &error);
		next_line = expected;
		config_each_line(&error.refusals, compare);
		assert_int_equal(c == NULL, next_line != expected);
		compare(c ? "accepted" : "refused");
		config_each_line(&error.notes, compare);
		assert_string_equal(next_line, "");
		config_free(c);
	}
}

static void test_where(void **state)
{
	(void)state;
	refused("<domain type='kvm'>\n<name>g</name>\n<maxMemory>1</maxMemory>\n</domain>",
		"g.xml:3: <maxMemory>: this element is not supported");
	refused(START "\n\n<vcpu cpus='1'>1</vcpu>" REST,
		"g.xml:3: <vcpu>: attribute 'cpus' is not supported");
	refused(START "\n<devices><disk type='dir'></disk></devices>" REST,
		"g.xml:2: <disk>: type='dir' is not supported");
	refused("<domain type='kvm'><name>g</name", "not well-formed");
	refused("<network/>", "<network>: the document's element must be <domain>");
	refused("", "not well-formed");
}

static void test_refused(void **state)
{
	(void)state;
	refused("<domain><name>g</name>" REST, "'type' is missing");
	refused("<domain type='kvm'><memory>65536</memory>" REST, "<name> is missing");
	refused("<domain type='kvm'><name>g</name>" REST, "<memory> is missing");
	refused(START "<name>h</name>" REST, "<name>: given twice");
	refused("<domain type='kvm'><name>a b</name>" REST, "blanks");
	refused("<domain type='kvm'><name>a/b</name>" REST, "slashes");
	refused("<domain type='kvm'><name>Domain-0</name>" REST, "dom0's own");
	refused("<domain type='kvm'><name></name>" REST, "empty");
	refused(START "<uuid>0123</uuid>" REST, "not a UUID");
	refused(START "<vcpu>0</vcpu>" REST, "<vcpu>: a guest needs a virtual CPU");
	refused(START "<vcpu>65</vcpu>" REST, "<vcpu>: 65 is more than 64");
	refused(START "<vcpu>x</vcpu>" REST, "'x' is not a number");
	refused(START "<vcpu>99999999999999999999</vcpu>" REST, "more than");
	refused(START "<currentMemory>1024</currentMemory>" REST, "2 MiB");
	refused(START "<currentMemory>32768</currentMemory>" REST, "differs");
	refused("<domain type='kvm'><memory unit='XiB'>1</memory></domain>", "unit 'XiB'");
	refused("<domain type='kvm'><memory unit='KiBs'>1</memory></domain>", "unit 'KiBs'");
	refused("<domain type='kvm'><memory unit=''>1</memory></domain>", "unit ''");
	refused("<domain type='kvm'><memory unit='EB'>1</memory></domain>",
		"1 EB: a guest can have 512 GiB");
	refused("<domain type='kvm'><memory unit='TiB'>2</memory></domain>",
		"2 TiB: a guest can have 512 GiB");
	refused("<domain type='kvm'><memory unit='TiB'>9999999999</memory></domain>",
		"<memory>: 9999999999 TiB: a guest can have");
	refused(START "<on_crash>coredump-destroy</on_crash>" REST, "coredump-destroy");
	refused(START "<features><hyperv/></features>" REST, "<hyperv>");
	refused(START "<features><acpi state='off'/></features>" REST, "state='off'");
	refused(START "<cputune><shares>0</shares></cputune>" REST, "1 to 65535");
	refused(START "<os><type>exe</type></os></domain>", "'exe'");
	refused(START "<cpu mode='custom'/>" REST, "mode='custom'");
	refused(START "<cpu><topology cores='4'/></cpu>" REST, "<topology> has 4 CPUs, <vcpu> 1");
	refused(START "<cpu><topology cores='0'/></cpu>" REST, "<topology>: cores='0'");
	refused(START "<cpu><topology dies='2'/></cpu>" REST, "<topology>: dies='2'");
	refused(START "<vcpu>51</vcpu><cpu><topology sockets='3' cores='17'/></cpu>" REST,
		"APIC ids of more than 63");
	refused(START "<clock><timer name='hpet'/></clock>" REST, "no hpet");
	refused(START "<clock><timer name='pit' frequency='2000000'/></clock>" REST,
		"only the timer 'tsc'");
	refused(START "<clock><timer name='tsc' frequency='999999'/></clock>" REST, "below 1 MHz");
	refused(START "<clock><timer name='tsc' frequency='fast'/></clock>" REST, "not a number");
	refused(START "<clock><timer name='pit' present='no'/></clock>" REST, "always present");
	refused(START "stray" REST, "text 'stray' does not belong here");
	refused(START "<title/><description/><genid/>" REST, "<genid>");
}

#define DEVICES(x) START "<devices>" x "</devices>" REST

static void test_refused_devices(void **state)
{
	(void)state;
	refused(DEVICES("<disk type='block'><target dev='vda'/></disk>"), "<source> is missing");
	refused(DEVICES("<disk type='block'><source dev='sda'/></disk>"), "<target> is missing");
	refused(DEVICES("<disk type='volume'><source dev='sda'/><target dev='vda'/></disk>"),
		"attribute 'dev' is not supported");
	refused(DEVICES("<disk type='volume'><source pool='a'/><target dev='vda'/></disk>"),
		"attribute 'volume' is missing");
	refused(DEVICES("<disk type='volume'><source pool='a/b' volume='c'/><target dev='vda'/>"
			"</disk>"),
		"must be names");
	refused(DEVICES("<disk type='block'><source dev='a' pool='b'/><target dev='vda'/></disk>"),
		"attribute 'pool' is not supported");
	refused(DEVICES("<disk type='block'><source file='/a'/><target dev='vda'/></disk>"),
		"attribute 'file' is not supported");
	refused(DEVICES("<disk type='file'><source dev='/a'/><target dev='vda'/></disk>"),
		"attribute 'dev' is not supported");
	refused(DEVICES("<disk type='file'><source file='a.img'/><target dev='vda'/></disk>"),
		"must be a path");
	refused(DEVICES("<disk type='file'><source/><target dev='vda'/></disk>"),
		"attribute 'file' is missing");
	refused(DEVICES("<disk type='block'><source dev='a'/><target dev='sda' "
			"bus='sata'/></disk>"),
		"bus='sata'");
	refused(DEVICES("<disk type='block'><source dev='a'/><target dev='sda'/></disk>"),
		"bus='virtio'");
	refused(DEVICES("<disk type='block' device='cdrom'/>"), "cdrom");
	refused(DEVICES("<disk type='block'><driver type='vmdk'/></disk>"), "vmdk");
	refused(DEVICES("<disk type='block'><source dev='a'/><target dev='vda'/></disk>"
			"<disk type='block'><source dev='b'/><target dev='vda'/></disk>"),
		"used twice");
	refused(DEVICES("<disk type='block'><serial>123456789012345678901</serial></disk>"),
		"longer than 20 bytes");
	refused(DEVICES("<disk type='block'><source dev='a'/><source dev='b'/></disk>"),
		"<source>: given twice");
	refused(DEVICES("<disk type='block'><driver cache='warm'/></disk>"), "cache='warm'");
	refused(DEVICES("<disk type='block'><driver discard='on'/></disk>"), "discard='on'");
	refused(DEVICES("<disk type='block'><driver rerror_policy='enospace'/></disk>"),
		"rerror_policy='enospace'");
	refused(DEVICES("<disk type='block'><boot order='0'/></disk>"), "begins with 1");
	refused(DEVICES("<disk type='block'><boot/></disk>"), "'order' is missing");
	refused(DEVICES("<disk type='block'><iotune><speed>1</speed></iotune></disk>"), "<speed>");
	refused(DEVICES("<disk type='block'><iotune><read_iops_sec>many</read_iops_sec></iotune>"
			"</disk>"),
		"<read_iops_sec>");
	refused(DEVICES("<disk type='block'><iotune><total_iops_sec>1</total_iops_sec>"
			"<read_iops_sec>1</read_iops_sec></iotune></disk>"),
		"exclude each other");
	refused(DEVICES("<disk type='block'><iotune><total_iops_sec_max>5</total_iops_sec_max>"
			"</iotune></disk>"),
		"total_iops_sec_max needs total_iops_sec");
	refused(DEVICES("<disk type='block'><iotune><total_iops_sec>9</total_iops_sec>"
			"<total_iops_sec_max>5</total_iops_sec_max></iotune></disk>"),
		"smaller than");
	refused(DEVICES("<disk type='block'><backingStore type='file'/></disk>"), "<backingStore>");
	refused(DEVICES("<interface type='user'/>"), "type='user'");
	refused(DEVICES("<interface type='bridge'></interface>"), "<source> is missing");
	refused(DEVICES("<interface type='bridge'><mac address='52:54:00:00:00'/></interface>"),
		"not a MAC address");
	refused(DEVICES("<interface type='bridge'><mac address='01:00:00:00:00:00'/></interface>"),
		"not the address of one interface");
	refused(DEVICES("<interface type='bridge'><model type='e1000'/></interface>"), "e1000");
	refused(DEVICES("<interface type='bridge'><vlan><tag id='4095'/></vlan></interface>"),
		"more than 4094");
	refused(DEVICES("<interface type='bridge'><vlan><tag id='0'/></vlan></interface>"),
		"from 1 to 4094");
	refused(DEVICES("<interface type='bridge'><mac address='52:54:00:00:00:01'/><source "
			"bridge='b'/></interface>"
			"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source "
			"bridge='b'/></interface>"),
		"MAC address is used twice");
	refused(DEVICES("<serial type='pty'/><serial type='pty'/>"), "more than one serial");
	refused(DEVICES("<audio type='spice' id='1'/>"), "<audio>: this element is not");
	refused(DEVICES("<rng model='virtio'><rate bytes='1'/></rng>"), "<rate>");
	refused(DEVICES("<graphics type='spice'/>"), "<graphics>: type='spice' is not supported");
	refused(DEVICES("<graphics/>"), "'type' is missing");
	refused(DEVICES("<graphics type='vnc'/><graphics type='vnc'/>"), "more than one VNC");
	refused(DEVICES("<graphics type='vnc'/><video><model type='none'/></video>"),
		"<graphics> needs a screen");
	refused(DEVICES("<graphics type='vnc' port='65536'/>"), "65535");
	refused(DEVICES("<graphics type='vnc' listen='::1'/>"), "not an IPv4 address");
	refused(DEVICES("<graphics type='vnc' passwd='123456789'/>"), "longer than 8");
	refused(DEVICES("<graphics type='vnc' listen='                    1.2.3.4'/>"),
		"not an IPv4 address");
	refused(DEVICES("<graphics type='vnc' listen='1.2.3.256'/>"), "not an IPv4 address");
	refused(DEVICES("<video/><video/>"), "more than one screen");
	refused(DEVICES("<video><model type='vga' vram='65537'/></video>"), "65536");
}

/* What a description says about the screen, and says again. */
static void test_screen(void **state)
{
	struct vm_config *c = accepted(DEVICES("<input type='tablet' bus='usb'/>"
					       "<graphics type='vnc' port='-1' autoport='yes' "
					       "listen='0.0.0.0' passwd='secret'>"
					       "<listen type='address' address='10.0.0.1'/>"
					       "</graphics>"));

	(void)state;
	assert_true(c->video && c->vnc);
	assert_int_equal(c->video_memory, 16u << 20);
	assert_int_equal(c->vnc_port, 0);
	assert_string_equal(c->vnc_listen, "10.0.0.1");
	assert_string_equal(c->vnc_password, "secret");
	config_free(c);
	c = accepted(DEVICES("<video><model type='vga' vram='5000'/></video>"
			     "<graphics type='vnc' port='5999'/>"));
	assert_int_equal(c->video_memory, 8u << 20);
	assert_int_equal(c->vnc_port, 5999);
	assert_false(config_vnc_is_local(c));
	config_free(c);
	c = accepted(DEVICES("<video><model type='none'/></video>"));
	assert_false(c->video);
	config_free(c);
	c = accepted(DEVICES("<graphics type='vnc' port='-1' listen='127.0.0.1'/>"));
	assert_true(config_vnc_is_local(c));
	config_free(c);
}

/* An address that dom0 makes is never that of another interface of the guest. */
static void test_made_macs(void **state)
{
	static const char nic[] = "<interface type='bridge'>%s<source bridge='b'/></interface>";
	struct vm_config *c = accepted(DEVICES("<interface type='bridge'><source bridge='b'/>"
					       "</interface>"));
	char text[MAC_TEXT], mac[64], one[256], two[256], xml[1024];
	uint8_t made[MAC_BYTES];

	(void)state;
	memcpy(made, c->nic[0].mac, sizeof(made));
	config_free(c);
	snprintf(mac, sizeof(mac), "<mac address='%s'/>", mac_text(text, made));
	snprintf(one, sizeof(one), nic, "");
	snprintf(two, sizeof(two), nic, mac);
	snprintf(xml, sizeof(xml), START "<devices>%s%s</devices>" REST, one, two);
	c = accepted(xml);
	assert_memory_equal(c->nic[1].mac, made, sizeof(made));
	assert_memory_not_equal(c->nic[0].mac, made, sizeof(made));
	config_free(c);
	/* As libvirt reads addresses: in either case, and without zeros in front. */
	c = accepted(DEVICES("<interface type='bridge'><mac address='52:54:0:A:b:C0'/>"
			     "<source bridge='b'/></interface>"));
	assert_string_equal(mac_text(text, c->nic[0].mac), "52:54:00:0a:0b:c0");
	config_free(c);
}

/* What is hostile: entities, depth, length. */
#define SOURCE(address) "<source><address " address "/></source>"
#define HOSTDEV(inside) "<hostdev mode='subsystem' type='pci' managed='yes'>" inside "</hostdev>"
#define CARD(inside)    "<interface type='hostdev' managed='yes'>" inside "</interface>"

/* Functions of the machine, as libvirt writes them; where the guest finds them has no effect. */
static void test_hostdev(void **state)
{
	struct vm_config *c = accepted(DEVICES(
		HOSTDEV("<driver name='vfio'/>" SOURCE("domain='0x0000' bus='0x01' slot='0x02' "
						       "function='0x3'") "<boot order='1'/>"
									 "<address type='pci' "
									 "domain='0x0000' "
									 "bus='0x00' slot='0x07' "
									 "function='0x0'/>")
			CARD("<mac address='52:54:00:6d:90:02'/>" SOURCE(
				"type='pci' bus='255' slot='31' function='7'"))
				HOSTDEV(SOURCE("bus='0xA' slot='0'"))));

	(void)state;
	assert_int_equal(c->hostdevs, 3);
	assert_int_equal(c->nics, 0);
	assert_int_equal(c->hostdev[0].requester, 0x113);
	assert_false(c->hostdev[0].interface);
	assert_int_equal(c->hostdev[1].requester, 0xffff);
	assert_true(c->hostdev[1].interface);
	assert_int_equal(c->hostdev[2].requester, 0xa00);
	assert_non_null(strstr(error.notes.text, "the card keeps its own address"));
	dumped[0] = 0;
	config_dump(c, 0, collect, NULL);
	config_free(c);
	c = accepted(dumped);
	assert_int_equal(c->hostdevs, 3);
	assert_int_equal(c->hostdev[0].requester, 0x113);
	assert_int_equal(c->hostdev[1].requester, 0xffff);
	assert_true(c->hostdev[1].interface);
	config_free(c);

	refused(DEVICES("<hostdev mode='subsystem' type='usb'/>"), "type='usb'");
	refused(DEVICES("<hostdev mode='capabilities' type='misc'/>"), "mode='capabilities'");
	refused(DEVICES("<hostdev/>"), "'mode' is missing");
	refused(DEVICES(HOSTDEV("")), "<source> has no <address>");
	refused(DEVICES(HOSTDEV("<source/>")), "<source> has no <address>");
	refused(DEVICES(CARD("")), "<source> has no <address>");
	refused(DEVICES(HOSTDEV(SOURCE("bus='1'"))), "'bus' and 'slot' are needed");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0x100' slot='0'"))), "more than 0xff");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0x1g' slot='0'"))), "not a number");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0x' slot='0'"))), "not a number");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0' slot='32'"))), "more than 31");
	refused(DEVICES(HOSTDEV(SOURCE("domain='1' bus='0' slot='1'"))), "more than 0");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0' slot='1'") SOURCE("bus='0' slot='2'"))),
		"given twice");
	refused(DEVICES(HOSTDEV(SOURCE("bus='0' slot='1'")) CARD(SOURCE("bus='0' slot='1'"))),
		"the device is given twice");
	refused(DEVICES(CARD(SOURCE("bus='0' slot='1'") "<vlan><tag id='7'/></vlan>")),
		"tags frames itself");
	refused(DEVICES(CARD(SOURCE("bus='0' slot='1'") "<link state='down'/>")), "<link>");
}

/* A guest without a kernel boots by firmware, which is told from what. */
static void test_firmware(void **state)
{
	struct vm_config *c = accepted(START "</domain>");

	(void)state;
	assert_true(config_has_firmware(c));
	assert_string_equal(c->firmware, "bios-256k.bin");
	assert_int_equal(c->boot_dev[0], BOOT_NOTHING);
	config_free(c);
	c = accepted(START
		     "<os><type>hvm</type><loader readonly='yes' type='rom'>/b/x.bin</loader>"
		     "<boot dev='network'/><boot dev='hd'/><bootmenu enable='yes' timeout='3000'/>"
		     "<bios useserial='yes' rebootTimeout='-1'/></os><devices>"
		     "<interface type='bridge'><source bridge='b'/><boot order='2'/></interface>"
		     "<serial type='null'><target type='isa-debug'>"
		     "<model name='isa-debugcon'/></target>"
		     "<address type='isa' iobase='0x402'/></serial>"
		     "<serial type='pty'/></devices></domain>");
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(c->firmware, "/b/x.bin");
		assert_int_equal(c->boot_dev[0], BOOT_NETWORK);
		assert_int_equal(c->boot_dev[1], BOOT_DISK);
		assert_int_equal(c->boot_dev[2], BOOT_NOTHING);
		assert_true(c->boot_menu && c->bios_serial && c->bios_reboot_given && c->debugcon);
		assert_int_equal(c->boot_menu_ms, 3000);
		assert_int_equal(c->bios_reboot_ms, -1);
		assert_int_equal(c->nic[0].boot_order, 2);
		assert_int_equal(c->serials, 1);
		dumped[0] = 0;
		config_dump(c, 0, collect, NULL);
		config_free(c);
		c = accepted(dumped);
	}
	config_free(c);
	c = accepted(START "<os><loader>x</loader><kernel>k</kernel></os></domain>");
	assert_false(config_has_firmware(c));
	assert_non_null(strstr(error.notes.text, "the kernel is loaded without firmware"));
	config_free(c);
	refused(START "<os><initrd>i</initrd></os></domain>", "<initrd> and no <kernel>");
	refused(START "<os><cmdline>i</cmdline></os></domain>", "<cmdline> and no <kernel>");
	refused(START "<os><boot dev='x'/></os></domain>", "dev='x' is not supported");
	refused(START "<os><boot/></os></domain>", "attribute 'dev' is missing");
	/* The words for firmware stay with a guest that has a kernel now. */
	c = accepted(START "<os><kernel>k</kernel><boot dev='hd'/></os></domain>");
	dumped[0] = 0;
	config_dump(c, 0, collect, NULL);
	config_free(c);
	c = accepted(dumped);
	assert_int_equal(c->boot_dev[0], BOOT_DISK);
	config_free(c);
	refused(START "<os><boot dev='hd'/><boot dev='hd'/></os></domain>", "given twice");
	refused(START "<os><boot/></os></domain>", "'dev' is missing");
	refused(START "<os><bios rebootTimeout='65536'/></os></domain>", "more than 65535");
	refused(START "<os><loader secure='yes'>x</loader></os></domain>", "secure='yes'");
}

static void test_hostile(void **state)
{
	char *big = malloc(CONFIG_XML_BYTES + 2);
	size_t n = 0;

	(void)state;
	refused("<!DOCTYPE d [<!ENTITY a 'aaaa'>]>" START REST, "document type declarations");
	n = (size_t)sprintf(big, START "<os><cmdline>");
	memset(big + n, 'x', 4096);
	strcpy(big + n + 4096, "</cmdline></os></domain>");
	refused(big, "text of more than 2048 bytes");
	n = (size_t)sprintf(big, START "<os><kernel>");
	memset(big + n, 'x', 200);
	strcpy(big + n + 200, "</kernel></os></domain>");
	refused(big, "longer than 127 bytes");
	memset(big, ' ', CONFIG_XML_BYTES + 1);
	big[CONFIG_XML_BYTES + 1] = 0;
	refused(big, "larger than 256 KiB");
	n = (size_t)sprintf(big, START "<metadata>");
	for (unsigned i = 0; i < 30000; i++)
		n += (size_t)sprintf(big + n, "<a>");
	refused(big, "elements are nested more than 32 deep");
	n = (size_t)sprintf(big, START "<metadata>");
	for (unsigned i = 0; i < 30; i++)
		n += (size_t)sprintf(big + n, "<a>");
	for (unsigned i = 0; i < 30; i++)
		n += (size_t)sprintf(big + n, "</a>");
	strcpy(big + n, "</metadata>" REST);
	config_free(accepted(big));
	n = (size_t)sprintf(big, START "<devices>");
	for (unsigned i = 0; i < CONFIG_DISKS + 1; i++)
		n += (size_t)sprintf(big + n,
				     "<disk type='block'><source dev='a'/>"
				     "<target dev='vd%c'/></disk>",
				     'a' + i);
	strcpy(big + n, "</devices>" REST);
	refused(big, "more than 8 disks");
	free(big);
}

/* dumpxml of a running guest has names that dom0 has made; the description has none then. */
static void given_names(void **state)
{
	static const struct {
		const char *name, *kept;
	} row[] = {{"web/0", ""}, {"a/b/12", ""}, {"tap0", "tap0"}};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct vm_config *c;

		snprintf(text, sizeof(text),
			 DEVICES("<interface type='bridge'><source bridge='br0'/>"
				 "<target dev='%s'/></interface>"),
			 row[i].name);
		c = parse(text);
		assert_non_null(c);
		assert_string_equal(c->nic[0].target, row[i].kept);
		assert_true(c->nic[0].mac_made);
		config_free(c);
	}
	refused(DEVICES("<interface type='bridge'><source bridge='br0'/><target dev='web/'/>"
			"</interface>"),
		"'dev' has blanks or quotes");
}

static void put_into(void *context, const char *text)
{
	strcat(context, text);
}

/* What other programs and people note stays, byte by byte, if it stands for itself. */
static void kept_words(void **state)
{
	static const struct {
		const char *xml, *kept;
	} row[] = {
		{START "<metadata><x:y xmlns:x='urn:x'><x:z a=\"1\"/>t&amp;t</x:y></metadata>" REST,
		 "<x:y xmlns:x='urn:x'><x:z a=\"1\"/>t&amp;t</x:y>"},
		{START "<metadata>\n  <a xmlns='urn:a'/>\n</metadata>" REST,
		 "\n  <a xmlns='urn:a'/>\n"},
		{START "<metadata/>" REST, ""},
		{START "<metadata> \n </metadata>" REST, ""},
		{"<domain type='kvm' xmlns:x='urn:x'><name>g</name><memory>4096</memory>"
		 "<metadata><x:y/></metadata>" REST,
		 ""},
		{"<?xml version='1.0' encoding='iso-8859-1'?>" START
		 "<metadata><a>\xe9</a></metadata>" REST,
		 ""},
	};
	static char text[16384], again[16384];

	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct vm_config *c = accepted(row[i].xml), *d;

		assert_string_equal(c->metadata, row[i].kept);
		assert_int_equal(!*error.notes.text, i < 4);
		*text = *again = 0;
		config_dump(c, 0, put_into, text);
		d = accepted(text);
		assert_string_equal(d->metadata, row[i].kept);
		config_dump(d, 0, put_into, again);
		assert_string_equal(text, again);
		config_free(c);
		config_free(d);
	}
	strcpy(text, START "<metadata><a>");
	memset(text + strlen(text), 'x', CONFIG_METADATA);
	strcat(text, "</a></metadata>" REST);
	config_free(accepted(text));
	assert_non_null(strstr(error.notes.text, "more than 2047 bytes is not kept"));
	refused(START "<metadata/><metadata/>" REST, "given twice");
}

static void test_description(void **state)
{
	static char text[16384];
	struct vm_config *c = accepted(START "<description> two\nlines &lt; </description>" REST);

	(void)state;
	assert_string_equal(c->description, "two\nlines <");
	config_dump(c, 0, put_into, text);
	assert_non_null(strstr(text, "<description>two&#10;lines &lt;</description>"));
	config_free(c);
}

/* A guest does without the channel of an agent, not without one of its own. */
static void test_channels(void **state)
{
	(void)state;
	config_free(accepted(DEVICES("<channel type='unix'><source mode='bind'/><target "
				     "type='virtio' name='org.qemu.guest_agent.0'/></channel>")));
	assert_non_null(strstr(error.notes.text, "<target>: there is no channel"));
	refused(DEVICES("<channel type='unix'><target type='virtio' name='mine'/></channel>"),
		"name='mine' is not supported");
	refused(DEVICES("<channel type='unix'/>"), "<channel>: this element is not supported");
	refused(DEVICES("<channel type='pty'><target type='virtio'/></channel>"),
		"type='pty' is not supported");
}

/* Only a guest that runs shows the names of its devices. */
static void test_aliases(void **state)
{
	static char text[16384];
	struct vm_config *c =
		accepted(DEVICES("<disk type='block'><source dev='a'/><target dev='vda'/></disk>"
				 "<interface type='bridge'><mac address='52:54:00:00:00:01'/>"
				 "<source bridge='b'/></interface>"));

	(void)state;
	config_dump(c, 0, put_into, text);
	assert_null(strstr(text, "alias"));
	config_dump(c, 7, put_into, text);
	assert_non_null(strstr(text, "<alias name='virtio-vda'/>"));
	assert_non_null(strstr(text, "<alias name='net-52:54:00:00:00:01'/>"));
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),         cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_where),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_refused_devices),
		cmocka_unit_test(test_screen),       cmocka_unit_test(test_made_macs),
		cmocka_unit_test(test_hostdev),      cmocka_unit_test(test_hostile),
		cmocka_unit_test(given_names),       cmocka_unit_test(test_units),
		cmocka_unit_test(test_topology),     cmocka_unit_test(test_cputune),
		cmocka_unit_test(test_all_at_once),  cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_descriptions), cmocka_unit_test(test_firmware),
		cmocka_unit_test(kept_words),        cmocka_unit_test(test_description),
		cmocka_unit_test(test_channels),     cmocka_unit_test(test_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
