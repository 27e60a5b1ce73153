/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's log: lines on standard error (with syslog priorities when the
 * journal reads them) or appended to a file.
 */
#pragma once

#include <glib.h>

typedef enum
{
  PVT_LOG_ERROR = 3, /* values are syslog's */
  PVT_LOG_WARNING = 4,
  PVT_LOG_INFO = 6,
  PVT_LOG_DEBUG = 7,
} PvtLogLevel;

/* @logfile NULL: standard error. @verbose lets PVT_LOG_DEBUG through. */
gboolean pvt_log_init (const char *logfile, gboolean verbose, GError **error);

/* From here on nobody is waited for who does not read the log: what is not taken is
 * counted and told later. For the daemon; after it has gone to the background. */
void pvt_log_never_wait (void);

gboolean pvt_log_enabled (PvtLogLevel level);

/*
 * While filesystems are frozen the log goes to memory: the journal's disk may be
 * one of them. What does not fit is counted. Releasing writes all of it.
 */
void pvt_log_hold (void);
void pvt_log_release (void);

void pvt_log (PvtLogLevel level, const char *format, ...) G_GNUC_PRINTF (2, 3);
