/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"

#include "protocol/codec/sum64.h"

#include <string.h>

typedef struct
{
  char sum[17];
  guint round;
} Entry;

void
pvt_changes_clear (PvtChanges *changes)
{
  g_clear_pointer (&changes->seen, g_hash_table_unref);
}

void
pvt_changes_begin (PvtChanges *changes, gboolean full)
{
  if (changes->seen == NULL)
    changes->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  changes->round++;
  changes->full = full;
}

static Entry
describe (const char *text, gsize len, guint round)
{
  Entry entry = { .round = round };
  PvtSum64 sum;

  pvt_sum64_init (&sum);
  pvt_sum64_add (&sum, text, len);
  pvt_sum64_text (&sum, entry.sum);
  return entry;
}

gboolean
pvt_changes_differs (PvtChanges *changes, const char *name, const char *text, gsize len)
{
  Entry *entry = g_hash_table_lookup (changes->seen, name);
  Entry now = describe (text, len, changes->round);
  gboolean differs = entry == NULL || strcmp (entry->sum, now.sum) != 0 || changes->full;

  if (entry == NULL)
    {
      entry = g_new (Entry, 1);
      g_hash_table_insert (changes->seen, g_strdup (name), entry);
    }
  *entry = now;
  return differs;
}

void
pvt_changes_end (PvtChanges *changes, GPtrArray *gone)
{
  GHashTableIter iter;
  gpointer name, entry;

  g_hash_table_iter_init (&iter, changes->seen);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    if (((Entry *) entry)->round != changes->round)
      {
        g_ptr_array_add (gone, g_strdup (name));
        g_hash_table_iter_remove (&iter);
      }
}
