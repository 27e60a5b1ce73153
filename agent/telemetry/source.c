/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

const PvtSource *const pvt_sources[] = { NULL };

const char *
pvt_source_missing (PvtEventKind kind, const PvtRoot *root)
{
  for (guint i = 0; pvt_sources[i]; i++)
    if ((pvt_sources[i]->kinds & PVT_EVENT_BIT (kind)) && pvt_sources[i]->missing)
      return pvt_sources[i]->missing (root);
  return NULL;
}
