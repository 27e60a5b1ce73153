/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interrupts.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

static guint
count_cpus (PvtText header)
{
  PvtText word;
  guint n = 0;

  while (n < PVT_MAX_CPUS && pvt_text_word (&header, &word) && pvt_text_starts (word, "CPU"))
    n++;
  return n;
}

static gboolean
has_msi (PvtText chip)
{
  return memmem (chip.p, (gsize) (chip.end - chip.p), "MSI", 3) != NULL;
}

/* What stands behind the counts: the chip, the line's number and trigger, and the
 * names of those who use it, with commas between. */
static gboolean
find_virtio (PvtText rest, PvtInterrupt *interrupt)
{
  PvtText word;

  while (pvt_text_word (&rest, &word))
    {
      if (pvt_text_starts (word, "virtio"))
        {
          gsize len = (gsize) (word.end - word.p);

          len = MIN (len, sizeof interrupt->name - 1);
          memcpy (interrupt->name, word.p, len);
          interrupt->name[len] = '\0';
          g_strdelimit (interrupt->name, ",", '\0');
          return TRUE;
        }
      if (has_msi (word))
        interrupt->message = TRUE;
    }
  return FALSE;
}

static void
parse_line (PvtText line, guint n_cpus, GArray *interrupts)
{
  PvtInterrupt interrupt = { .message = FALSE };
  PvtText word;

  if (!pvt_text_word (&line, &word) || word.end[-1] != ':')
    return;
  for (guint i = 0; i < n_cpus; i++)
    {
      guint64 count;

      if (!pvt_text_u64 (&line, &count))
        return;
      if (count > interrupt.on_busiest)
        {
          interrupt.on_busiest = count;
          interrupt.busiest = i;
        }
      interrupt.total += count;
    }
  if (find_virtio (line, &interrupt))
    g_array_append_val (interrupts, interrupt);
}

void
pvt_interrupts_parse (const char *text, gsize len, GArray *interrupts)
{
  PvtText rest = pvt_text (text, len), line;
  guint n_cpus;

  if (!pvt_text_line (&rest, &line))
    return;
  n_cpus = count_cpus (line);
  while (interrupts->len < PVT_MAX_LINKS && pvt_text_line (&rest, &line))
    parse_line (line, n_cpus, interrupts);
}

GArray *
pvt_interrupts_read (const PvtRoot *root)
{
  GArray *interrupts = g_array_new (FALSE, FALSE, sizeof (PvtInterrupt));
  gsize len = 0;
  g_autofree char *text
      = pvt_root_read_alloc (root, "proc/interrupts", PVT_MAX_PROC_FILE, &len, NULL);

  if (text)
    pvt_interrupts_parse (text, len, interrupts);
  return interrupts;
}
