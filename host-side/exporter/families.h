/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "family-list.h"

#include <glib.h>

typedef enum
{
  PVT_GAUGE,
  PVT_COUNTER,
  PVT_HISTOGRAM,
  PVT_UNTYPED,
} PvtFamilyType;

typedef enum
{
#define ID(id, name, type, help) PVT_F_##id,
#define MEMORY_ID(id, key) PVT_F_MEMORY_##id,
#define VMSTAT_ID(id, key) PVT_F_VMSTAT_##id,
  PVT_NODE_FAMILIES (ID) PVT_MEMORY_KEYS (MEMORY_ID) PVT_PAGE_KEYS (MEMORY_ID)
      PVT_VMSTAT_KEYS (VMSTAT_ID) PVT_DISK_FAMILIES (ID) PVT_NETWORK_FAMILIES (ID)
          PVT_OWN_FAMILIES (ID) PVT_LIBVIRT_FAMILIES (ID)
#undef ID
#undef MEMORY_ID
#undef VMSTAT_ID
              PVT_N_FAMILIES,
} PvtFamilyId;

typedef struct
{
  const char *name;
  PvtFamilyType type;
  const char *help;
} PvtFamily;

extern const PvtFamily pvt_families[PVT_N_FAMILIES];

/* The family of a key of /proc/meminfo or /proc/vmstat, PVT_N_FAMILIES when it
 * has none. @pages: its unit is pages, not KiB. */
PvtFamilyId pvt_family_of_memory (const char *key, gsize len, gboolean *pages);
PvtFamilyId pvt_family_of_vmstat (const char *key, gsize len);
