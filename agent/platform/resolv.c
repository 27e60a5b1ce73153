/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resolv.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

#define MAX_ENTRIES 64
#define STUB "127.0.0.53"

void
pvt_resolv_parse (const char *text, gsize len, PvtResolv *resolv)
{
  PvtText rest = pvt_text (text, len), line, word;

  resolv->servers = g_ptr_array_new_with_free_func (g_free);
  resolv->search = g_ptr_array_new_with_free_func (g_free);
  while (pvt_text_line (&rest, &line))
    {
      gboolean search;

      if (!pvt_text_word (&line, &word))
        continue;
      search = pvt_text_is (word, "search") || pvt_text_is (word, "domain");
      if (pvt_text_is (word, "nameserver") && pvt_text_word (&line, &word)
          && resolv->servers->len < MAX_ENTRIES)
        g_ptr_array_add (resolv->servers, pvt_text_dup (word));
      else if (search)
        {
          /* The last such line counts. */
          g_ptr_array_set_size (resolv->search, 0);
          while (resolv->search->len < MAX_ENTRIES && pvt_text_word (&line, &word))
            g_ptr_array_add (resolv->search, pvt_text_dup (word));
        }
    }
}

static gboolean
only_stub (const PvtResolv *resolv)
{
  return resolv->servers->len == 1 && strcmp (resolv->servers->pdata[0], STUB) == 0;
}

static gboolean
read_file (const PvtRoot *root, const char *path, PvtResolv *resolv)
{
  gsize len = 0;
  g_autofree char *text = pvt_root_read_alloc (root, path, PVT_MAX_SMALL_FILE, &len, NULL);

  pvt_resolv_parse (text ? text : "", len, resolv);
  return text != NULL;
}

void
pvt_resolv_read (const PvtRoot *root, PvtResolv *resolv)
{
  PvtResolv real;

  read_file (root, "etc/resolv.conf", resolv);
  if (!only_stub (resolv))
    return;
  if (read_file (root, "run/systemd/resolve/resolv.conf", &real) && real.servers->len > 0)
    {
      pvt_resolv_clear (resolv);
      *resolv = real;
    }
  else
    pvt_resolv_clear (&real);
}

void
pvt_resolv_clear (PvtResolv *resolv)
{
  g_clear_pointer (&resolv->servers, g_ptr_array_unref);
  g_clear_pointer (&resolv->search, g_ptr_array_unref);
}
