/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DOM0_ENV_H
#define DOM0_ENV_H

/* Offers every device that the kernel has given us to the drivers. */
void devices_start(void);

#endif
