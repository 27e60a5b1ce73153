/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds JSON objects in a byte stream. Pure: bytes in, messages out, no I/O.
 *
 * A message ends with its closing brace, newline or not (old Proxmox VE sends
 * none). 0xFF anywhere drops what is unfinished. After a bad byte the rest of
 * that line is skipped, so that one line of garbage gives one error. A '{' in
 * the first column always begins a new message: what was cut short before it
 * is one error and the new message is not lost. No peer indents nested objects
 * to column 0, while half a line followed by a whole one is what a killed
 * client leaves behind.
 */
#pragma once

#include "protocol/codec/buf.h"
#include "protocol/codec/guard.h"

typedef enum
{
  PVT_FRAME_NONE,    /* more bytes are needed */
  PVT_FRAME_MESSAGE, /* one whole, valid object */
  PVT_FRAME_RESET,   /* 0xFF was seen */
  PVT_FRAME_BAD,     /* bytes were skipped; `error` says which and why */
} PvtFrameKind;

typedef struct
{
  PvtFrameKind kind;
  /* MESSAGE: borrowed from the framer until its next call */
  const char *data;
  gsize len;
  /* BAD */
  char error[128];
} PvtFrame;

typedef struct
{
  PvtBuf buf;
  gsize start; /* of the message being read */
  gsize pos;   /* next byte to look at */
  gsize max;   /* largest message; may be changed at any time */
  const char *because; /* of what it is that small, for the error; NULL: it always is */
  gboolean skipping;
  gboolean column0;
  gboolean boundary;
  PvtGuard guard;
} PvtFramer;

/* @max: largest message in bytes, at most PVT_MESSAGE_MAX. */
void pvt_framer_init (PvtFramer *framer, gsize max);

void pvt_framer_clear (PvtFramer *framer);

/* Drops everything, as when the peer went away. */
void pvt_framer_reset (PvtFramer *framer);

/*
 * Another peer may be on the line from here on. What is unfinished goes on only
 * if the next byte can continue it: a new message or 0xFF drops it silently.
 */
void pvt_framer_boundary (PvtFramer *framer);

/*
 * Room for @n bytes to read into; pvt_framer_commit() says how many came.
 * Invalidates the last frame.
 */
char *pvt_framer_reserve (PvtFramer *framer, gsize n);
void pvt_framer_commit (PvtFramer *framer, gsize n);

/* The next frame of the bytes committed so far. */
PvtFrameKind pvt_framer_next (PvtFramer *framer, PvtFrame *frame);

/* TRUE while committed bytes have not been looked at. */
gboolean pvt_framer_pending (const PvtFramer *framer);
