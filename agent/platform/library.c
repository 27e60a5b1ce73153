/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "library.h"

#ifdef PVT_AGENT_STATIC

/* static-libc.h: the guest's libraries are of another C library. */
gboolean
pvt_library_load (const char *library G_GNUC_UNUSED, const PvtSymbol *symbols G_GNUC_UNUSED, gsize n G_GNUC_UNUSED)
{
  return FALSE;
}

#else

#include <dlfcn.h>

gboolean
pvt_library_load (const char *library, const PvtSymbol *symbols, gsize n)
{
  void *handle = dlopen (library, RTLD_LAZY | RTLD_LOCAL);

  for (gsize i = 0; handle && i < n; i++)
    {
      *symbols[i].function = dlsym (handle, symbols[i].name);
      if (*symbols[i].function == NULL && !symbols[i].optional)
        return FALSE;
    }
  return handle != NULL;
}

#endif

gboolean
pvt_library_load_once (gsize *once, const char *library, const PvtSymbol *symbols, gsize n)
{
  if (g_once_init_enter (once))
    g_once_init_leave (once, pvt_library_load (library, symbols, n) ? 1 : 2);
  return *once == 1;
}
