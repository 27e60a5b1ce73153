/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every bound on foreign bytes, in one place. A test checks each at the limit
 * and one past it.
 */
#pragma once

/* Deepest nesting of objects and arrays in one message; fits a 64-bit map. */
#define PVT_JSON_MAX_DEPTH 64

/*
 * Largest message. guest-file-read and -write move at most 48 MiB at a time,
 * which is 64 MiB of base64; one more MiB leaves room for the envelope.
 */
#define PVT_MESSAGE_MAX (65u * 1024 * 1024)

/* A framer's buffer goes back to this size once a large message was consumed. */
#define PVT_FRAMER_RESTING (16u * 1024)

/* Longest command name that is looked up; a longer one cannot exist. */
#define PVT_COMMAND_NAME_MAX 80

/* Longest `id` of a request that is echoed. */
#define PVT_REQUEST_ID_MAX 1024

/* Latest deadline that a request may have: a day. */
#define PVT_REQUEST_DEADLINE_MAX_MS 86400000u

/*
 * Most array elements and members decoded from one message of an untrusted
 * peer: a three-byte element must not turn into hundreds of bytes of structs
 * without end.
 */
#define PVT_DECODE_MAX_ELEMENTS (256u * 1024)
