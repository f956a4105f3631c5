/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of expat for our guests: no DTDs, namespaces as plain names, entropy from
 * arc4random(). */
#pragma once

#define BYTEORDER         1234
#define HAVE_ARC4RANDOM   1
#define XML_CONTEXT_BYTES 1024
/* No general entities from 2.6 on: their accounting needs floating point, and a description with a
 * DTD, where entities are declared, is refused. */
#define XML_GE 0
