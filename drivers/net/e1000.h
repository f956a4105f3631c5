/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and descriptors of the 8254x family and the 82574 (PCI/PCI-X
 * Family of Gigabit Ethernet Controllers Software Developer's Manual; 82574
 * datasheet), and the driver's own structures.
 */
#pragma once

#include "drivers/net.h"
#include "drivers/pci.h"

enum e1000_register {
	E1000_CTRL = 0x0000,
	E1000_STATUS = 0x0008,
	E1000_EERD = 0x0014,
	E1000_CTRL_EXT = 0x0018,
	E1000_ICR = 0x00c0,
	E1000_ITR = 0x00c4,
	E1000_IMS = 0x00d0,
	E1000_IMC = 0x00d8,
	E1000_EIAC = 0x00dc,
	E1000_IVAR = 0x00e4,
	E1000_EITR = 0x00e8,
	E1000_RCTL = 0x0100,
	E1000_TCTL = 0x0400,
	E1000_TIPG = 0x0410,
	E1000_RDBAL = 0x2800,
	E1000_RDBAH = 0x2804,
	E1000_RDLEN = 0x2808,
	E1000_RDH = 0x2810,
	E1000_RDT = 0x2818,
	E1000_RDTR = 0x2820,
	E1000_RADV = 0x282c,
	E1000_TDBAL = 0x3800,
	E1000_TDBAH = 0x3804,
	E1000_TDLEN = 0x3808,
	E1000_TDH = 0x3810,
	E1000_TDT = 0x3818,
	E1000_TXDCTL = 0x3828,
	E1000_TARC = 0x3840,
	E1000_MPC = 0x4010, /* missed packets, cleared by reading */
	E1000_RXCSUM = 0x5000,
	E1000_RFCTL = 0x5008,
	E1000_MTA = 0x5200, /* 128 words */
	E1000_RAL = 0x5400,
	E1000_RAH = 0x5404,
};

#define CTRL_FD           0x00000001u
#define CTRL_LRST         0x00000008u
#define CTRL_ASDE         0x00000020u
#define CTRL_SLU          0x00000040u
#define CTRL_ILOS         0x00000080u
#define CTRL_FRCSPD       0x00000800u
#define CTRL_FRCDPX       0x00001000u
#define CTRL_RST          0x04000000u
#define CTRL_VME          0x40000000u
#define CTRL_PHY_RST      0x80000000u
#define STATUS_LU         0x00000002u
#define CTRL_EXT_DRV_LOAD 0x10000000u

#define INT_TXQE  0x00000002u
#define INT_LSC   0x00000004u
#define INT_RXDMT 0x00000010u
#define INT_RXO   0x00000040u
#define INT_RXT   0x00000080u
#define INT_RXQ0  0x00100000u /* 82574 with MSI-X */
#define INT_OTHER 0x01000000u

#define RCTL_EN    0x00000002u
#define RCTL_UPE   0x00000008u
#define RCTL_MPE   0x00000010u
#define RCTL_BAM   0x00008000u
#define RCTL_SECRC 0x04000000u /* buffers of 2048 bytes: size bits are 0 */
#define TCTL_EN    0x00000002u
#define TCTL_PSP   0x00000008u
#define TCTL_CT    0x000000f0u /* 15 collisions */
#define TCTL_COLD  0x00040000u /* full duplex */
#define RAH_AV     0x80000000u
/* 82574: Intel's own drivers clear these and set that. */
#define TARC_CLEAR 0x78000000u
#define TARC_SET   0x04000000u

#define RX_DD    0x01u
#define RX_EOP   0x02u
#define RX_IXSM  0x04u /* nothing is said about sums */
#define RX_TCPCS 0x20u /* the sum of TCP or UDP was looked at */
/* e1000_rx.errors: wrong sums, of TCP or UDP and of IP's header */
#define RX_TCPE 0x20u
#define RX_IPE  0x40u

#define RXCSUM_IPOFLD 0x00000100u
#define RXCSUM_TUOFLD 0x00000200u

#define TX_DD 0x01u

/* Of all transmit descriptors, in e1000_tx.command behind the length: TX_CONTEXT and TX_DATA are
 * types, a descriptor without them is a legacy one. */
#define TX_EOP         0x01000000u
#define TX_IFCS        0x02000000u
#define TX_TSE         0x04000000u
#define TX_RS          0x08000000u
#define TX_CONTEXT     0x20000000u
#define TX_DATA        0x20100000u
#define CONTEXT_IS_TCP 0x01000000u
#define CONTEXT_IS_IP4 0x02000000u
/* e1000_tx.options of data: the sum of IP's header, of TCP */
#define TX_IXSM 0x01u
#define TX_TXSM 0x02u

/* Legacy descriptors (3.2.3); the 82574 has them too. */
struct e1000_rx {
	uint64_t bus;
	uint16_t bytes, checksum;
	uint8_t status, errors;
	uint16_t special;
};

/* Transmit descriptors (3.3.3, 3.3.6, 3.3.7). A context says where in the frames that follow the
 * sums are, and how long segments are cut. */
struct e1000_tx {
	uint64_t bus;     /* a context's: CONTEXT_* */
	uint32_t command; /* and bytes: of the buffer; a context's: of the data of all segments */
	uint8_t status;
	uint8_t options;  /* a context's: bytes of the headers */
	uint16_t segment; /* bytes of data in each frame */
};

/* The first byte of what a sum is of, the place of the sum, and the last byte, 0: the frame's. */
#define CONTEXT_IP(start, offset, end) \
	((uint64_t)(start) | (uint64_t)(offset) << 8 | (uint64_t)(end) << 16)
#define CONTEXT_TCP(start, offset) ((uint64_t)(start) << 32 | (uint64_t)(offset) << 40)

#define RING   256u
#define BUFFER 2048u

struct e1000 {
	struct netdev net;
	struct pci_device *pci;
	volatile uint8_t *regs;
	bool pcie; /* 82574 */
	bool polled;
	bool running; /* reset is over, the rings are set up */
	uint32_t interrupts;

	volatile struct e1000_rx *rx;
	volatile struct e1000_tx *tx;
	uint64_t rx_bus, tx_bus;
	uint8_t *rx_buffer, *tx_buffer;
	uint64_t rx_buffer_bus, tx_buffer_bus;
	unsigned rx_next;
	uint8_t tx_span[RING];      /* descriptors of the frame whose first one is there */
	uint64_t tx_context;        /* what the card has for a checksum alone, 0: something else */
	unsigned tx_next, tx_clean; /* free-running counts */
	unsigned tx_told;           /* the hardware knows of these */
	unsigned tx_seen;           /* the watchdog saw this tx_clean */
	bool watching;
	unsigned hangs;
	struct timer reset_timer, watch_timer, poll_timer;
};
