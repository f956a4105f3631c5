/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of picolibc for our guests: the small malloc, integers only in printf and
 * scanf, one thread, plain global errno, the C locale. The C library's own sources include this
 * file by this name.
 */
#pragma once

#define _NEWLIB_VERSION         "4.3.0"
#define __NEWLIB_VERSION__      "4.3.0"
#define __NEWLIB__              4
#define __NEWLIB_MINOR__        3
#define __NEWLIB_PATCHLEVEL__   0
#define __PICOLIBC_VERSION__    "1.8.10"
#define __PICOLIBC__            1
#define __PICOLIBC_MINOR__      8
#define __PICOLIBC_PATCHLEVEL__ 10

#define __TINY_STDIO
#define __IO_DEFAULT 'i'
#define __IO_C99_FORMATS
#define __IO_SMALL_ULTOA
#define __GLOBAL_ERRNO
#define __SINGLE_THREAD
#define __NANO_MALLOC
#define __PICO_EXIT
#define __INIT_FINI_ARRAY
#define __ASSERT_VERBOSE
#define __FAST_STRCMP
#define __HAVE_CC_INHIBIT_LOOP_TO_LIBCALL
#define __HAVE_BITFIELDS_IN_PACKED_STRUCTS
#define __IEEE_LIBM
