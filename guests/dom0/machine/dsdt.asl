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
			})

			/* INTA# of slot n: GSI 16 + n % 4, or IRQ 10 + n % 2. */
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
				Package () { 0x0001ffff, 0, 0, 11 },
				Package () { 0x0002ffff, 0, 0, 10 },
				Package () { 0x0003ffff, 0, 0, 11 },
				Package () { 0x0004ffff, 0, 0, 10 },
				Package () { 0x0005ffff, 0, 0, 11 },
				Package () { 0x0006ffff, 0, 0, 10 },
				Package () { 0x0007ffff, 0, 0, 11 },
				Package () { 0x0008ffff, 0, 0, 10 },
				Package () { 0x0009ffff, 0, 0, 11 },
				Package () { 0x000affff, 0, 0, 10 },
				Package () { 0x000bffff, 0, 0, 11 },
				Package () { 0x000cffff, 0, 0, 10 },
				Package () { 0x000dffff, 0, 0, 11 },
				Package () { 0x000effff, 0, 0, 10 },
				Package () { 0x000fffff, 0, 0, 11 },
				Package () { 0x0010ffff, 0, 0, 10 },
				Package () { 0x0011ffff, 0, 0, 11 },
				Package () { 0x0012ffff, 0, 0, 10 },
				Package () { 0x0013ffff, 0, 0, 11 },
				Package () { 0x0014ffff, 0, 0, 10 },
				Package () { 0x0015ffff, 0, 0, 11 },
				Package () { 0x0016ffff, 0, 0, 10 },
				Package () { 0x0017ffff, 0, 0, 11 },
				Package () { 0x0018ffff, 0, 0, 10 },
				Package () { 0x0019ffff, 0, 0, 11 },
				Package () { 0x001affff, 0, 0, 10 },
				Package () { 0x001bffff, 0, 0, 11 },
				Package () { 0x001cffff, 0, 0, 10 },
				Package () { 0x001dffff, 0, 0, 11 },
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

		/* The ports of PM1, PM timer and GPE0. */
		Device (PMIO)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0600, 0x0600, 1, 12)
				IO (Decode16, 0x0620, 0x0620, 1, 4)
			})
		}
	}
}
