/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and structures of NVMe 1.4, and the driver's own. */
#pragma once

#include "drivers/block/request.h"
#include "drivers/pci.h"

#define NVME_PAGE 4096u

/* 3.1 */
#define NVME_CAP       0x00u
#define NVME_VS        0x08u
#define NVME_CC        0x14u
#define NVME_CSTS      0x1cu
#define NVME_AQA       0x24u
#define NVME_ASQ       0x28u
#define NVME_ACQ       0x30u
#define NVME_DOORBELLS 0x1000u

#define CAP_MQES(cap)    ((uint32_t)(cap)&0xffff)
#define CAP_TO(cap)      ((uint32_t)((cap) >> 24) & 0xff)
#define CAP_DSTRD(cap)   ((uint32_t)((cap) >> 32) & 0xf)
#define CAP_CSS_NVM(cap) ((cap) >> 37 & 1)
#define CAP_MPSMIN(cap)  ((uint32_t)((cap) >> 48) & 0xf)

#define CC_ENABLE 0x00460001u /* entries of 64 and 16 bytes, 4 KiB pages */
#define CSTS_RDY  0x1u
#define CSTS_CFS  0x2u

#define ADMIN_CREATE_SQ     0x01u
#define ADMIN_CREATE_CQ     0x05u
#define ADMIN_IDENTIFY      0x06u
#define ADMIN_SET_FEATURES  0x09u
#define FEATURE_QUEUES      0x07u
#define ADMIN_VIRTUALIZE    0x1cu
#define IDENTIFY_NAMESPACE  0u
#define IDENTIFY_CONTROLLER 1u
#define IDENTIFY_LIST       2u
#define IDENTIFY_PRIMARY    0x14u /* what the primary controller has to share */
#define IDENTIFY_SECONDARY  0x15u /* the secondary controllers */

#define IO_FLUSH            0x00u
#define IO_WRITE            0x01u
#define IO_READ             0x02u
#define IO_DATA_SET         0x09u
#define DATA_SET_DEALLOCATE 0x4u

/* Completion status without the phase bit. */
#define STATUS_DNR          0x4000u
#define STATUS_TYPE(status) ((status) >> 8 & 7)
#define STATUS_TYPE_MEDIA   2u

struct nvme_command {
	uint32_t opcode; /* | command id << 16 */
	uint32_t nsid;
	uint64_t reserved, metadata;
	uint64_t prp1, prp2;
	uint32_t dword[6]; /* 10 to 15 */
};

struct nvme_completion {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id, id, status;
};

#define NVME_ADMIN_ENTRIES 8u
#define NVME_IO_ENTRIES    128u
#define NVME_SLOTS         (NVME_IO_ENTRIES - 1)
/* PRPs of one command behind the first: enough for 512 KiB at any offset. */
#define NVME_LIST       128u
#define NVME_LIST_BYTES (NVME_LIST * NVME_PAGE)
#define NVME_BOUNCE     65536u
#define NVME_NAMESPACES 8u

struct nvme_queue {
	struct nvme_command *sq;
	volatile struct nvme_completion *cq;
	uint64_t sq_bus, cq_bus;
	volatile uint32_t *sq_doorbell, *cq_doorbell;
	uint32_t entries, tail, head;
	uint16_t phase;
};

struct nvme_namespace {
	struct blkdev disk;
	struct nvme *nvme;
	uint32_t id;
	unsigned shift; /* sectors to logical blocks */
};

struct nvme_slot {
	struct blk_request *request; /* NULL: free */
	struct nvme_namespace *namespace;
	uint32_t first, sectors; /* of the request */
	uint8_t age, tries;
	bool bounce, late;
};

enum nvme_state {
	NVME_DEAD,
	NVME_DISABLE, /* waits for CSTS.RDY to go */
	NVME_ENABLE,  /* waits for it to come */
	NVME_SETUP,   /* a sequence of admin commands */
	NVME_READY,
};

/* Secondary controllers, which are virtual functions (NVMe 1.4, 8.5). */
struct nvme_virtual {
	bool says;                /* the controller shares queues and interrupts */
	bool asked;               /* PCI waits for the end of the preparations */
	bool begun;               /* the timer is there */
	uint16_t id;              /* of the primary controller */
	unsigned count;           /* of virtual functions; 0: there are none */
	unsigned current, action; /* the one that is prepared, and how far that is */
	uint32_t share[2];        /* of each: queues, interrupts; 0: these are not shared */
	struct timer timer;
	uint64_t limit; /* of a command */
};

struct nvme {
	struct pci_device *pci;
	volatile uint8_t *regs;
	enum nvme_state state;
	uint64_t limit;
	uint64_t patience; /* CAP.TO */
	struct timer timer;
	unsigned number; /* in names of disks */
	bool polled, ticking, searching;
	struct nvme_virtual virtual;
	unsigned polls;

	struct nvme_queue admin, io;
	void (*admin_next)(struct nvme *nvme, bool good);
	uint8_t *data; /* of admin commands: a page, then a page of namespace ids */
	uint64_t data_bus;

	char serial[24], model[44];
	bool flush, deallocate;
	uint32_t max_bytes; /* of one command */
	unsigned namespaces, listed;
	struct nvme_namespace *namespace[NVME_NAMESPACES];

	struct blk_queue queue;
	struct nvme_slot slot[NVME_SLOTS];
	uint8_t free[NVME_SLOTS]; /* a stack */
	unsigned free_count, slots;
	uint64_t *list; /* NVME_LIST entries for each slot */
	uint64_t list_bus;
	uint8_t *bounce;
	uint64_t bounce_bus;
	bool bounce_busy;
	unsigned strikes, errors;
};

/* nvme.c: the controller */
void nvme_reset(struct nvme *nvme, const char *why);
/* False: the controller has left the bus, and its registers read as ones or zeros. */
bool nvme_is_there(const struct nvme *nvme);
/* A command of administration; `next` gets its end, if nvme_admin_complete is called for it. */
void nvme_admin(struct nvme *nvme, unsigned opcode, uint32_t nsid, uint64_t prp1, uint32_t dword10,
		uint32_t dword11, void (*next)(struct nvme *nvme, bool good));
void nvme_admin_complete(struct nvme *nvme);

/* nvme_virtual.c: virtual functions */
extern const struct pci_virtual_ops nvme_virtual_ops;
/* The controller has been identified: nvme->data has what it says. */
void nvme_virtual_identified(struct nvme *nvme);
/* It runs, for the first time or again. */
void nvme_virtual_runs(struct nvme *nvme);
/* It is reset or given up: nothing of what was begun goes on. */
void nvme_virtual_lost(struct nvme *nvme, const char *why);

/* nvme_io.c: commands */
void nvme_submit(struct blkdev *dev, struct blk_request *request);
struct nvme_command *nvme_next(struct nvme_queue *queue);
void nvme_ring(struct nvme_queue *queue);
/* The next completion, or NULL. */
volatile struct nvme_completion *nvme_completed(struct nvme_queue *queue);
void nvme_consumed(struct nvme_queue *queue);
void nvme_io_complete(struct nvme *nvme);
void nvme_io_restart(struct nvme *nvme);
void nvme_kick(struct nvme *nvme);
void nvme_tick(struct nvme *nvme);
void nvme_fail_all(struct nvme *nvme);
