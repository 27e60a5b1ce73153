/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs of pvtools share. */
#pragma once

#include <pvtools.h>

/* Exit codes; documented in --help. */
typedef enum
{
  PVT_EXIT_OK = 0,
  PVT_EXIT_AGENT = 1,       /* the agent answered an error */
  PVT_EXIT_USAGE = 2,
  PVT_EXIT_CONNECT = 3,     /* no channel */
  PVT_EXIT_TIMEOUT = 4,
  PVT_EXIT_PROTOCOL = 5,    /* the guest does not speak the protocol */
  PVT_EXIT_UNSUPPORTED = 6, /* this agent cannot do that */
} PvtExit;

typedef struct
{
  const char *address;
  gboolean json;
  gboolean no_headers;
  gboolean bytes; /* plain numbers instead of KiB, MiB, ... */
  int timeout_ms;
  PvtClient *client; /* NULL for verbs that connect themselves */
} PvtCli;

typedef struct
{
  const char *name;
  const char *usage; /* behind the name */
  const char *help;
  gboolean connects_itself;
  /* @argv[0] is the first word behind the address. FALSE with @error on failure;
   * PVT_CLI_ERROR for wrong words. */
  gboolean (*run) (PvtCli *cli, int argc, char **argv, GError **error);
} PvtVerb;

#define PVT_CLI_ERROR (pvt_cli_error_quark ())
GQuark pvt_cli_error_quark (void);

typedef enum
{
  PVT_CLI_ERROR_USAGE,
  PVT_CLI_ERROR_NOT_YET, /* what was waited for did not come */
} PvtCliError;

/* FALSE with a usage error when there are words left over. */
gboolean pvt_cli_no_words (int argc, char **argv, GError **error);

/* The verbs. */
extern const PvtVerb pvt_verb_ping, pvt_verb_info, pvt_verb_ip, pvt_verb_stat, pvt_verb_df,
    pvt_verb_disks, pvt_verb_net, pvt_verb_users, pvt_verb_raw, pvt_verb_wait, pvt_verb_shutdown,
    pvt_verb_reboot;
