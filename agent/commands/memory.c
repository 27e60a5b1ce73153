/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/memblocks.h"

gboolean
pvt_handle_guest_get_memory_blocks (PvtCall *call, GPtrArray **result, GError **error)
{
  g_autoptr (GArray) blocks = pvt_memblocks_read (pvt_call_root (call), error);

  if (blocks == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (blocks->len);
  for (guint i = 0; i < blocks->len; i++)
    {
      const PvtMemblock *block = &g_array_index (blocks, PvtMemblock, i);
      PvtGuestMemoryBlock *entry = pvt_guest_memory_block_new ();

      entry->phys_index = block->index;
      entry->online = block->online;
      entry->has_can_offline = TRUE;
      entry->can_offline = block->removable;
      g_ptr_array_add (*result, entry);
    }
  return TRUE;
}

gboolean
pvt_handle_guest_get_memory_block_info (PvtCall *call, PvtGuestMemoryBlockInfo **result,
                                        GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  static guint64 size; /* the same as long as the kernel runs */

  if ((size == 0 || root->fake) && !pvt_memblock_size (root, &size, error))
    return FALSE;
  *result = pvt_guest_memory_block_info_new ();
  (*result)->size = size;
  return TRUE;
}
