/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "osrelease.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

/* The shell's quoting, as far as os-release(5) allows it. */
static char *
unquote (PvtText value)
{
  char *text = g_malloc ((gsize) (value.end - value.p) + 1), *out = text;
  char quote = '\0';

  for (const char *p = value.p; p < value.end; p++)
    {
      if (quote == '\0' && (*p == '"' || *p == '\''))
        quote = *p;
      else if (quote != '\0' && *p == quote)
        quote = '\0';
      else if (*p == '\\' && quote != '\'' && p + 1 < value.end)
        *out++ = *++p;
      else
        *out++ = *p;
    }
  *out = '\0';
  return text;
}

char *
pvt_osrelease_get (const char *text, gsize len, const char *key)
{
  PvtText rest = pvt_text (text, len), line;
  gsize key_len = strlen (key);
  char *value = NULL;

  while (pvt_text_line (&rest, &line))
    {
      if (!pvt_text_starts (line, key) || line.p + key_len >= line.end || line.p[key_len] != '=')
        continue;
      line.p += key_len + 1;
      while (line.end > line.p && g_ascii_isspace (line.end[-1]))
        line.end--;
      /* As in a shell, the last assignment counts. */
      g_free (value);
      value = unquote (line);
    }
  return value;
}

char *
pvt_osrelease_read (const PvtRoot *root, gsize *len)
{
  const char *env = g_getenv ("QGA_OS_RELEASE");
  char *text = NULL;

  if (env && *env)
    return pvt_root_read_alloc (root, *env == '/' ? env + 1 : env, PVT_MAX_SMALL_FILE, len, NULL);
  text = pvt_root_read_alloc (root, "etc/os-release", PVT_MAX_SMALL_FILE, len, NULL);
  if (text == NULL)
    text = pvt_root_read_alloc (root, "usr/lib/os-release", PVT_MAX_SMALL_FILE, len, NULL);
  return text;
}
