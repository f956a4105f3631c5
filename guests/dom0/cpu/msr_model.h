/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs that CPUs of a vendor have and no bit of CPUID announces. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The vendor by EBX of a guest's CPUID leaf 0; anything but AMD and Hygon counts as Intel. */
bool msr_vendor_is_amd(uint32_t ebx);

/* Returns true if CPUs of the vendor have the MSR; *value is what it reads as. Writes have no
 * effect. */
bool msr_model_read(bool amd, uint32_t msr, uint64_t *value);
