/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Through libvirt, which owns the channel of its domains. The libraries are
 * loaded when an address asks for them; without them only that address fails.
 */
#pragma once

#include <glib.h>

typedef struct _PvtLibvirt PvtLibvirt;

/* @domain: name or UUID. The connection is LIBVIRT_DEFAULT_URI or libvirt's default. */
PvtLibvirt *pvt_libvirt_open (const char *domain, GError **error);
void pvt_libvirt_close (PvtLibvirt *libvirt);

/* Sends one request line and returns the reply's text; the caller frees.
 * Blocks for up to @timeout_ms rounded up to seconds. */
char *pvt_libvirt_command (PvtLibvirt *libvirt, const char *line, int timeout_ms, GError **error);
