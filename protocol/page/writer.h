/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes a shared page: metrics are added, then all of them are shown at once
 * under the sequence lock. What is there is never read back but for the first
 * sequence, and only the words that have changed are stored: the memory may be a
 * device's, which is slow to write. Memory is taken once and used again.
 */
#pragma once

#include <glib.h>

#include "protocol/codec/types.h"

typedef struct
{
  volatile guint32 *page;
  guint32 size; /* bytes of it that may be used */
  GByteArray *metrics, *values, *names; /* that were added */
  guint8 *next, *shown; /* what the page is to have, and what it has */
  guint32 shown_bytes;
  guint32 sequence;
  guint64 updates, omitted;
} PvtPageWriter;

typedef struct
{
  const char *boot_id;
  guint32 period_ms, flags; /* PVT_PAGE_IS_FROZEN, ... */
  guint64 monotonic_ns, realtime_ns;
} PvtPageFacts;

/* @page has @size bytes, at least PVT_PAGE_BYTES_MIN, and stays the caller's. */
void pvt_page_writer_init (PvtPageWriter *writer, volatile void *page, gsize size);
void pvt_page_writer_finish (PvtPageWriter *writer);

/* Forgets what was added. */
void pvt_page_writer_begin (PvtPageWriter *writer);

/* "GROUP.OBJECT.FIELD", or "GROUP.FIELD" when @object is "". @bits are those of the
 * type (PVT_PAGE_WIRE_...). What there is no room for is counted. */
void pvt_page_writer_add (PvtPageWriter *writer, const char *group, const char *object,
                          const char *field, guint8 type, guint8 unit, guint64 bits);

/* The same for text: what does not print becomes '?', and one that is longer than
 * PVT_PAGE_TEXT_MAX is counted as what there is no room for. */
void pvt_page_writer_add_text (PvtPageWriter *writer, const char *group, const char *object,
                               const char *field, const char *text);

/* Each number and text of a generated struct, and of structs in it, but for the text
 * that is the object's name. */
void pvt_page_writer_add_object (PvtPageWriter *writer, const char *group, const char *object,
                                 const PvtType *type, gconstpointer data);

/* Shows what was added. */
void pvt_page_writer_show (PvtPageWriter *writer, const PvtPageFacts *facts);
