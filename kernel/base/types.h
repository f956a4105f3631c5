/* SPDX-License-Identifier: BSD-2-Clause */
/* Every file of ring 0 uses these types and words; every header brings them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A word that another CPU or a domain writes meanwhile: is read or written once, as a whole.
 * tests/once.py finds accesses that do without. */
#define READ_ONCE(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define WRITE_ONCE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)

#define COUNT_OF(array)                     (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
