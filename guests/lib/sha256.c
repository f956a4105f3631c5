/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/sha256.h"

#include <string.h>

#define BLOCK  64u
#define ROUNDS 64u
#define LENGTH 8u /* bytes of the message's length at the end of the last block */

/* FIPS 180-4, 4.2.2: of the cube roots of the first 64 primes. */
static const uint32_t k[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x >> by | x << (32 - by);
}

static uint32_t load(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return __builtin_bswap32(word);
}

/* 6.2.2, with the names of the standard. */
static void take_block(uint32_t h[8], const uint8_t *block)
{
	uint32_t w[ROUNDS], v[8];

	for (unsigned t = 0; t < 16; t++)
		w[t] = load(block + 4 * t);
	for (unsigned t = 16; t < ROUNDS; t++) {
		uint32_t x = w[t - 15], y = w[t - 2];
		uint32_t s0 = rotate(x, 7) ^ rotate(x, 18) ^ x >> 3;
		uint32_t s1 = rotate(y, 17) ^ rotate(y, 19) ^ y >> 10;

		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
	memcpy(v, h, sizeof(v));
	for (unsigned t = 0; t < ROUNDS; t++) {
		uint32_t a = v[0], e = v[4];
		uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
		uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
		uint32_t ch = (e & v[5]) ^ (~e & v[6]);
		uint32_t maj = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
		uint32_t t1 = v[7] + sum1 + ch + k[t] + w[t];

		for (unsigned i = 7; i; i--)
			v[i] = v[i - 1];
		v[4] += t1;
		v[0] = t1 + sum0 + maj;
	}
	for (unsigned i = 0; i < 8; i++)
		h[i] += v[i];
}

void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES])
{
	/* 5.3.3: of the square roots of the first 8 primes. */
	uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint8_t end[2 * BLOCK] = {0};
	const uint8_t *at = data;
	size_t left = bytes, padded;
	uint64_t bits = __builtin_bswap64((uint64_t)bytes * 8);

	for (; left >= BLOCK; at += BLOCK, left -= BLOCK)
		take_block(h, at);
	if (left)
		memcpy(end, at, left);
	end[left] = 0x80;
	padded = left + 1 + LENGTH <= BLOCK ? BLOCK : 2 * BLOCK;
	memcpy(end + padded - LENGTH, &bits, LENGTH);
	take_block(h, end);
	if (padded > BLOCK)
		take_block(h, end + BLOCK);
	for (unsigned i = 0; i < 8; i++)
		h[i] = __builtin_bswap32(h[i]);
	memcpy(digest, h, SHA256_BYTES);
}
