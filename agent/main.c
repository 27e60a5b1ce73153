/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-agent: the guest's side of the conversation. */
#include "core/config.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/oneshot.h"
#include "core/server.h"
#include "guardian/freezer.h"
#include "pvt-handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gboolean
is_help (const char *list)
{
  return list && (strcmp (list, "help") == 0 || strcmp (list, "?") == 0);
}

static void
list_commands (void)
{
  for (guint i = 0; i < pvt_n_commands; i++)
    puts (pvt_commands[i].info->name);
}

static gboolean
run (const PvtConfig *config, PvtGuardianTitle title, GError **error)
{
  gboolean ok;

  if (!pvt_log_init (config->logfile, config->verbose, error) || !pvt_daemon_start (config, error))
    return FALSE;
  pvt_log_never_wait ();
  if (!pvt_freezer_prepare (config, title, error))
    return FALSE;
  ok = pvt_server_run (config, error);
  pvt_daemon_stop (config);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  /* One string behind the other, execve(2). */
  PvtGuardianTitle title
      = { argv[0], argc ? (gsize) (argv[argc - 1] + strlen (argv[argc - 1]) + 1 - argv[0]) : 0 };
  PvtConfig config;
  gboolean ok = TRUE;
  int code = EXIT_SUCCESS;

  if (!pvt_config_load (&config, argc, argv, &error))
    {
      fprintf (stderr, "pvtools-agent: %s\n", error->message);
      return EXIT_FAILURE;
    }
  if (config.help)
    fputs (pvt_config_help (), stdout);
  else if (config.version)
    puts ("pvtools-agent " PVT_VERSION);
  else if (is_help (config.block) || is_help (config.allow))
    list_commands ();
  else if (config.aftermath)
    ok = pvt_log_init (NULL, FALSE, &error) && pvt_freezer_aftermath (&config, &error);
  else if (config.dump)
    {
      g_autofree char *text = pvt_config_dump (&config);

      fputs (text, stdout);
    }
  else if (pvt_oneshot_wanted (&config))
    ok = pvt_log_init (NULL, FALSE, &error) && pvt_oneshot_run (&config, &code, &error);
  else
    ok = run (&config, title, &error);
  pvt_config_clear (&config);
  if (ok)
    return code;
  pvt_log (PVT_LOG_ERROR, "%s", error->message);
  return EXIT_FAILURE;
}
