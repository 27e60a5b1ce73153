/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "families.h"

#include <string.h>

const PvtFamily pvt_families[PVT_N_FAMILIES] = {
#define ROW(id, name, type, help) [PVT_F_##id] = { name, PVT_##type, help },
#define MEMORY_ROW(id, key)                                                                        \
  [PVT_F_MEMORY_##id]                                                                              \
      = { "node_memory_" #id "_bytes", PVT_GAUGE, "Field " key " of /proc/meminfo." },
#define PAGE_ROW(id, key)                                                                          \
  [PVT_F_MEMORY_##id] = { "node_memory_" #id, PVT_GAUGE, "Field " key " of /proc/meminfo." },
#define VMSTAT_ROW(id, key)                                                                        \
  [PVT_F_VMSTAT_##id] = { "node_vmstat_" #id, PVT_UNTYPED, "Field " key " of /proc/vmstat." },
  PVT_NODE_FAMILIES (ROW) PVT_MEMORY_KEYS (MEMORY_ROW) PVT_PAGE_KEYS (PAGE_ROW)
      PVT_VMSTAT_KEYS (VMSTAT_ROW) PVT_DISK_FAMILIES (ROW) PVT_NETWORK_FAMILIES (ROW)
          PVT_OWN_FAMILIES (ROW) PVT_LIBVIRT_FAMILIES (ROW)
};

typedef struct
{
  const char *key;
  PvtFamilyId family;
} Key;

#define KEY_MEMORY(id, key) { key, PVT_F_MEMORY_##id },
#define KEY_VMSTAT(id, key) { key, PVT_F_VMSTAT_##id },
static const Key memory_keys[] = { PVT_MEMORY_KEYS (KEY_MEMORY) };
static const Key page_keys[] = { PVT_PAGE_KEYS (KEY_MEMORY) };
static const Key vmstat_keys[] = { PVT_VMSTAT_KEYS (KEY_VMSTAT) };

static PvtFamilyId
find (const Key *keys, gsize n, const char *key, gsize len)
{
  for (gsize i = 0; i < n; i++)
    if (strlen (keys[i].key) == len && memcmp (keys[i].key, key, len) == 0)
      return keys[i].family;
  return PVT_N_FAMILIES;
}

PvtFamilyId
pvt_family_of_memory (const char *key, gsize len, gboolean *pages)
{
  PvtFamilyId family = find (memory_keys, G_N_ELEMENTS (memory_keys), key, len);

  *pages = FALSE;
  if (family != PVT_N_FAMILIES)
    return family;
  *pages = TRUE;
  return find (page_keys, G_N_ELEMENTS (page_keys), key, len);
}

PvtFamilyId
pvt_family_of_vmstat (const char *key, gsize len)
{
  return find (vmstat_keys, G_N_ELEMENTS (vmstat_keys), key, len);
}
