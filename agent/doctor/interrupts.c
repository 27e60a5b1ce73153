/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the virtio devices interrupt. */
#include "doctor.h"

#include "agent/platform/interrupts.h"
#include "agent/platform/virtio-bus.h"

#include <string.h>

/* Enough of them to say that they all go to one CPU. */
#define MANY_INTERRUPTS 10000
#define MANY_SOURCES 4

/* Whether the device that an interrupt's name begins with has busy queues: a console
 * may well have one vector for all of its ports. */
static gboolean
moves_data (const PvtDoctor *doctor, const char *name)
{
  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);
      gsize len = strlen (device->name);

      if (strncmp (device->name, name, len) == 0 && !g_ascii_isdigit (name[len]))
        return device->type == PVT_VIRTIO_NET || device->type == PVT_VIRTIO_BLK
               || device->type == PVT_VIRTIO_SCSI;
    }
  return FALSE;
}

/* By messages the kernel asks for one a queue, virtio0-input.0; if it gets but two,
 * all queues share virtio0-virtqueues; without any there is one line, virtio0. */
static PvtCheckState
judge (const PvtDoctor *doctor, const PvtInterrupt *interrupt, const char **why)
{
  const char *dash = strchr (interrupt->name, '-');

  *why = "";
  if (!interrupt->message || dash == NULL)
    *why = "by a line, not by messages";
  else if (strcmp (dash, "-virtqueues") == 0 && moves_data (doctor, interrupt->name))
    *why = "one for all queues";
  return **why ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS;
}

/* Whether nearly all come to a single CPU. */
static gboolean
crowded (const GArray *interrupts, guint n_cpus)
{
  guint64 total = 0, there = 0;
  guint sources = 0, cpu = 0;

  for (guint i = 0; i < interrupts->len; i++)
    {
      const PvtInterrupt *interrupt = &g_array_index (interrupts, PvtInterrupt, i);

      if (interrupt->total == 0)
        continue;
      if (sources++ == 0)
        cpu = interrupt->busiest;
      total += interrupt->total;
      there += interrupt->busiest == cpu ? interrupt->on_busiest : 0;
    }
  return n_cpus > 1 && sources >= MANY_SOURCES && total >= MANY_INTERRUPTS
         && (double) there > 0.99 * (double) total;
}

void
pvt_doctor_interrupts (PvtDoctor *doctor)
{
  g_autoptr (GArray) interrupts = pvt_interrupts_read (doctor->root);
  PvtVerdict verdict = { .n = 0 };
  guint64 total = 0;

  for (guint i = 0; i < interrupts->len; i++)
    {
      const PvtInterrupt *interrupt = &g_array_index (interrupts, PvtInterrupt, i);
      const char *why;

      total += interrupt->total;
      if (judge (doctor, interrupt, &why) != PVT_CHECK_STATE_PASS)
        pvt_verdict_add (&verdict, PVT_CHECK_STATE_WARN, "%s: %s", interrupt->name, why);
    }
  if (crowded (interrupts, doctor->n_cpus))
    pvt_verdict_add (&verdict, PVT_CHECK_STATE_WARN, "nearly all come to one of %u CPUs",
                     doctor->n_cpus);
  if (interrupts->len && verdict.n == 0)
    pvt_verdict_add (&verdict, PVT_CHECK_STATE_PASS, "%u, by messages, %" G_GUINT64_FORMAT " so far",
                     interrupts->len, total);
  pvt_verdict_say (&verdict, doctor, "interrupts", "no virtio device interrupts",
                   "offer a vector for each queue on the host (vectors=2N+2 for N queue pairs of "
                   "a network card); irqbalance or smp_affinity spreads them");
}
