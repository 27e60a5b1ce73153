/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

const PvtSource *const pvt_sources[] = { &pvt_source_bus,     &pvt_source_kernel, &pvt_source_mount,
                                         &pvt_source_network, &pvt_source_users,  NULL };

const char *
pvt_source_missing (PvtEventKind kind, const PvtRoot *root)
{
  for (guint i = 0; pvt_sources[i]; i++)
    if ((pvt_sources[i]->kinds & PVT_EVENT_BIT (kind)) && pvt_sources[i]->missing)
      return pvt_sources[i]->missing (kind, root);
  return NULL;
}
