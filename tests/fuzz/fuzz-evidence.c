/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU's human monitor says of processors, and words of a policy. */
#include "fuzz.h"

#include "host-side/health/evidence.h"
#include "host-side/health/policy.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  PvtCpuSample sample = { 0 };
  PvtEvidence evidence = { 0 };
  PvtAction action = { PVT_ACTION_NONE, NULL };
  PvtActionLimit limit;

  if (pvt_cpu_sample_parse ((const char *) data, size, &sample))
    {
      g_assert (sample.cpus > 0 && sample.cpus <= PVT_EVIDENCE_MAX_CPUS);
      g_assert (sample.asleep + sample.dead <= sample.cpus);
      g_assert (sample.dead <= sample.uninterrupted && sample.uninterrupted <= sample.cpus);
    }
  pvt_evidence_add_cpus (&evidence, &sample);
  g_assert ((pvt_evidence_verdict (&evidence, 1, 1) == PVT_KERNEL_UNKNOWN) == (sample.cpus == 0));
  if (pvt_action_limit_parse (text, &limit))
    g_assert (limit.count > 0 && limit.count <= PVT_ACTION_LIMIT_MAX && limit.period > 0);
  if (pvt_action_parse (text, &action))
    g_assert ((action.command != NULL) == (action.kind == PVT_ACTION_RUN));
  pvt_action_clear (&action);
  return 0;
}
