/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel and chronyc tell; the first byte says which. */
#include "fuzz.h"

#include "agent/platform/time-service.h"
#include "agent/platform/uevent.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* A copy of just that size, so that reading past it is seen. */
  g_autofree char *text = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;

  double correction;

  if (text == NULL)
    return 0;
  switch (data[0] % 3)
    {
    case 0:
      pvt_uevent_is_generation (text, size - 1);
      break;
    case 1:
      pvt_kmsg_is_generation (text, size - 1);
      break;
    default:
      pvt_chrony_is_tracking (text, size - 1);
      pvt_chrony_correction (text, size - 1, &correction);
    }
  return 0;
}
