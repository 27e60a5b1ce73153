/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sleep-states.h"

#include "text.h"

static const char *const kind_names[] = { "suspend to memory", "hibernation", "hybrid sleep" };

static gboolean
fail (GError **error, PvtSleepKind kind, const char *why)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "%s is not possible in this guest: %s",
               kind_names[kind], why);
  return FALSE;
}

/* Words in brackets are the chosen ones; they count like the others. */
static gboolean
file_has_word (const PvtRoot *root, const char *path, const char *wanted)
{
  char text[256];
  gssize len = pvt_read_at (root->fd, path, text, sizeof text);
  PvtText rest = pvt_text (text, len > 0 ? (gsize) len : 0), word;

  while (pvt_text_word (&rest, &word))
    {
      if (word.end - word.p > 2 && *word.p == '[')
        word = (PvtText){ word.p + 1, word.end - 1 };
      if (pvt_text_is (word, wanted))
        return TRUE;
    }
  return FALSE;
}

/* The first line of /proc/swaps is its heading. */
static gboolean
have_swap (const PvtRoot *root)
{
  gsize len;
  g_autofree char *text = pvt_root_read_alloc (root, "proc/swaps", 65536, &len, NULL);
  PvtText rest, line;
  guint lines = 0;

  if (text == NULL)
    return FALSE;
  rest = pvt_text (text, len);
  while (pvt_text_line (&rest, &line))
    lines++;
  return lines > 1;
}

gboolean
pvt_sleep_supported (const PvtRoot *root, PvtSleepKind kind, GError **error)
{
  if (kind == PVT_SLEEP_RAM)
    return file_has_word (root, "sys/power/state", "mem")
           || fail (error, kind, "/sys/power/state does not have 'mem'");
  if (!file_has_word (root, "sys/power/state", "disk"))
    return fail (error, kind, "/sys/power/state does not have 'disk'");
  if (kind == PVT_SLEEP_HYBRID && !file_has_word (root, "sys/power/disk", "suspend"))
    return fail (error, kind, "/sys/power/disk does not have 'suspend'");
  return have_swap (root) || fail (error, kind, "there is no swap to save the memory to");
}

static gboolean
write_file (const PvtRoot *root, const char *path, const char *text, GError **error)
{
  int failed = pvt_write_at (root->fd, path, text);

  if (failed)
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (-failed),
                 "cannot write '%s' to /%s: %s", text, path, g_strerror (-failed));
  return failed == 0;
}

gboolean
pvt_sleep_enter (const PvtRoot *root, PvtSleepKind kind, GError **error)
{
  if (kind == PVT_SLEEP_RAM)
    return write_file (root, "sys/power/state", "mem", error);
  if (kind == PVT_SLEEP_HYBRID && !write_file (root, "sys/power/disk", "suspend", error))
    return FALSE;
  return write_file (root, "sys/power/state", "disk", error);
}
