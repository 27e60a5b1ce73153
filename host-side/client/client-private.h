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
  GMutex lock;   /* one exchange at a time */
  GPtrArray *commands; /* from guest-info; NULL: not asked yet */
  char *version;
};

/* Milliseconds for a call that was given @timeout_ms. */
int pvt_client_effective_timeout (PvtClient *client, int timeout_ms);

/* Opens the channel; blocking. */
gboolean pvt_client_open (PvtClient *client, int timeout_ms, GCancellable *cancellable,
                          GError **error);
