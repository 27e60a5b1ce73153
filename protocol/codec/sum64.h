/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A 64-bit sum of a stream of bytes that both ends of a copy compare. It finds
 * what goes wrong by itself: bytes lost, doubled, changed or in another order.
 * It is no defence against who wants to deceive, and costs a fraction of what
 * such a one would. The same bytes give the same sum however they are cut.
 */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 lanes[4];
  guint64 bytes;
  guint8 rest[32]; /* of a block that is not full */
} PvtSum64;

void pvt_sum64_init (PvtSum64 *sum);
void pvt_sum64_add (PvtSum64 *sum, const void *data, gsize len);

/* Adds the first @length bytes of a file, or as many as it has. FALSE with errno when
 * it cannot be read; @cancelled may be NULL, and ends it with ECANCELED. */
gboolean pvt_sum64_add_file (PvtSum64 *sum, int fd, guint64 length, const gint *cancelled);

/* The sum so far as 16 hexadecimal digits and a NUL. */
void pvt_sum64_text (const PvtSum64 *sum, char text[17]);
