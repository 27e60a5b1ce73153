/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "oneshot.h"

#include "agent/doctor/doctor.h"
#include "call.h"
#include "protocol/codec/encode.h"
#include "pvt-tables.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

/* Exit codes of --doctor, in pvtools-agent(8). */
enum
{
  EXIT_WARNING = 1,
  EXIT_FAILED = 2,
};

static const char *
state_name (PvtCheckState state)
{
  static const char *const names[] = { "pass", "skip", "WARN", "FAIL" };

  return names[state];
}

static void
print_checks (const PvtCheckup *checkup)
{
  for (guint i = 0; i < checkup->checks->len; i++)
    {
      const PvtCheck *check = checkup->checks->pdata[i];

      printf ("%s  %-14s  %s\n", state_name (check->state), check->name, check->finding);
      if (check->remedy)
        printf ("%*s-> %s\n", 22, "", check->remedy);
    }
}

static gboolean
run_doctor (const PvtConfig *config, int *code, GError **error)
{
  g_autoptr (PvtCheckup) checkup = NULL;

  if (strcmp (config->doctor, "text") != 0 && strcmp (config->doctor, "json") != 0)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--doctor=%s: text or json was expected", config->doctor);
      return FALSE;
    }
  checkup = pvt_doctor_run (pvt_server_root (), NULL);
  if (strcmp (config->doctor, "json") == 0)
    {
      PvtBuf buf = { NULL, 0, 0 };

      pvt_encode_object (&buf, &pvt_checkup_type, checkup);
      printf ("%.*s\n", (int) buf.len, buf.data);
      pvt_buf_clear (&buf);
    }
  else
    print_checks (checkup);
  *code = checkup->worst == PVT_CHECK_STATE_FAIL   ? EXIT_FAILED
          : checkup->worst == PVT_CHECK_STATE_WARN ? EXIT_WARNING
                                                   : 0;
  return TRUE;
}

static gboolean
run_grow (const PvtConfig *config, int *code, GError **error)
{
  g_autoptr (PvtDiskGrowArgs) args = pvt_disk_grow_args_new ();
  g_autoptr (PvtDiskGrow) result = NULL;
  PvtCall call = { .channel = "command line", .args = args };

  args->mountpoint = g_strdup (config->grow);
  if (!pvt_handle_disk_grow (&call, args, &result, error))
    {
      pvt_disk_grow_free (g_steal_pointer (&result));
      return FALSE;
    }
  printf ("%s: %" G_GUINT64_FORMAT " bytes before, %" G_GUINT64_FORMAT " now%s%s\n",
          result->mountpoint, result->size_before, result->size_after, result->note ? ": " : "",
          result->note ? result->note : "");
  *code = 0;
  return TRUE;
}

gboolean
pvt_oneshot_wanted (const PvtConfig *config)
{
  return config->doctor || config->grow;
}

gboolean
pvt_oneshot_run (const PvtConfig *config, int *code, GError **error)
{
  gboolean ok;

  if (!pvt_server_open_root (config, error))
    return FALSE;
  ok = config->doctor ? run_doctor (config, code, error) : run_grow (config, code, error);
  pvt_server_close_root ();
  return ok;
}
