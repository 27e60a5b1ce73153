/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session-file.h"

#include "text.h"

#include <string.h>

gboolean
pvt_session_is_login (const char *class_name, const char *state)
{
  return g_str_has_prefix (class_name, "user") && strcmp (state, "closing") != 0;
}

/* TRUE and what is behind "NAME=" when the line is that; a value that does not fit is
 * none. */
static gboolean
take (PvtText line, const char *name, char *value, gsize size)
{
  gsize prefix = strlen (name), len;

  if (!pvt_text_starts (line, name))
    return FALSE;
  len = (gsize) (line.end - line.p) - prefix;
  if (len >= size)
    return FALSE;
  memcpy (value, line.p + prefix, len);
  value[len] = '\0';
  return TRUE;
}

gboolean
pvt_session_file_parse (const char *text, gsize len, PvtSessionFile *session)
{
  char uid[16] = "", class_name[32] = "", state[32] = "", start[24] = "";
  PvtText rest = pvt_text (text, len), line;
  PvtSessionFile found = { .user = "" };
  guint64 number;

  while (pvt_text_line (&rest, &line))
    if (!take (line, "UID=", uid, sizeof uid) && !take (line, "CLASS=", class_name, sizeof class_name)
        && !take (line, "STATE=", state, sizeof state) && !take (line, "REALTIME=", start, sizeof start))
      take (line, "USER=", found.user, sizeof found.user);
  if (!g_ascii_string_to_unsigned (uid, 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  found.uid = (guint32) number;
  found.is_login = *state && pvt_session_is_login (class_name, state);
  if (g_ascii_string_to_unsigned (start, 10, 0, G_MAXUINT64, &number, NULL))
    found.start_us = number;
  *session = found;
  return TRUE;
}
