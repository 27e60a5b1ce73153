/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The envelope of a request: {"execute": NAME, "arguments": {...}, "id": ...}, and on
 * the extended channel "deadline-ms": N. */
#pragma once

#include "protocol/codec/buf.h"
#include "protocol/codec/cursor.h"
#include "protocol/codec/limits.h"
#include "protocol/codec/types.h"

typedef struct
{
  char name[PVT_COMMAND_NAME_MAX + 1];
  /* Text inside the message, valid as long as it is. */
  PvtSlice arguments; /* data NULL: absent */
  PvtSlice id;        /* data NULL: absent; else the raw JSON value */
  guint deadline_ms;  /* from its arrival; 0: absent */
} PvtRequest;

/*
 * Takes a message apart that came from the framer. A member that does not
 * belong there, a missing or overlong name or `exec-oob` is an error; @request
 * then still has the id when there was one, so that the error reply can echo it.
 */
gboolean pvt_request_parse (const char *message, gsize len, PvtRequest *request, GError **error);

/*
 * Writes a request line. @args_type NULL: the command takes no arguments and
 * gets no "arguments" member; else @args points to its struct.
 */
void pvt_request_write (PvtBuf *out, const char *name, const PvtType *args_type,
                        gconstpointer args);

/* The same for the extended channel, without a newline; @deadline_ms 0: none. */
void pvt_request_write_extended (PvtBuf *out, const char *name, const PvtType *args_type,
                                 gconstpointer args, guint deadline_ms);
