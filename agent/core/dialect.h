/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a channel's bytes become requests. The channel reads and writes; the
 * dialect says what the bytes mean: qemu-ga's lines (compat.c) or packets with
 * many requests and streams at a time (extended.c).
 */
#pragma once

#include "channel.h"
#include "protocol/codec/buf.h"

/* With more than this waiting to be written nothing further is produced. */
#define PVT_CHANNEL_HIGH_WATER (256 * 1024)

typedef struct
{
  /* A conversation on @channel. */
  gpointer (*open) (PvtChannel *channel);
  void (*close) (gpointer state);
  /* Room to read into, and how much of it came to be used. */
  char *(*reserve) (gpointer state, gsize *size);
  void (*commit) (gpointer state, gsize n);
  /* Handles what has come until it must wait for something. */
  void (*handle) (gpointer state);
  /* TRUE while there is something that handle() could go on with now. */
  gboolean (*pending) (gpointer state);
  /* TRUE while more input is wanted. */
  gboolean (*may_read) (gpointer state);
  /* Nobody listens: nothing more is produced until resume(). */
  void (*park) (gpointer state);
  /* The other side may be another program from here on. */
  void (*resume) (gpointer state);
} PvtDialect;

extern const PvtDialect pvt_dialect_compat, pvt_dialect_extended;

/* The channel's name, for the log. */
const char *pvt_channel_name (const PvtChannel *channel);

/* Where answers are appended. */
PvtBuf *pvt_channel_out (PvtChannel *channel);

/* What that keeps of its memory when it is empty; 0: as little as a channel does
 * that is seldom used. Memory that comes and goes with every packet is paid for
 * page by page. */
void pvt_channel_keep (PvtChannel *channel, gsize bytes);

/* Bytes that wait to be written. */
gsize pvt_channel_waiting (const PvtChannel *channel);

/* TRUE while little enough waits to be written that more may be appended. */
gboolean pvt_channel_has_room (const PvtChannel *channel);

/* Something was appended, or can be gone on with, outside of handle(). */
void pvt_channel_kick (PvtChannel *channel);
