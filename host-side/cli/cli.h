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
  /* quiesce and snapshot */
  PVT_EXIT_NOT_CONSISTENT = 10, /* a guest thawed by itself */
  PVT_EXIT_NOT_FROZEN = 11,     /* done without a freeze */
  PVT_EXIT_FREEZE_FAILED = 12,
  PVT_EXIT_WORK_FAILED = 13,
  PVT_EXIT_STUCK = 14, /* not thawed */
  PVT_EXIT_INTERRUPTED = 15,
  PVT_EXIT_UNPROVEN = 16,
  /* health, from the least to the worst */
  PVT_EXIT_FROZEN = 20,
  PVT_EXIT_PAUSED = 21,
  PVT_EXIT_STARTING = 22, /* or rebooted, and not heard of since */
  PVT_EXIT_SHUT_DOWN = 23,
  PVT_EXIT_AGENT_LOST = 24,
  PVT_EXIT_DUMPING = 25,
  PVT_EXIT_GUEST_HUNG = 26,
  PVT_EXIT_PANICKED = 27,
  /* checkup */
  PVT_EXIT_CHECK_FAILED = 30,
  /* upgrade */
  PVT_EXIT_REBOOT_NEEDED = 31,
  PVT_EXIT_ROLLED_BACK = 32,
  /* exec and shell */
  PVT_EXIT_EXEC_NOT_RUN = 127,
  PVT_EXIT_EXEC_FAILED = 255,
} PvtExit;

typedef struct
{
  const char *address;
  char *taken; /* the address, when it was one of a verb's own words */
  gboolean json;
  gboolean no_headers;
  gboolean bytes; /* plain numbers instead of KiB, MiB, ... */
  int timeout_ms;
  gboolean timeout_given;
  PvtClient *client; /* NULL for verbs that connect themselves */
  char **command;    /* what stood behind "--"; NULL: nothing did */
  PvtExit exit_code; /* a verb's own; counts in place of the error's */
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
  gboolean takes_page; /* of page:/file no channel is opened: client is NULL */
} PvtVerb;

#define PVT_CLI_ERROR (pvt_cli_error_quark ())
GQuark pvt_cli_error_quark (void);

typedef enum
{
  PVT_CLI_ERROR_USAGE,
  PVT_CLI_ERROR_NOT_YET, /* what was waited for did not come */
} PvtCliError;

/* How long a verb waits that takes longer than a call: @usual_ms, or what --timeout says. */
int pvt_cli_patience (const PvtCli *cli, int usual_ms);

/* FALSE with a usage error when there are words left over. */
gboolean pvt_cli_no_words (int argc, char **argv, GError **error);

/* Takes a verb's own options out of its words; the rest, to be freed with
 * g_strfreev(), or NULL with an error. */
char **pvt_cli_words (const GOptionEntry *entries, int argc, char **argv, GError **error);

/* For verbs that connect themselves: the guest from the words, which it is taken
 * out of, unless it was named otherwise. */
gboolean pvt_cli_take_guest (PvtCli *cli, char **words, GError **error);

/*
 * The plain channel of a guest whose extended one turned out not to be one. The
 * agent may still be busy with the end of that connection, as qemu-ga is: a ping
 * is tried some times before anything that counts is sent. NULL with @error.
 */
PvtClient *pvt_cli_connect_plain (const PvtCli *cli, GError **error);

/* FALSE with a usage error unless @value is 1 to 86400, or 0 for an option that
 * may be absent. */
gboolean pvt_cli_check_seconds (const char *option, double value, gboolean absent_is_fine,
                                GError **error);

/* The verbs. */
extern const PvtVerb pvt_verb_net_policy_render, pvt_verb_list, pvt_verb_doctor, pvt_verb_checkup, pvt_verb_top,
    pvt_verb_watch;
extern const PvtVerb pvt_verb_page, pvt_verb_ping, pvt_verb_info, pvt_verb_ip, pvt_verb_stat, pvt_verb_df,
    pvt_verb_disks, pvt_verb_disk_grow, pvt_verb_net, pvt_verb_users, pvt_verb_raw,
    pvt_verb_seal, pvt_verb_upgrade, pvt_verb_wait,
    pvt_verb_shutdown, pvt_verb_reboot, pvt_verb_suspend, pvt_verb_time, pvt_verb_time_get,
    pvt_verb_time_sync, pvt_verb_freeze, pvt_verb_thaw, pvt_verb_status, pvt_verb_health,
    pvt_verb_crash_list, pvt_verb_crash_show,
    pvt_verb_quiesce, pvt_verb_snapshot, pvt_verb_exec, pvt_verb_shell, pvt_verb_cp;
