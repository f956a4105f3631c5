/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memcpy and memset by REP MOVS and REP STOS, in the place of picolibc's: those store past the
 * cache on x86, so that the next reader of the copy waits for memory.
 *
 * Eight bytes at a time, as long as there are eight; the rest, fewer than eight, is covered by one
 * more word that ends where the copy ends and overlaps what is there already. Fewer than eight
 * bytes at all are two halves that overlap.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));
typedef uint16_t quarter __attribute__((aligned(1), may_alias));

static void copy_short(uint8_t *to, const uint8_t *from, size_t bytes)
{
	if (bytes >= sizeof(half)) {
		size_t last = bytes - sizeof(half);
		half end = *(const half *)(from + last);

		*(half *)to = *(const half *)from;
		*(half *)(to + last) = end;
		return;
	}
	if (bytes >= sizeof(quarter)) {
		size_t last = bytes - sizeof(quarter);
		quarter end = *(const quarter *)(from + last);

		*(quarter *)to = *(const quarter *)from;
		*(quarter *)(to + last) = end;
		return;
	}
	if (bytes)
		*to = *from;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	const uint8_t *source = from;
	uint8_t *target = to;
	size_t last = bytes - sizeof(word);
	size_t words = bytes / sizeof(word);
	word end;

	if (bytes < sizeof(word)) {
		copy_short(to, from, bytes);
		return to;
	}
	end = *(const word *)(source + last);
	__asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
	*(word *)((uint8_t *)to + last) = end;
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	word pattern = (uint8_t)value * 0x0101010101010101ull;
	size_t words = bytes / sizeof(word);
	uint8_t *target = to;

	if (bytes < sizeof(word)) {
		copy_short(to, (const uint8_t *)&pattern, bytes);
		return to;
	}
	__asm__ volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
	*(word *)((uint8_t *)to + bytes - sizeof(word)) = pattern;
	return to;
}
