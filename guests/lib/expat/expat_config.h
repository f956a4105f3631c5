/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of expat for our guests: no DTDs, namespaces as plain names, entropy from arc4random(). */
#ifndef GUESTS_LIB_EXPAT_CONFIG_H
#define GUESTS_LIB_EXPAT_CONFIG_H

#define BYTEORDER 1234
#define HAVE_ARC4RANDOM 1
#define XML_CONTEXT_BYTES 1024
/* From 2.6 on: general entities, which 2.5 has always. */
#define XML_GE 1

#endif
