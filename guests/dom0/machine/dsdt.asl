/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest's machine has that can't be enumerated. The addresses are
 * those of guests/dom0/machine. */
DefinitionBlock ("", "DSDT", 2, "SAMPO", "SAMPODSD", 1)
{
	/* S5 is sleep type 0 of PM1_CNT. */
	Name (\_S5, Package () { 0, 0, 0, 0 })

	/* 0: the guest uses the PICs; 1: the I/O APIC. */
	Name (PICM, 0)
	Method (\_PIC, 1)
	{
		PICM = Arg0
	}

	Scope (\_GPE)
	{
		Method (_E01, 0)
		{
			\_SB.PCI0.PCNT ()
		}
	}

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0x0cf8, 0x0cf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0000, 0x0cf7, 0, 0x0cf8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0d00, 0xffff, 0, 0xf300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
				/* acpi_tables.c makes it empty where RAM reaches it. */
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0x4000000000, 0x7fffffffff, 0, 0x4000000000)
			})

			/* INTA# of slot n: GSI 16 + n % 4, or IRQ 10 where n % 4 is 1 or 2, else 11. */
			Name (GSIS, Package ()
			{
				Package () { 0x0001ffff, 0, 0, 17 },
				Package () { 0x0002ffff, 0, 0, 18 },
				Package () { 0x0003ffff, 0, 0, 19 },
				Package () { 0x0004ffff, 0, 0, 16 },
				Package () { 0x0005ffff, 0, 0, 17 },
				Package () { 0x0006ffff, 0, 0, 18 },
				Package () { 0x0007ffff, 0, 0, 19 },
				Package () { 0x0008ffff, 0, 0, 16 },
				Package () { 0x0009ffff, 0, 0, 17 },
				Package () { 0x000affff, 0, 0, 18 },
				Package () { 0x000bffff, 0, 0, 19 },
				Package () { 0x000cffff, 0, 0, 16 },
				Package () { 0x000dffff, 0, 0, 17 },
				Package () { 0x000effff, 0, 0, 18 },
				Package () { 0x000fffff, 0, 0, 19 },
				Package () { 0x0010ffff, 0, 0, 16 },
				Package () { 0x0011ffff, 0, 0, 17 },
				Package () { 0x0012ffff, 0, 0, 18 },
				Package () { 0x0013ffff, 0, 0, 19 },
				Package () { 0x0014ffff, 0, 0, 16 },
				Package () { 0x0015ffff, 0, 0, 17 },
				Package () { 0x0016ffff, 0, 0, 18 },
				Package () { 0x0017ffff, 0, 0, 19 },
				Package () { 0x0018ffff, 0, 0, 16 },
				Package () { 0x0019ffff, 0, 0, 17 },
				Package () { 0x001affff, 0, 0, 18 },
				Package () { 0x001bffff, 0, 0, 19 },
				Package () { 0x001cffff, 0, 0, 16 },
				Package () { 0x001dffff, 0, 0, 17 },
				Package () { 0x001effff, 0, 0, 18 },
				Package () { 0x001fffff, 0, 0, 19 }
			})
			Name (IRQS, Package ()
			{
				Package () { 0x0001ffff, 0, 0, 10 },
				Package () { 0x0002ffff, 0, 0, 10 },
				Package () { 0x0003ffff, 0, 0, 11 },
				Package () { 0x0004ffff, 0, 0, 11 },
				Package () { 0x0005ffff, 0, 0, 10 },
				Package () { 0x0006ffff, 0, 0, 10 },
				Package () { 0x0007ffff, 0, 0, 11 },
				Package () { 0x0008ffff, 0, 0, 11 },
				Package () { 0x0009ffff, 0, 0, 10 },
				Package () { 0x000affff, 0, 0, 10 },
				Package () { 0x000bffff, 0, 0, 11 },
				Package () { 0x000cffff, 0, 0, 11 },
				Package () { 0x000dffff, 0, 0, 10 },
				Package () { 0x000effff, 0, 0, 10 },
				Package () { 0x000fffff, 0, 0, 11 },
				Package () { 0x0010ffff, 0, 0, 11 },
				Package () { 0x0011ffff, 0, 0, 10 },
				Package () { 0x0012ffff, 0, 0, 10 },
				Package () { 0x0013ffff, 0, 0, 11 },
				Package () { 0x0014ffff, 0, 0, 11 },
				Package () { 0x0015ffff, 0, 0, 10 },
				Package () { 0x0016ffff, 0, 0, 10 },
				Package () { 0x0017ffff, 0, 0, 11 },
				Package () { 0x0018ffff, 0, 0, 11 },
				Package () { 0x0019ffff, 0, 0, 10 },
				Package () { 0x001affff, 0, 0, 10 },
				Package () { 0x001bffff, 0, 0, 11 },
				Package () { 0x001cffff, 0, 0, 11 },
				Package () { 0x001dffff, 0, 0, 10 },
				Package () { 0x001effff, 0, 0, 10 },
				Package () { 0x001fffff, 0, 0, 11 }
			})
			Method (_PRT, 0)
			{
				If (PICM)
				{
					Return (GSIS)
				}
				Return (IRQS)
			}

			/* Devices that come and go: machine/hotplug.c. A bit for each slot. */
			OperationRegion (PCST, SystemIO, 0xae00, 12)
			Field (PCST, DWordAcc, NoLock, WriteAsZeros)
			{
				PCIU, 32,
				PCID, 32,
				B0EJ, 32
			}
			Device (S01) { Name (_ADR, 0x00010000) Name (_SUN, 1) Method (_EJ0, 1) { B0EJ = 0x2 } }
			Device (S02) { Name (_ADR, 0x00020000) Name (_SUN, 2) Method (_EJ0, 1) { B0EJ = 0x4 } }
			Device (S03) { Name (_ADR, 0x00030000) Name (_SUN, 3) Method (_EJ0, 1) { B0EJ = 0x8 } }
			Device (S04) { Name (_ADR, 0x00040000) Name (_SUN, 4) Method (_EJ0, 1) { B0EJ = 0x10 } }
			Device (S05) { Name (_ADR, 0x00050000) Name (_SUN, 5) Method (_EJ0, 1) { B0EJ = 0x20 } }
			Device (S06) { Name (_ADR, 0x00060000) Name (_SUN, 6) Method (_EJ0, 1) { B0EJ = 0x40 } }
			Device (S07) { Name (_ADR, 0x00070000) Name (_SUN, 7) Method (_EJ0, 1) { B0EJ = 0x80 } }
			Device (S08) { Name (_ADR, 0x00080000) Name (_SUN, 8) Method (_EJ0, 1) { B0EJ = 0x100 } }
			Device (S09) { Name (_ADR, 0x00090000) Name (_SUN, 9) Method (_EJ0, 1) { B0EJ = 0x200 } }
			Device (S0A) { Name (_ADR, 0x000a0000) Name (_SUN, 10) Method (_EJ0, 1) { B0EJ = 0x400 } }
			Device (S0B) { Name (_ADR, 0x000b0000) Name (_SUN, 11) Method (_EJ0, 1) { B0EJ = 0x800 } }
			Device (S0C) { Name (_ADR, 0x000c0000) Name (_SUN, 12) Method (_EJ0, 1) { B0EJ = 0x1000 } }
			Device (S0D) { Name (_ADR, 0x000d0000) Name (_SUN, 13) Method (_EJ0, 1) { B0EJ = 0x2000 } }
			Device (S0E) { Name (_ADR, 0x000e0000) Name (_SUN, 14) Method (_EJ0, 1) { B0EJ = 0x4000 } }
			Device (S0F) { Name (_ADR, 0x000f0000) Name (_SUN, 15) Method (_EJ0, 1) { B0EJ = 0x8000 } }
			Device (S10) { Name (_ADR, 0x00100000) Name (_SUN, 16) Method (_EJ0, 1) { B0EJ = 0x10000 } }
			Device (S11) { Name (_ADR, 0x00110000) Name (_SUN, 17) Method (_EJ0, 1) { B0EJ = 0x20000 } }
			Device (S12) { Name (_ADR, 0x00120000) Name (_SUN, 18) Method (_EJ0, 1) { B0EJ = 0x40000 } }
			Device (S13) { Name (_ADR, 0x00130000) Name (_SUN, 19) Method (_EJ0, 1) { B0EJ = 0x80000 } }
			Device (S14) { Name (_ADR, 0x00140000) Name (_SUN, 20) Method (_EJ0, 1) { B0EJ = 0x100000 } }
			Device (S15) { Name (_ADR, 0x00150000) Name (_SUN, 21) Method (_EJ0, 1) { B0EJ = 0x200000 } }
			Device (S16) { Name (_ADR, 0x00160000) Name (_SUN, 22) Method (_EJ0, 1) { B0EJ = 0x400000 } }
			Device (S17) { Name (_ADR, 0x00170000) Name (_SUN, 23) Method (_EJ0, 1) { B0EJ = 0x800000 } }
			Device (S18) { Name (_ADR, 0x00180000) Name (_SUN, 24) Method (_EJ0, 1) { B0EJ = 0x1000000 } }
			Device (S19) { Name (_ADR, 0x00190000) Name (_SUN, 25) Method (_EJ0, 1) { B0EJ = 0x2000000 } }
			Device (S1A) { Name (_ADR, 0x001a0000) Name (_SUN, 26) Method (_EJ0, 1) { B0EJ = 0x4000000 } }
			Device (S1B) { Name (_ADR, 0x001b0000) Name (_SUN, 27) Method (_EJ0, 1) { B0EJ = 0x8000000 } }
			Device (S1C) { Name (_ADR, 0x001c0000) Name (_SUN, 28) Method (_EJ0, 1) { B0EJ = 0x10000000 } }
			Device (S1D) { Name (_ADR, 0x001d0000) Name (_SUN, 29) Method (_EJ0, 1) { B0EJ = 0x20000000 } }
			Device (S1E) { Name (_ADR, 0x001e0000) Name (_SUN, 30) Method (_EJ0, 1) { B0EJ = 0x40000000 } }
			Device (S1F) { Name (_ADR, 0x001f0000) Name (_SUN, 31) Method (_EJ0, 1) { B0EJ = 0x80000000 } }
			/* Notify (slot, Arg1) for the bits of Arg0. */
			Method (DVNT, 2)
			{
				If (Arg0 & 0x2) { Notify (S01, Arg1) }
				If (Arg0 & 0x4) { Notify (S02, Arg1) }
				If (Arg0 & 0x8) { Notify (S03, Arg1) }
				If (Arg0 & 0x10) { Notify (S04, Arg1) }
				If (Arg0 & 0x20) { Notify (S05, Arg1) }
				If (Arg0 & 0x40) { Notify (S06, Arg1) }
				If (Arg0 & 0x80) { Notify (S07, Arg1) }
				If (Arg0 & 0x100) { Notify (S08, Arg1) }
				If (Arg0 & 0x200) { Notify (S09, Arg1) }
				If (Arg0 & 0x400) { Notify (S0A, Arg1) }
				If (Arg0 & 0x800) { Notify (S0B, Arg1) }
				If (Arg0 & 0x1000) { Notify (S0C, Arg1) }
				If (Arg0 & 0x2000) { Notify (S0D, Arg1) }
				If (Arg0 & 0x4000) { Notify (S0E, Arg1) }
				If (Arg0 & 0x8000) { Notify (S0F, Arg1) }
				If (Arg0 & 0x10000) { Notify (S10, Arg1) }
				If (Arg0 & 0x20000) { Notify (S11, Arg1) }
				If (Arg0 & 0x40000) { Notify (S12, Arg1) }
				If (Arg0 & 0x80000) { Notify (S13, Arg1) }
				If (Arg0 & 0x100000) { Notify (S14, Arg1) }
				If (Arg0 & 0x200000) { Notify (S15, Arg1) }
				If (Arg0 & 0x400000) { Notify (S16, Arg1) }
				If (Arg0 & 0x800000) { Notify (S17, Arg1) }
				If (Arg0 & 0x1000000) { Notify (S18, Arg1) }
				If (Arg0 & 0x2000000) { Notify (S19, Arg1) }
				If (Arg0 & 0x4000000) { Notify (S1A, Arg1) }
				If (Arg0 & 0x8000000) { Notify (S1B, Arg1) }
				If (Arg0 & 0x10000000) { Notify (S1C, Arg1) }
				If (Arg0 & 0x20000000) { Notify (S1D, Arg1) }
				If (Arg0 & 0x40000000) { Notify (S1E, Arg1) }
				If (Arg0 & 0x80000000) { Notify (S1F, Arg1) }
			}
			Method (PCNT, 0, Serialized)
			{
				DVNT (PCIU, 1) /* look at the slot */
				DVNT (PCID, 3) /* give the device up */
			}
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x03f8, 0x03f8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (COM2)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 2)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x02f8, 0x02f8, 1, 8)
				IRQNoFlags () { 3 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0070, 0x0070, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		/* QEMU's pvpanic; without it nobody answers at the port. */
		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			OperationRegion (PEVR, SystemIO, 0x0505, 1)
			Field (PEVR, ByteAcc, NoLock, Preserve)
			{
				PEVE, 8
			}
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0505, 0x0505, 1, 1)
			})
			Method (_STA, 0, NotSerialized)
			{
				If (PEVE == 0xff)
				{
					Return (0)
				}
				Return (0x0f)
			}
		}

		/* The ports of PM1, PM timer, GPE0 and hot-plug; PCI's configuration space. */
		Device (PMIO)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0600, 0x0600, 1, 12)
				IO (Decode16, 0x0620, 0x0620, 1, 4)
				IO (Decode16, 0xae00, 0xae00, 1, 12)
				Memory32Fixed (ReadWrite, 0xfef00000, 0x00100000)
			})
		}
	}
}
