/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest says that there is in its pstore. */
#include "fuzz.h"

#include "host-side/health/crash-store.h"
#include "host-side/health/pstore.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_auto (GStrv) paths = pvt_pstore_parse_list ((const char *) data, size);

  g_assert (g_strv_length (paths) <= PVT_PSTORE_MAX_FILES);
  for (guint i = 0; paths[i]; i++)
    {
      g_autofree char *name = pvt_pstore_safe_name (paths[i]);

      g_assert (g_path_is_absolute (paths[i]) && strstr (paths[i], "..") == NULL);
      g_assert (name == NULL || pvt_crash_is_id (name));
    }
  return 0;
}
