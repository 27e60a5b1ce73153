/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trim.h"

#include "freeze-plan.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void
free_result (gpointer data)
{
  PvtTrimResult *result = data;

  g_free (result->mountpoint);
  g_free (result->error);
  g_free (result);
}

static PvtTrimResult *
trim (const PvtFreezeTarget *target, guint64 minimum)
{
  struct fstrim_range range = { .start = 0, .len = G_MAXUINT64, .minlen = minimum };
  PvtTrimResult *result = g_new0 (PvtTrimResult, 1);
  g_autoptr (GError) why = NULL;
  const char *mountpoint = NULL;
  int fd = pvt_freeze_open (target, &mountpoint, &why);

  result->mountpoint = g_strdup (mountpoint);
  if (fd < 0)
    {
      result->error = g_strdup (why->message);
      return result;
    }
  if (ioctl (fd, FITRIM, &range) == 0)
    {
      result->trimmed = range.len;
      result->minimum = range.minlen;
    }
  else if (errno == EOPNOTSUPP || errno == ENOTTY)
    result->error = g_strdup ("trim not supported");
  else
    result->error = g_strdup_printf ("failed to trim: %s", g_strerror (errno));
  close (fd);
  return result;
}

GPtrArray *
pvt_trim (const PvtRoot *root, guint64 minimum, const gint *cancelled, GError **error)
{
  g_autoptr (GPtrArray) mounts = pvt_mountinfo_read (root, error);
  g_autoptr (GPtrArray) targets = mounts ? pvt_freeze_plan (root, mounts, NULL) : NULL;
  GPtrArray *results;

  if (targets == NULL)
    return NULL;
  results = g_ptr_array_new_with_free_func (free_result);
  for (guint i = 0; i < targets->len && !(cancelled && g_atomic_int_get (cancelled)); i++)
    g_ptr_array_add (results, trim (targets->pdata[i], minimum));
  return results;
}
