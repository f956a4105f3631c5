/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/documents.c guests/dom0/config/alias.c guests/dom0/manage/pools.c guests/dom0/config/dump.c guests/dom0/config/disk.c guests/dom0/config/values.c */
/* sources: guests/dom0/storage/lvm_tag.c guests/dom0/base/cpuset.c guests/dom0/base/mac.c guests/dom0/base/xml.c */
/* libs: expat */
/* Documents of which parts come from images and descriptions: all that comes out is well-formed. */
#include "tests/unit/unit.h"

#include <expat.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/config/parse.h"
#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/pools.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/vm/vm.h"

uint16_t display_port(const struct vm *vm)
{
	return vm->config->vnc ? 5901 : 0;
}

static char document[64 << 10], texts[64 << 10];

/* --- what the documents are about --- */

static struct pool pool;
static struct lvm_lv lv = {.name = "image"};

struct pool *pool_first(void)
{
	return &pool;
}

struct pool *pool_named(const char *name)
{
	return strcmp(name, pool.group.name) != 0 ? NULL : &pool;
}

uint64_t lvm_group_free_extents(const struct lvm_group *group)
{
	(void)group;
	return 0;
}

void lvm_uuid_text(char text[LVM_UUID_TEXT], const char id[LVM_ID + 1])
{
	(void)id;
	strcpy(text, "id");
}

const char *volume_path(const struct pool *of, uint32_t number, char path[2 * LVM_NAME + 8])
{
	snprintf(path, 2 * LVM_NAME + 8, "/dev/%s/%s", of->group.name, of->group.lv[number].name);
	return path;
}

struct lvm_node *lvm_find(const struct lvm_node *in, const char *name)
{
	(void)in;
	(void)name;
	return NULL;
}

void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic)
{
	snprintf(text, STATS_NIC_NAME, "%s/%u", config->name, nic);
}

struct vm_config *vm_next_config(const struct vm *vm)
{
	return (struct vm_config *)(vm->next_config ? vm->next_config : vm->config);
}

void config_fail(struct config_parser *p, const char *format, ...)
{
	(void)p;
	(void)format;
	abort();
}

const char *config_attribute(const char **attributes, const char *name)
{
	(void)attributes;
	(void)name;
	abort();
}

/* --- a reader --- */

static void put(void *context, const char *text)
{
	(void)context;
	assert_true(strlen(document) + strlen(text) < sizeof(document));
	strcat(document, text);
}

static void keep_text(void *context, const char *text, int n)
{
	(void)context;
	strncat(texts, text, (size_t)n);
}

static void keep_element(void *context, const char *name, const char **attributes)
{
	(void)context;
	(void)name;
	for (; *attributes; attributes += 2) {
		strcat(texts, attributes[1]);
		strcat(texts, "\n");
	}
}

/* Texts and attributes of the document are in `texts` then. */
static void read_document(void)
{
	XML_Parser expat = XML_ParserCreate(NULL);

	*texts = 0;
	XML_SetCharacterDataHandler(expat, keep_text);
	XML_SetStartElementHandler(expat, keep_element);
	if (XML_Parse(expat, document, (int)strlen(document), 1) != XML_STATUS_OK)
		fail_msg("%s", document);
	XML_ParserFree(expat);
	*document = 0;
}

static void has(const char *text)
{
	if (!strstr(texts, text))
		fail_msg("'%s' is not in '%s'", text, texts);
}

static void has_not(const char *text)
{
	if (strstr(texts, text))
		fail_msg("'%s' is in '%s'", text, texts);
}

/* --- tests --- */

/* The name of an image's backing file is the image's, with all signs and at its full length. */
static void test_backing(void **state)
{
	static struct volume_facts facts = {.format = "qcow2", .capacity = 1 << 20};
	static const char name[] = "/dev/data/a&b<c>'d'\"e\"";

	(void)state;
	pool.group.name = "data";
	pool.group.lv = &lv;
	pool.group.lvs = 1;
	strcpy(facts.backing, name);
	strcpy(facts.backing_format, "<'&\">");
	volume_document(&pool, 0, &facts, put, NULL);
	read_document();
	has(name);
	has("<'&\">\n");
	memset(facts.backing, '"', sizeof(facts.backing) - 1);
	facts.backing_format[0] = 0;
	strcpy(facts.format, "r&'w");
	volume_document(&pool, 0, &facts, put, NULL);
	read_document();
	has(facts.backing);
	has("r&'w\n");
	facts.backing[0] = 0;
	volume_document(&pool, 0, NULL, put, NULL);
	read_document();
	has("/dev/data/image");
}

/* The longest texts of a description, each a sign that grows. */
static void test_long_texts(void **state)
{
	static struct vm_config config = {.name = "guest", .vcpus = 1, .cores = 1, .threads = 1};
	static struct vm vm = {.name = "guest", .config = &config};

	(void)state;
	config.affinity[0] = cpuset_all();
	memset(config.cmdline, '"', sizeof(config.cmdline) - 1);
	memset(config.title, '\'', sizeof(config.title) - 1);
	memset(config.kernel, '\'', sizeof(config.kernel) - 1);
	config.disks = 1;
	memset(config.disk[0].source, '\'', sizeof(config.disk[0].source) - 1);
	domain_document(&vm, false, false, put, NULL);
	read_document();
	has(config.cmdline);
	has(config.title);
	has(config.kernel);
	has(config.disk[0].source);
}

/* A guest that runs has the interfaces of its run, and with `inactive` those of its next start. */
static void test_descriptions(void **state)
{
	static struct vm_config now = {.name = "guest", .nics = 1}, next = {.name = "guest"};
	static struct vm vm = {.name = "guest", .id = 7, .config = &now, .next_config = &next};

	(void)state;
	now.weight = next.weight = 1024;
	now.nic[0] = (struct config_nic){.mac = {2, 0, 0, 0, 0, 1}};
	next.nics = 2;
	next.nic[0] = (struct config_nic){.mac = {2, 0, 0, 0, 0, 2}};
	next.nic[1] = (struct config_nic){.mac = {2, 0, 0, 0, 0, 3}, .target = "next1"};
	domain_document(&vm, false, false, put, NULL);
	read_document();
	has("02:00:00:00:00:01\n");
	has("guest/0\n");
	has_not("02:00:00:00:00:02");
	domain_document(&vm, true, false, put, NULL);
	read_document();
	has("02:00:00:00:00:02\n");
	has("02:00:00:00:00:03\n");
	has("next1\n");
	has_not("02:00:00:00:00:01");
	has_not("guest/");
	has_not("7\n");
}

/* A pool whose disks are there, in part, or not at all. */
static void test_states(void **state)
{
	struct blkdev disk[2] = {{.name = "sda"}, {.name = "sdb"}};
	struct pool_device device[2] = {{.dev = &disk[0]}, {.dev = &disk[1]}};
	struct pool_device *devices[2] = {&device[0], &device[1]};
	struct pool two = {.device = devices, .group.pvs = 2};

	(void)state;
	assert_int_equal(pool_state(&two), POOL_RUNNING);
	disk[1].lost = true;
	assert_string_equal(pool_state_name(&two), "degraded");
	devices[0] = NULL;
	assert_string_equal(pool_state_name(&two), "inaccessible");
	strcpy(two.why, "a reason");
	assert_string_equal(pool_state_name(&two), "inactive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
