/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/cpus.h"
#include "agent/platform/memblocks.h"

#include <errno.h>
#include <string.h>

static const PvtCpu *
find_cpu (GArray *cpus, gint64 number)
{
  for (guint i = 0; i < cpus->len; i++)
    if (g_array_index (cpus, PvtCpu, i).number == number)
      return &g_array_index (cpus, PvtCpu, i);
  return NULL;
}

static gboolean
switch_cpu (const PvtRoot *root, GArray *cpus, const PvtGuestLogicalProcessor *wanted,
            GError **error)
{
  const PvtCpu *cpu = find_cpu (cpus, wanted->logical_id);
  int failed;

  if (cpu == NULL)
    return pvt_call_fail (error, "there is no CPU %" G_GINT64_FORMAT " in this guest",
                          wanted->logical_id);
  if (cpu->online == wanted->online)
    return TRUE;
  if (!cpu->can_offline)
    return pvt_call_fail (error, "CPU %u cannot be taken offline", cpu->number);
  failed = pvt_cpu_switch (root, cpu->number, wanted->online);
  if (failed)
    return pvt_call_fail (error, "CPU %u could not be taken %s: %s", cpu->number,
                          wanted->online ? "online" : "offline", g_strerror (-failed));
  return TRUE;
}

gboolean
pvt_handle_guest_set_vcpus (PvtCall *call, const PvtGuestSetVcpusArgs *args, gint64 *result,
                            GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  g_autoptr (GArray) cpus = pvt_cpus_read (root, error);
  guint done = 0;

  if (cpus == NULL)
    return FALSE;
  for (; done < args->vcpus->len; done++)
    {
      g_autoptr (GError) why = NULL;

      if (!pvt_call_cancelled (call) && switch_cpu (root, cpus, args->vcpus->pdata[done], &why))
        continue;
      /* The caller asks again for the rest, and gets the reason then. */
      if (done > 0)
        break;
      if (why == NULL)
        return pvt_call_fail (error, "the request was given up");
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  *result = done;
  return TRUE;
}

static PvtGuestMemoryBlockResponseType
response_type (int failed)
{
  switch (-failed)
    {
    case 0:
      return PVT_GUEST_MEMORY_BLOCK_RESPONSE_TYPE_SUCCESS;
    case ENOENT:
    case ENODEV:
      return PVT_GUEST_MEMORY_BLOCK_RESPONSE_TYPE_NOT_FOUND;
    case EOPNOTSUPP:
      return PVT_GUEST_MEMORY_BLOCK_RESPONSE_TYPE_OPERATION_NOT_SUPPORTED;
    default:
      return PVT_GUEST_MEMORY_BLOCK_RESPONSE_TYPE_OPERATION_FAILED;
    }
}

gboolean
pvt_handle_guest_set_memory_blocks (PvtCall *call, const PvtGuestSetMemoryBlocksArgs *args,
                                    GPtrArray **result, GError **error G_GNUC_UNUSED)
{
  const PvtRoot *root = pvt_call_root (call);

  *result = g_ptr_array_sized_new (args->mem_blks->len);
  for (guint i = 0; i < args->mem_blks->len; i++)
    {
      const PvtGuestMemoryBlock *wanted = args->mem_blks->pdata[i];
      PvtGuestMemoryBlockResponse *entry = pvt_guest_memory_block_response_new ();
      int failed = pvt_call_cancelled (call)
                       ? -ECANCELED
                       : pvt_memblock_switch (root, wanted->phys_index, wanted->online);

      entry->phys_index = wanted->phys_index;
      entry->response = response_type (failed);
      entry->has_error_code = entry->response == PVT_GUEST_MEMORY_BLOCK_RESPONSE_TYPE_OPERATION_FAILED;
      entry->error_code = entry->has_error_code ? -failed : 0;
      g_ptr_array_add (*result, entry);
    }
  return TRUE;
}
