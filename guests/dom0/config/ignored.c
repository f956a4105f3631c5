/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Elements of domain XML that are accepted with everything in them, because the guest that the
 * writer expects and the guest that Sampo makes do not differ by them: where things are on the
 * host, in which order QEMU puts devices on its bus, with which priority its threads run. A note
 * says so where the operator of another host could expect an effect.
 */
#include "guests/dom0/config/parse.h"

const struct config_word config_ignored[] = {
	{"domain/resource", NULL},
	{"domain/seclabel", NULL},
	{"domain/memoryBacking", NULL},
	{"domain/iothreads", NULL},
	{"domain/iothreadids", NULL},
	{"domain/on_lockfailure", NULL},
	{"domain/perf", NULL},
	{"domain/numatune", "memory is taken where there is some"},
	{"domain/cputune/emulatorpin", NULL},
	{"domain/cputune/emulator_period", NULL},
	{"domain/cputune/emulator_quota", NULL},
	{"domain/cputune/emulatorsched", NULL},
	{"domain/cputune/iothreadpin", NULL},
	{"domain/cputune/iothreadsched", NULL},
	{"domain/features/ioapic", NULL},
	{"domain/clock/timer/catchup", NULL},
	{"domain/devices/emulator", NULL},
	{"domain/devices/memballoon/*", NULL},
	{"domain/devices/controller/*", NULL},
	{"domain/devices/disk/source/seclabel", NULL},
	{"domain/devices/disk/source/address", NULL},
	{"domain/devices/interface/rom", NULL},
	{"domain/devices/interface/script", NULL},
	{"domain/devices/interface/backend", NULL},
	{"domain/devices/interface/virtualport", NULL},
	{"domain/devices/interface/tune", NULL},
	{"domain/devices/interface/coalesce", NULL},
	{"domain/devices/hostdev/boot", NULL},
	{"domain/devices/hostdev/driver", NULL},
	{"domain/devices/hostdev/rom", NULL},
	{"domain/devices/serial/source", NULL},
	{"domain/devices/serial/protocol", NULL},
	{"domain/devices/serial/log", "what was written last is kept, see console --log"},
	{"domain/devices/console/source", NULL},
	{"domain/devices/console/protocol", NULL},
	{"domain/devices/console/log", "what was written last is kept, see console --log"},
	{"domain/devices/rng/driver", NULL},
	/* Below each device. */
	{"*alias", NULL},
	{"*address", NULL},
	{"*acpi", NULL},
	{NULL, NULL},
};
