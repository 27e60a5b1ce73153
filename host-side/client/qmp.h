/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's monitor protocol, blocking and bounded in time: commands, and the
 * events that came meanwhile. One thread at a time.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct _PvtQmp PvtQmp;

/* Called for each event, as it is read: its name and the whole object. */
typedef void (*PvtQmpEvent) (const char *name, JsonObject *event, gpointer user_data);

/*
 * Connects to the monitor's unix socket and leaves its greeting behind.
 * @timeout_ms bounds each exchange from now on. Errors are PVT_CLIENT_ERROR; a
 * monitor that serves somebody else answers nobody: TIMEOUT_BEFORE_SENT.
 */
PvtQmp *pvt_qmp_open (const char *path, int timeout_ms, GCancellable *cancellable, GError **error);

void pvt_qmp_close (PvtQmp *qmp);

/* @event may be NULL; an event that nobody wants is dropped. */
void pvt_qmp_set_event_handler (PvtQmp *qmp, PvtQmpEvent event, gpointer user_data);

/*
 * Runs a command. @arguments (may be NULL) stays the caller's. Returns what it
 * returned; the caller unrefs. An error of QEMU's is PVT_CLIENT_ERROR_FAILED
 * with its text; TIMEOUT_AFTER_SENT: it may still be done, and what comes for it
 * later is passed over.
 */
JsonNode *pvt_qmp_execute (PvtQmp *qmp, const char *command, JsonObject *arguments,
                           GError **error);

/* Reads events until one of that name came or @timeout_ms passed. */
gboolean pvt_qmp_await_event (PvtQmp *qmp, const char *name, int timeout_ms, GError **error);

/*
 * For callers that wait for more than the monitor: the descriptor to poll, and
 * what is to be done when it is readable. Hands on the events that are there;
 * FALSE when the monitor is gone.
 */
int pvt_qmp_fd (const PvtQmp *qmp);
gboolean pvt_qmp_take_events (PvtQmp *qmp, GError **error);

/* A string member, or NULL; borrowed. */
const char *pvt_json_string (JsonObject *object, const char *name);
