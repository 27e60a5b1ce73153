/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's end of the extended channel: requests, and streams with flow
 * control. Blocking where it says so; otherwise driven by whoever polls its
 * descriptor. One thread at a time.
 */
#pragma once

#include "protocol/frame/packet.h"
#include "pvt-client.h"
#include "pvt-commands.h"

#include <gio/gio.h>

#define PVT_EXTENDED_PORT "org.pvtools.0"

typedef struct _PvtExtended PvtExtended;

/* What a stream's packets are given to. Text and data are the guest's: nothing
 * in them is to be trusted. */
typedef struct
{
  /* @len 0: the end of that channel (1 out, 2 err). */
  void (*data) (guint channel, const char *data, gsize len, gpointer user_data);
  /* The stream is over; JSON of a PvtStreamEnd. */
  void (*end) (const char *json, gsize len, gpointer user_data);
} PvtExtendedOps;

/*
 * Connects and greets, within @timeout_ms: unix:/path or a path, vsock:CID:PORT, vsock-mux:/path:PORT,
 * or qemu:/qmp-socket whose port org.pvtools.0 is looked up. NULL with
 * PVT_CLIENT_ERROR.
 */
PvtExtended *pvt_extended_open (const char *address, int timeout_ms, GError **error);
void pvt_extended_close (PvtExtended *extended);

/* The agent's version; borrowed. */
const char *pvt_extended_version (const PvtExtended *extended);

/*
 * Runs a command, blocking, and decodes what it returns into @result. When it
 * begins a stream, @id (may be NULL otherwise) is what its packets carry, and
 * @ops gets them from pvt_extended_process() on.
 */
gboolean pvt_extended_call (PvtExtended *extended, const PvtCommandInfo *info, gconstpointer args,
                            gpointer result, int timeout_ms, const PvtExtendedOps *ops,
                            gpointer user_data, guint32 *id, GError **error);

/* How many bytes may be sent on the stream now. */
gsize pvt_extended_window (const PvtExtended *extended, guint32 id);

/* Sends data, at most the window's; @len 0: the end of it. */
void pvt_extended_send (PvtExtended *extended, guint32 id, const char *data, gsize len);

/* Lets the guest send @bytes more on a channel: what the caller is done with. */
void pvt_extended_consumed (PvtExtended *extended, guint32 id, guint channel, gsize bytes);

/* A signal for the program, or a new size of its terminal; 0: leaves it. */
void pvt_extended_control (PvtExtended *extended, guint32 id, int signal_number, guint rows,
                           guint columns);

/* The descriptor to poll, and whether it has something to write. */
int pvt_extended_fd (const PvtExtended *extended);
gboolean pvt_extended_wants_write (const PvtExtended *extended);

/* Bytes that wait to be written. */
gsize pvt_extended_unsent (const PvtExtended *extended);

/* Reads and writes what can be, and calls the streams' ops. FALSE when the
 * connection is gone. */
gboolean pvt_extended_process (PvtExtended *extended, GError **error);
