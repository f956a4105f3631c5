/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions between which tests/bench/count.c counts: `nopl MARK(%rax)`, which does nothing.
 */
#pragma once

#define MARK_NOP   0x0f, 0x1f, 0x80 /* and the displacement, 32 bits */
#define MARK_BEGIN 0x53414d01
#define MARK_END   0x53414d02
