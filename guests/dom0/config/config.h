/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's description: the part of libvirt's domain XML that Sampo
 * understands, parsed and checked. docs/guests.md lists the elements.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/base/cpuset.h"

#define CONFIG_DISKS        8
#define CONFIG_NICS         8
#define CONFIG_HOSTDEVS     8
#define CONFIG_VCPUS        64      /* and as many APIC ids */
#define CONFIG_PERIOD       100000u /* libvirt's default */
#define CONFIG_INITRDS      16
#define CONFIG_CONSOLES     2
#define CONFIG_NAME         64
#define CONFIG_TITLE        128
#define CONFIG_DESCRIPTION  512
#define CONFIG_METADATA     2048       /* bytes of what is in <metadata> */
#define CONFIG_DOM0         "Domain-0" /* no guest has this name: dom0 itself has, in the shell */
#define CONFIG_PATH         128
#define CONFIG_SOURCE       256 /* of a disk */
#define CONFIG_CMDLINE      2048
#define CONFIG_VNC_PASSWORD 8              /* more of it VNC does not look at */
#define CONFIG_VNC_PORTS    5900u          /* where ports that the guest does not choose begin */
#define CONFIG_XML_BYTES    (256u * 1024u) /* of one description */
#define CONFIG_MEMORY_MIN   (2ull << 20)
#define CONFIG_MEMORY_MAX   (1ull << 39) /* of a region of the kernel's */

/* Without a kernel a guest boots by firmware, which has this name if none is given. */
#define CONFIG_BIOS      "bios-256k.bin"
#define CONFIG_BOOT_DEVS 4

/* From which kinds of devices firmware boots, in the order of <boot dev>. */
enum config_boot { BOOT_NOTHING, BOOT_DISK, BOOT_CDROM, BOOT_NETWORK, BOOT_FLOPPY };

enum vm_action { VM_ACTION_DESTROY, VM_ACTION_RESTART, VM_ACTION_PRESERVE };

/* The words by which a description says how a disk is used. A word is its place in the list of
 * config_disk_words, from 1 on; 0: it is absent. */
enum config_disk_word {
	DISK_CACHE,
	DISK_WRITE_ERROR,
	DISK_READ_ERROR,
	DISK_IO,
	DISK_DISCARD,
	DISK_WORDS
};
enum {
	CACHE_DEFAULT = 1,
	CACHE_NONE,
	CACHE_WRITETHROUGH,
	CACHE_WRITEBACK,
	CACHE_DIRECTSYNC,
	CACHE_UNSAFE
};
enum { DISCARD_UNMAP = 1, DISCARD_IGNORE };
enum { POLICY_REPORT = 1, POLICY_STOP, POLICY_IGNORE, POLICY_ENOSPACE };
struct config_disk_words {
	const char *name; /* of the attribute */
	const char *const *words;
};
extern const struct config_disk_words config_disk_words[DISK_WORDS];

/* <iotune>: of bytes and of requests a second, total, of reads, of writes. */
enum config_iotune_limit {
	IOTUNE_TOTAL_BYTES,
	IOTUNE_READ_BYTES,
	IOTUNE_WRITE_BYTES,
	IOTUNE_TOTAL_IOPS,
	IOTUNE_READ_IOPS,
	IOTUNE_WRITE_IOPS,
	IOTUNE_LIMITS
};
extern const char *const config_iotune_names[IOTUNE_LIMITS];
struct config_iotune {
	uint64_t rate[IOTUNE_LIMITS];    /* 0: no limit */
	uint64_t burst[IOTUNE_LIMITS];   /* _max; 0: none given */
	uint32_t seconds[IOTUNE_LIMITS]; /* _max_length */
	uint64_t request_bytes;          /* size_iops_sec */
};

struct config_disk {
	char source[CONFIG_SOURCE]; /* block device: a path as for blk_find */
	bool volume;                /* the source is given as pool and volume: "/dev/POOL/VOLUME" */
	bool file;                  /* the source is a path of a volume's (storage/path.h) */
	char target[16];            /* "vda" */
	char serial[21];            /* virtio-blk's device ID, "" if none */
	bool readonly;
	bool qcow2;     /* the format; raw otherwise */
	bool transient; /* what the guest writes goes when the guest ends */
	bool shareable; /* other guests that say so, too, may have it at the same time */
	uint8_t word[DISK_WORDS];
	uint16_t boot_order; /* 0: none */
	struct config_iotune iotune;
};

struct config_nic {
	char source[32];     /* the bridge's or network's name, a label */
	char target[32];     /* <target dev>, "" if none */
	uint8_t mac[6];      /* made from the guest's name if not given */
	bool mac_made;       /* it was not */
	uint16_t vlan;       /* access VLAN, 0: none */
	bool link_down;      /* <link state='down'/> */
	uint16_t boot_order; /* 0: none */
};

/* A PCI function of the machine that the guest gets. */
struct config_hostdev {
	uint16_t requester; /* bus << 8 | slot << 3 | function */
	bool interface;     /* written as an <interface> */
};

struct vm_config {
	char name[CONFIG_NAME];
	char title[CONFIG_TITLE]; /* "" if none */
	char description[CONFIG_DESCRIPTION];
	char metadata[CONFIG_METADATA]; /* the elements in <metadata>, as they were written */
	uint8_t uuid[16];               /* made from the name if not given */
	uint64_t memory;                /* bytes, a multiple of 2 MiB */
	uint32_t vcpus;
	uint32_t threads, cores; /* of a core, of a socket */
	uint32_t weight;         /* <cputune><shares>, default 1024 */
	uint64_t quota, period;  /* microseconds of which each vCPU may have; quota 0: all */
	struct cpuset affinity[CONFIG_VCPUS];

	char kernel[CONFIG_PATH];           /* "": firmware boots the guest from its devices */
	char firmware[CONFIG_PATH];         /* if there is no kernel */
	uint8_t boot_dev[CONFIG_BOOT_DEVS]; /* enum config_boot; BOOT_NOTHING is behind the last */
	bool boot_menu;
	uint32_t boot_menu_ms; /* how long it waits for a key, 0: as firmware likes */
	bool bios_serial;      /* firmware's screen and keyboard are COM1, too */
	bool bios_reboot_given;
	int32_t bios_reboot_ms; /* after it found nothing to boot; -1: never */
	bool debugcon;          /* what firmware writes to port 0x402 is logged */
	char initrd[CONFIG_INITRDS][CONFIG_PATH];
	/* A multiboot module's own command line: the text behind the file name in its <initrd>
	 * element. */
	char initrd_args[CONFIG_INITRDS][CONFIG_PATH];
	uint32_t initrds;
	char cmdline[CONFIG_CMDLINE];

	bool acpi, apic, pae; /* <features> */
	bool clock_localtime; /* <clock offset='localtime'/>: as UTC here */
	uint64_t tsc_hz;      /* 0: the machine's own */
	enum vm_action on_poweroff, on_reboot, on_crash;

	struct config_disk disk[CONFIG_DISKS];
	uint32_t disks;
	struct config_nic nic[CONFIG_NICS];
	uint32_t nics;
	struct config_hostdev hostdev[CONFIG_HOSTDEVS];
	uint32_t hostdevs;
	uint32_t serials;         /* <serial>: 16550 UARTs; 1 if no console given */
	bool virtio_console;      /* <console> with target type='virtio' */
	bool video;               /* the standard VGA, PS/2 keyboard and mouse */
	uint64_t video_memory;    /* bytes, a power of two */
	bool vnc;                 /* <graphics type='vnc'>; with a screen only */
	uint16_t vnc_port;        /* 0: the first that is free when the guest starts */
	uint16_t vnc_port_in_use; /* of a guest that runs, for its document; 0: none */
	char vnc_listen[16];      /* an IPv4 address; 0.0.0.0 if none is given */
	char vnc_password[CONFIG_VNC_PASSWORD + 1]; /* "" if none given */
	bool rng;
	bool panic; /* QEMU's pvpanic device */
};

/*
 * What is wrong with a description, all of it: lines "FILE:LINE: <ELEMENT>: what is wrong", and
 * what was accepted although the guest gets something else, in lines of the same kind. Each line
 * ends with a line's end. The last line counts those for which there is no room.
 */
#define CONFIG_ERROR_BYTES 8192u
struct config_report {
	char text[CONFIG_ERROR_BYTES];
	unsigned used, left_out;
};
struct config_error {
	struct config_report refusals, notes;
};

/* Called at each element of a description: a place where a slow computation may pause
 * (base/slow.h). NULL: nothing is called. */
extern void (*config_pause)(void);

/*
 * Parses a description. Returns NULL if something in it is refused; *error has every refusal
 * then, and the notes in either case. The result is from malloc and ends with config_free.
 */
struct vm_config *config_parse(const char *file, const char *xml, size_t bytes,
			       struct config_error *error);
void config_free(struct vm_config *config);

/* Does the description limit how fast the disk may work? */
static inline bool config_iotune_given(const struct config_iotune *tune)
{
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++)
		if (tune->rate[i])
			return true;
	return false;
}

/* Is the description's address of VNC one that nobody outside of dom0 could reach? */
static inline bool config_vnc_is_local(const struct vm_config *c)
{
	return c->vnc_listen[0] == '1' && c->vnc_listen[1] == '2' && c->vnc_listen[2] == '7';
}

/* Does firmware boot the guest? */
static inline bool config_has_firmware(const struct vm_config *config)
{
	return !config->kernel[0];
}

/* Calls `line` with each line of a report, without its end. */
void config_each_line(const struct config_report *report, void (*line)(const char *text));

/* The values of <domain type=>, ended by NULL; the first is Sampo's own. */
extern const char *const config_domain_types[];

/* A title is one line of up to CONFIG_TITLE - 1 bytes. */
bool config_is_title(const char *text);

/* The name of a running guest's device in its XML and in the news of it, <alias>: it stays when
 * other devices come and go. */
#define CONFIG_ALIAS 48
void config_disk_alias(char alias[CONFIG_ALIAS], const struct config_disk *disk);
void config_nic_alias(char alias[CONFIG_ALIAS], const struct config_nic *nic);

/* False if the text is not a UUID. */
bool config_uuid(const char *text, uint8_t uuid[16]);

/* libvirt's units of a size, in any case: bytes, powers of 1000 with B, powers of 1024 without or
 * with iB. Returns how many bytes it is, 0 if there is no such unit. */
uint64_t config_unit(const char *unit);

/* A guest's memory is a number of pages of 2 MiB, as many as hold these bytes. */
static inline uint64_t config_memory(uint64_t bytes)
{
	return (bytes + CONFIG_MEMORY_MIN - 1) & ~(CONFIG_MEMORY_MIN - 1);
}

/* Bits that number n things. */
static inline unsigned config_bits(uint32_t n)
{
	return n > 1 ? 32u - (unsigned)__builtin_clz(n - 1) : 0;
}

/* The local APIC id of a virtual CPU: thread, core and socket have bits of their own. */
static inline uint32_t config_apic_id(const struct vm_config *c, uint32_t vcpu)
{
	uint32_t core = vcpu / c->threads;

	return vcpu % c->threads | (core % c->cores) << config_bits(c->threads) |
	       (core / c->cores) << (config_bits(c->threads) + config_bits(c->cores));
}

/*
 * The canonical XML of a description, as virsh dumpxml gives it, by way of `put` in pieces that end
 * with a line's end. `id` is the guest's number, 0 for a guest that does not run.
 */
void config_dump(const struct vm_config *config, uint32_t id,
		 void (*put)(void *context, const char *text), void *context);
