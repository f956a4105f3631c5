/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyboard and the mouse of a guest with a screen, at the keyboard controller. */
DefinitionBlock ("", "SSDT", 2, "SAMPO", "SAMPOPS2", 1)
{
	Scope (\_SB)
	{
		Device (KBD)
		{
			Name (_HID, EisaId ("PNP0303"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0060, 0x0060, 1, 1)
				IO (Decode16, 0x0064, 0x0064, 1, 1)
				IRQNoFlags () { 1 }
			})
		}

		Device (MOU)
		{
			Name (_HID, EisaId ("PNP0F13"))
			Name (_CRS, ResourceTemplate ()
			{
				IRQNoFlags () { 12 }
			})
		}
	}
}
