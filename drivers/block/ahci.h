/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and structures of AHCI 1.3.1, and the driver's own. */
#pragma once

#include "drivers/block/request.h"
#include "drivers/pci.h"

#define AHCI_PORTS 32u
#define AHCI_SLOTS 32u

#define CAP_S64A       0x80000000u
#define CAP_SNCQ       0x40000000u
#define CAP_SLOTS(cap) (((cap) >> 8 & 0x1f) + 1)
#define GHC_AE         0x80000000u
#define GHC_IE         0x00000002u
#define GHC_HR         0x00000001u
#define CAP2_BOH       0x00000001u
#define BOHC_BB        0x00000010u
#define BOHC_OOS       0x00000002u
#define BOHC_BOS       0x00000001u

#define CMD_ST         0x00000001u
#define CMD_SUD        0x00000002u
#define CMD_POD        0x00000004u
#define CMD_FRE        0x00000010u
#define CMD_FR         0x00004000u
#define CMD_CR         0x00008000u
#define CMD_ICC_ACTIVE 0x10000000u

#define PIS_DHRS   0x00000001u /* D2H register FIS */
#define PIS_PSS    0x00000002u /* PIO setup FIS */
#define PIS_DSS    0x00000004u /* DMA setup FIS */
#define PIS_SDBS   0x00000008u /* set device bits FIS */
#define PIS_PCS    0x00000040u /* port connect change */
#define PIS_PRCS   0x00400000u /* PhyRdy change */
#define PIS_ERRORS 0x7d000010u /* TFES HBFS HBDS IFS INFS OFS, UFS */
#define PIE_ALL    (PIS_DHRS | PIS_PSS | PIS_DSS | PIS_SDBS | PIS_PCS | PIS_PRCS | PIS_ERRORS)

#define DET(ssts)   ((ssts)&0xf)
#define DET_PRESENT 1u
#define DET_ONLINE  3u

#define SIG_DISK 0x00000101u

/* AHCI 3.1 and 3.3 */
struct ahci_port_regs {
	uint32_t clb, clbu, fb, fbu, is, ie, cmd, reserved;
	uint32_t tfd, sig, ssts, sctl, serr, sact, ci, sntf, fbs;
	uint32_t more[15];
};

struct ahci_regs {
	uint32_t cap, ghc, is, pi, vs, ccc_ctl, ccc_ports, em_loc, em_ctl, cap2, bohc;
	uint32_t reserved[53];
	struct ahci_port_regs port[AHCI_PORTS];
};

/* AHCI 4.2.2 and 4.2.3 */
struct ahci_header {
	uint32_t flags, transferred;
	uint64_t table;
	uint32_t reserved[4];
};

#define HEADER_FIS_DWORDS 5u
#define HEADER_WRITE      0x40u

struct ahci_prd {
	uint64_t bus;
	uint32_t reserved, bytes_less_one;
};

#define PRD_MAX_BYTES 0x400000u
/* One command moves at most so much; with that, BLK_MAX_SEGMENTS segments
 * never need more entries than there are. */
#define COMMAND_MAX_SECTORS 16384u
#define PRD_ENTRIES         136u

struct ahci_table {
	uint32_t fis[16];
	uint32_t atapi[16];
	struct ahci_prd prd[PRD_ENTRIES];
};

_Static_assert(sizeof(struct ahci_table) % 128 == 0, "AHCI 4.2.3: alignment of tables");

/* The memory of each port: one block of 2 KiB. */
struct ahci_area {
	struct ahci_header header[AHCI_SLOTS];
	uint8_t received[256];
	uint8_t reserved[256];
	union {
		uint16_t identify[256];
		uint64_t trim[64];
	};
};

#define BOUNCE_SECTORS 128u

enum ahci_state {
	PORT_EMPTY, /* no disk, or one that cannot be used */
	PORT_STOP,  /* waits for the command engine to stop */
	PORT_RESET, /* COMRESET is on */
	PORT_LINK,  /* waits for the link */
	PORT_BUSY,  /* waits for the disk's first status */
	PORT_IDENTIFY,
	PORT_READY,
};

struct ahci_slot {
	struct blk_request *request;
	uint32_t first, sectors; /* of the request */
	uint8_t age;             /* ticks of the watchdog */
	bool bounce;
};

struct ahci_port {
	struct ahci *hba;
	volatile struct ahci_port_regs *regs;
	struct blkdev disk;
	unsigned number;
	enum ahci_state state;
	bool hard;         /* STOP: a COMRESET follows */
	const char *dying; /* STOP: the port is given up then, for this reason */
	bool identify;     /* once the port runs, identify the disk */
	bool registered;
	uint64_t limit; /* of the state */
	struct timer timer;
	bool ticking;
	unsigned polls;

	struct ahci_area *area;
	uint64_t area_bus;
	struct ahci_table *tables;
	uint8_t *bounce;
	uint64_t bounce_bus;
	bool bounce_busy;

	struct blk_queue queue;
	struct ahci_slot slot[AHCI_SLOTS];
	uint32_t slots;   /* that may be used, as bits */
	uint32_t active;  /* issued */
	uint32_t suspect; /* to be tried again one at a time, after an error */
	bool alone;       /* the active command is not a queued one */
	bool identifying; /* it is the driver's own IDENTIFY, in slot 0 */
	bool ncq;
	unsigned strikes; /* resets without a command completed between them */
	unsigned tries;   /* of IDENTIFY */
	unsigned errors, flaps;
};

struct ahci {
	struct pci_device *pci;
	volatile struct ahci_regs *regs;
	struct ahci_port *port[AHCI_PORTS];
	uint32_t present;   /* ports in use, as bits */
	uint32_t searching; /* ports that are waited for at the start */
	uint32_t lonely;    /* ports without a disk when we came */
	unsigned slots;
	bool address64, ncq, polled;
	uint64_t limit;
	struct timer timer;
};

/* ahci.c: the state of ports */
void ahci_recover(struct ahci_port *port, bool hard);
void ahci_identified(struct ahci_port *port, bool good);
void ahci_gone(struct ahci_port *port, const char *why);

/* ahci_io.c: commands */
bool ahci_port_alloc(struct ahci_port *port);
void ahci_submit(struct blkdev *dev, struct blk_request *request);
void ahci_issue_identify(struct ahci_port *port);
void ahci_kick(struct ahci_port *port);
void ahci_complete(struct ahci_port *port, uint32_t status);
void ahci_tick(struct ahci_port *port);
void ahci_fail_all(struct ahci_port *port);
