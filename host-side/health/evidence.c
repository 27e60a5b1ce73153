/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evidence.h"

#include <string.h>

#define INTERRUPTS_ON 0x200u /* IF of RFLAGS: Intel SDM volume 1, 3.4.3 */

/* A processor that is caught twice in a row halted without interrupts stays so. */
#define DEAD_SAMPLES 2

/* One that never has them on when it is looked at spins without them. */
#define UNINTERRUPTED_SAMPLES 6

/* How long a processor that slept speaks for the kernel. */
#define ASLEEP_SAMPLES 4

/* The hexadecimal number behind @key in [@text, @end). */
static gboolean
find_number (const char *text, const char *end, const char *key, guint64 *number)
{
  gsize key_len = strlen (key);
  const char *at = memmem (text, (gsize) (end - text), key, key_len);
  guint64 value = 0;
  guint digits = 0;

  if (at == NULL)
    return FALSE;
  for (at += key_len; at < end && g_ascii_isxdigit (*at) && digits < 16; at++, digits++)
    value = value << 4 | (guint64) g_ascii_xdigit_value (*at);
  *number = value;
  return digits > 0;
}

/* One processor's part of the text. */
static gboolean
add_cpu (const char *text, const char *end, PvtCpuSample *sample)
{
  guint64 flags, halted;
  gboolean on;

  /* 64-bit and 32-bit mode print differently. */
  if ((!find_number (text, end, "RFL=", &flags) && !find_number (text, end, "EFL=", &flags))
      || !find_number (text, end, "HLT=", &halted))
    return FALSE;
  on = (flags & INTERRUPTS_ON) != 0;
  sample->cpus++;
  sample->asleep += halted && on;
  sample->dead += halted && !on;
  sample->uninterrupted += !on;
  return TRUE;
}

gboolean
pvt_cpu_sample_parse (const char *text, gsize len, PvtCpuSample *sample)
{
  static const char head[] = "CPU#";
  const char *end = text + len, *part = memmem (text, len, head, strlen (head));
  PvtCpuSample got = { 0 };

  while (part && got.cpus < PVT_EVIDENCE_MAX_CPUS)
    {
      const char *body = part + strlen (head);
      const char *next = memmem (body, (gsize) (end - body), head, strlen (head));

      if (!add_cpu (body, next ? next : end, &got))
        return FALSE;
      part = next;
    }
  if (got.cpus == 0)
    return FALSE;
  *sample = got;
  return TRUE;
}

void
pvt_evidence_begin (PvtEvidence *evidence)
{
  gint64 update = evidence->balloon_update;

  memset (evidence, 0, sizeof *evidence);
  evidence->balloon_update = update;
}

void
pvt_evidence_add_cpus (PvtEvidence *evidence, const PvtCpuSample *sample)
{
  if (sample->cpus == 0)
    return;
  evidence->samples++;
  if (sample->asleep > 0)
    evidence->since_asleep = 1;
  else if (evidence->since_asleep)
    evidence->since_asleep++;
  evidence->all_uninterrupted
      = sample->uninterrupted == sample->cpus ? evidence->all_uninterrupted + 1 : 0;
  evidence->all_dead = sample->dead == sample->cpus ? evidence->all_dead + 1 : 0;
}

void
pvt_evidence_add_balloon (PvtEvidence *evidence, gint64 update, gint64 now)
{
  if (update <= 0)
    return;
  if (evidence->balloon_first == 0)
    evidence->balloon_first = now;
  else if (update != evidence->balloon_update)
    evidence->balloon_moved = now;
  evidence->balloon_update = update;
}

PvtKernel
pvt_evidence_verdict (const PvtEvidence *evidence, gint64 stall, gint64 now)
{
  gint64 last = MAX (evidence->balloon_moved, evidence->balloon_first);

  if (evidence->all_dead >= DEAD_SAMPLES)
    return PVT_KERNEL_DEAD;
  if (evidence->balloon_moved && now - evidence->balloon_moved < stall)
    return PVT_KERNEL_ALIVE;
  if (evidence->since_asleep && evidence->since_asleep <= ASLEEP_SAMPLES)
    return PVT_KERNEL_ALIVE;
  if (evidence->all_uninterrupted >= UNINTERRUPTED_SAMPLES)
    return PVT_KERNEL_DEAD;
  if (evidence->balloon_first && now - last >= stall)
    return PVT_KERNEL_DEAD;
  return evidence->samples > 0 ? PVT_KERNEL_BUSY : PVT_KERNEL_UNKNOWN;
}
