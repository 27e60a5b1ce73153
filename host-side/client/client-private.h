/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt.h"
#include "pvt-client.h"
#include "session.h"

struct _PvtClient
{
  GObject parent;
  char *address;
  int timeout_ms;
  /* One of the two while connected. */
  GSocket *socket;
  PvtLibvirt *libvirt;
  char *libvirt_reply; /* what a result borrows from */
  PvtSession session;
  GMutex lock;   /* of what is below, and of busy */
  GCond idle;
  gboolean busy; /* one exchange at a time */
  GPtrArray *commands; /* from guest-info; NULL: not asked yet */
  char *version;
};

/* Milliseconds for a call that was given @timeout_ms. */
int pvt_client_effective_timeout (PvtClient *client, int timeout_ms);

/*
 * Waits for the calls of other threads: TRUE when it is our turn, until
 * pvt_client_end_turn(). @timeout_ms becomes what is left of it; FALSE with
 * PVT_CLIENT_ERROR_BUSY, or that it was cancelled.
 */
gboolean pvt_client_begin_turn (PvtClient *client, int *timeout_ms, GCancellable *cancellable,
                                GError **error);
void pvt_client_end_turn (PvtClient *client);

/* Opens the channel; blocking. */
gboolean pvt_client_open (PvtClient *client, int timeout_ms, GCancellable *cancellable,
                          GError **error);
