/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon was told to do: command line over configuration file over
 * defaults. The command line and the file's [general] group are qemu-ga's, so
 * that an existing set-up keeps working.
 */
#pragma once

#include <glib.h>

typedef enum
{
  PVT_METHOD_VIRTIO_SERIAL,
  PVT_METHOD_ISA_SERIAL,
  PVT_METHOD_UNIX_LISTEN,
  PVT_METHOD_VSOCK_LISTEN,
} PvtMethod;

typedef struct
{
  char *name; /* shown in status and log */
  PvtMethod method;
  char *path;
  gboolean extended; /* speaks the extended dialect, not qemu-ga's */
} PvtChannelConfig;

typedef struct
{
  GPtrArray *channels; /* PvtChannelConfig */
  char *profile;
  char *block; /* comma-separated command names; NULL: none */
  char *allow; /* NULL: all that the profile has */
  char *statedir;
  char *logfile;
  char *pidfile;
  char *fsfreeze_hook; /* NULL: no hook */
  char *hooks_dir;     /* hooks of our own; a directory that may be absent */
  char *events_dir;    /* has suspend.d, resume.d, migrate.d, generation.d, time.d */
  gboolean sync_clock; /* put the clock right by itself after a disruption */
  guint freeze_deadline; /* s until a freeze ends by itself; 0: never */
  guint hook_timeout;    /* s */
  char *page_device;     /* PCI address of the shared page; NULL: the one with our label */
  guint page_period;     /* s; 0: none is written */
  gboolean hooks_required; /* one that fails fails the freeze */
  char *doctor;        /* "text" or "json": check the guest and exit */
  char *grow;          /* a mountpoint: grow its filesystem and exit */
  gboolean aftermath;    /* run the thaw hooks of a dead agent and exit */
  char *root;          /* where /proc and /sys are read; "/" but in tests */
  gboolean daemon;
  gboolean verbose;
  gboolean retry_path; /* accepted for qemu-ga's sake: we always retry */
  gboolean dump;       /* -D */
  gboolean version;    /* -V */
  gboolean help;       /* -h */
} PvtConfig;

/* "virtio-serial" and so on. */
const char *pvt_method_name (PvtMethod method);

/*
 * Reads options, then the file that they, $PVT_CONF, $QGA_CONF or the default
 * names. A file that was named and cannot be read is an error. Unknown groups and
 * keys are errors that name them, but in a file that was written for qemu-ga: that of
 * $QGA_CONF, or its default.
 */
gboolean pvt_config_load (PvtConfig *config, int argc, char **argv, GError **error);

/* What --help prints. */
const char *pvt_config_help (void);

void pvt_config_clear (PvtConfig *config);

/* The effective configuration in the file's own format; the caller frees. */
char *pvt_config_dump (const PvtConfig *config);
