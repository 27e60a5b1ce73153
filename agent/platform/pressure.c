/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pressure.h"

#include "text.h"

#include <string.h>

/* The number behind "key=", of the next word. */
static gboolean
take (PvtText *line, const char *key, PvtText *value)
{
  if (!pvt_text_word (line, value) || !pvt_text_starts (*value, key))
    return FALSE;
  value->p += strlen (key);
  return TRUE;
}

static gboolean
parse_line (PvtText line, PvtPressureFigures *figures)
{
  PvtText a, b, c, d;

  return take (&line, "avg10=", &a) && take (&line, "avg60=", &b) && take (&line, "avg300=", &c)
         && take (&line, "total=", &d) && pvt_text_double (&a, &figures->avg10)
         && pvt_text_double (&b, &figures->avg60) && pvt_text_double (&c, &figures->avg300)
         && pvt_text_u64 (&d, &figures->total_us);
}

gboolean
pvt_pressure_parse (const char *text, gsize len, PvtPressureFile *file)
{
  PvtText rest = pvt_text (text, len), line, word;

  memset (file, 0, sizeof *file);
  while (pvt_text_line (&rest, &line))
    {
      if (!pvt_text_word (&line, &word))
        continue;
      if (pvt_text_is (word, "some"))
        file->some.present = parse_line (line, &file->some);
      else if (pvt_text_is (word, "full"))
        file->full.present = parse_line (line, &file->full);
    }
  return file->some.present || file->full.present;
}

gboolean
pvt_pressure_read (const PvtRoot *root, const char *name, PvtPressureFile *file)
{
  char path[32], text[512];
  gssize len;

  g_snprintf (path, sizeof path, "proc/pressure/%s", name);
  /* A kernel booted with psi=0 has the file and fails the read. */
  len = pvt_root_read (root, path, text, sizeof text, NULL);
  return len > 0 && pvt_pressure_parse (text, (gsize) len, file);
}
