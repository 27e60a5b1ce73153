/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One conversation on one descriptor: bytes in, bytes out. While the peer does
 * not take its answers nothing further is read: it feels the back-pressure and
 * memory stays bounded. What the bytes mean is the dialect's.
 */
#pragma once

#include <glib.h>

typedef struct _PvtChannel PvtChannel;

/* The peer is gone (end of file, hang-up or error). The channel still exists;
 * the owner frees it or calls pvt_channel_resume(). */
typedef void (*PvtChannelGone) (PvtChannel *channel, int error_number, gpointer user_data);

/* Takes over @fd, non-blocking. @name appears in the log; @extended chooses the
 * dialect. */
PvtChannel *pvt_channel_new (int fd, const char *name, gboolean extended, PvtChannelGone gone,
                             gpointer user_data);

void pvt_channel_free (PvtChannel *channel);

/* Bytes that all channels together have to write yet. Any thread. */
gsize pvt_channels_waiting (void);

int pvt_channel_fd (const PvtChannel *channel);

/*
 * Goes on after the host came back. What was under way is kept: the news that
 * the host opened the port comes on another queue than its data, so that a
 * request of the new client may have been read, and even been answered, before
 * the old one's hang-up was seen.
 */
void pvt_channel_resume (PvtChannel *channel);
