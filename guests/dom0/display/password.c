/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/display/password.h"

#include <mbedtls/des.h>
#include <string.h>

#include "guests/dom0/tls/random.h"

#define KEY   MBEDTLS_DES_KEY_SIZE
#define BLOCK 8u

bool password_challenge(uint8_t challenge[RFB_CHALLENGE])
{
	return !tls_random_start() && tls_random(NULL, challenge, RFB_CHALLENGE) == 0;
}

/* VNC takes the bits of each byte of the key from the lowest on. */
static uint8_t reversed(uint8_t byte)
{
	uint8_t result = 0;

	for (unsigned bit = 0; bit < 8; bit++)
		result |= (uint8_t)((byte >> bit & 1) << (7 - bit));
	return result;
}

bool password_is_right(const char *password, const uint8_t challenge[RFB_CHALLENGE],
		       const uint8_t response[RFB_CHALLENGE])
{
	uint8_t key[KEY] = {0}, right[RFB_CHALLENGE], differs = 0;
	mbedtls_des_context des;
	bool failed;

	for (unsigned i = 0; i < KEY && password[i]; i++)
		key[i] = reversed((uint8_t)password[i]);
	mbedtls_des_init(&des);
	failed = mbedtls_des_setkey_enc(&des, key) != 0;
	for (unsigned at = 0; at < RFB_CHALLENGE; at += BLOCK)
		failed |= mbedtls_des_crypt_ecb(&des, challenge + at, right + at) != 0;
	mbedtls_des_free(&des);
	for (unsigned i = 0; i < RFB_CHALLENGE; i++)
		differs |= right[i] ^ response[i];
	return !failed && !differs;
}
