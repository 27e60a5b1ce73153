/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-data.h"

#include "text.h"

#include <string.h>

char *
pvt_udev_data_property (const char *text, gsize len, const char *property)
{
  g_autofree char *wanted = g_strdup_printf ("E:%s=", property);
  PvtText rest = pvt_text (text, len), line;

  while (pvt_text_line (&rest, &line))
    if (pvt_text_starts (line, wanted))
      return g_strndup (line.p + strlen (wanted), (gsize) (line.end - line.p) - strlen (wanted));
  return NULL;
}
