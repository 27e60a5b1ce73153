/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One conversation in qemu-ga's dialect on one descriptor: requests in, replies
 * out, strictly in order. While a blocking command runs, or while the peer does
 * not take its replies, no further request is read: the peer feels the
 * back-pressure and memory stays bounded.
 */
#pragma once

#include <glib.h>

typedef struct _PvtChannel PvtChannel;

/* The peer is gone (end of file, hang-up or error). The channel still exists;
 * the owner frees it or calls pvt_channel_resume(). */
typedef void (*PvtChannelGone) (PvtChannel *channel, int error_number, gpointer user_data);

/* Takes over @fd, non-blocking. @name appears in the log. */
PvtChannel *pvt_channel_new (int fd, const char *name, PvtChannelGone gone, gpointer user_data);

void pvt_channel_free (PvtChannel *channel);

int pvt_channel_fd (const PvtChannel *channel);

/*
 * Goes on after the host came back. What was under way is kept: the news that
 * the host opened the port comes on another queue than its data, so that a
 * request of the new client may have been read, and even been answered, before
 * the old one's hang-up was seen.
 */
void pvt_channel_resume (PvtChannel *channel);
