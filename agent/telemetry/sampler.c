/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sampler.h"

#include "agent/commands/reports.h"
#include "agent/platform/counters.h"
#include "agent/platform/diskstats.h"
#include "agent/platform/netdev.h"
#include "agent/platform/proc-file.h"
#include "agent/platform/stat.h"
#include "agent/platform/text.h"
#include "protocol/codec/encode.h"
#include "pvt-tables.h"

#define MS_PER_TICK 10 /* USER_HZ is 100 on all architectures that KVM runs on */
#define SECTOR 512

enum
{
  FILE_STAT,
  FILE_MEMINFO,
  FILE_LOADAVG,
  FILE_VMSTAT,
  FILE_DISKSTATS,
  FILE_NETDEV,
  FILE_PRESSURE, /* and three behind it */
  N_FILES = FILE_PRESSURE + 4,
};

static struct
{
  const PvtRoot *root;
  PvtProcFile files[N_FILES];
  gboolean fresh[N_FILES], there[N_FILES]; /* of this tick */
  PvtSample *samples[PVT_N_GROUPS];        /* of this tick */
  GHashTable *partitions;                  /* name of a block device -> whether it is one */
} sampler;

static const PvtProcFile files[N_FILES] = {
  [FILE_STAT] = { .path = "proc/stat", .fd = -1 },
  [FILE_MEMINFO] = { .path = "proc/meminfo", .fd = -1 },
  [FILE_LOADAVG] = { .path = "proc/loadavg", .fd = -1 },
  [FILE_VMSTAT] = { .path = "proc/vmstat", .records = TRUE, .fd = -1 },
  [FILE_DISKSTATS] = PVT_DISKSTATS_FILE,
  [FILE_NETDEV] = { .path = "proc/net/dev", .records = TRUE, .fd = -1 },
  [FILE_PRESSURE] = { .path = "proc/pressure/cpu", .fd = -1 },
  [FILE_PRESSURE + 1] = { .path = "proc/pressure/memory", .fd = -1 },
  [FILE_PRESSURE + 2] = { .path = "proc/pressure/io", .fd = -1 },
  [FILE_PRESSURE + 3] = { .path = "proc/pressure/irq", .fd = -1 },
};

const char *
pvt_group_name (PvtMetricGroup group)
{
  return pvt_metric_group_type.values[group];
}

/* ---- samples ---- */

static void
free_entry (gpointer data)
{
  PvtSampleEntry *entry = data;

  g_free (entry->name);
  g_free (entry->text);
  g_free (entry);
}

PvtSample *
pvt_sample_new (gboolean list)
{
  PvtSample *sample = g_new0 (PvtSample, 1);

  sample->list = list;
  sample->entries = g_ptr_array_new_with_free_func (free_entry);
  return sample;
}

void
pvt_sample_free (PvtSample *sample)
{
  if (sample == NULL)
    return;
  g_ptr_array_unref (sample->entries);
  g_free (sample);
}

gboolean
pvt_sample_is_full (const PvtSample *sample)
{
  return sample->entries->len >= PVT_SAMPLE_MAX_ENTRIES;
}

void
pvt_sample_add (PvtSample *sample, const char *name, const PvtType *type, gconstpointer object)
{
  PvtSampleEntry *entry;
  PvtBuf text = { 0 };

  sample->total++;
  if (pvt_sample_is_full (sample))
    return;
  entry = g_new0 (PvtSampleEntry, 1);
  pvt_encode_object (&text, type, object);
  entry->name = g_strdup (name);
  entry->text = text.data;
  entry->len = text.len;
  g_ptr_array_add (sample->entries, entry);
}

/* Who is shown a group's entries, one by one. */
typedef struct
{
  PvtSampleVisit show;
  gpointer data;
} Visitor;

/* ---- files ---- */

static const PvtProcFile *
read_file (guint number)
{
  if (!sampler.fresh[number])
    sampler.there[number] = pvt_proc_file_read (&sampler.files[number], sampler.root);
  sampler.fresh[number] = TRUE;
  return sampler.there[number] ? &sampler.files[number] : NULL;
}

/* ---- groups ---- */

static void
show_cpu (const Visitor *visitor, const PvtCpuTimes *times)
{
  PvtCpuTotals totals = { .has_cpu = times->cpu >= 0, .cpu = times->cpu };
  guint64 *const fields[] = { &totals.user_ms, &totals.nice_ms,    &totals.system_ms, &totals.idle_ms,
                              &totals.iowait_ms, &totals.irq_ms, &totals.softirq_ms, &totals.steal_ms };
  char name[16] = "all";

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    *fields[i] = MIN (times->ticks[i], (guint64) G_MAXINT64 / MS_PER_TICK) * MS_PER_TICK;
  if (totals.has_cpu)
    g_snprintf (name, sizeof name, "%d", times->cpu);
  visitor->show (name, &pvt_cpu_totals_type, &totals, visitor->data);
}

static gboolean
visit_cpu (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_STAT);
  g_autoptr (GArray) cpus = g_array_new (FALSE, FALSE, sizeof (PvtCpuTimes));

  if (file == NULL)
    return FALSE;
  pvt_stat_parse (file->text, file->len, cpus);
  for (guint i = 0; i < cpus->len; i++)
    show_cpu (visitor, &g_array_index (cpus, PvtCpuTimes, i));
  return TRUE;
}

static gboolean
visit_memory (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_MEMINFO);
  PvtMeminfo info;
  PvtMemory *memory;

  if (file == NULL || !pvt_meminfo_parse (file->text, file->len, &info))
    return FALSE;
  memory = pvt_memory_report (&info);
  visitor->show ("", &pvt_memory_type, memory, visitor->data);
  pvt_memory_free (memory);
  return TRUE;
}

static gboolean
visit_load (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_LOADAVG);
  PvtGuestLoadAverage load = { 0 };
  PvtText text;

  if (file == NULL)
    return FALSE;
  text = pvt_text (file->text, file->len);
  if (!pvt_text_double (&text, &load.load1m) || !pvt_text_double (&text, &load.load5m)
      || !pvt_text_double (&text, &load.load15m))
    return FALSE;
  visitor->show ("", &pvt_guest_load_average_type, &load, visitor->data);
  return TRUE;
}

PvtPressure *
pvt_sampler_pressure (void)
{
  PvtPressure *all = pvt_pressure_new ();
  PvtPressureLine **const lines[] = { &all->cpu, &all->memory, &all->io, &all->irq };
  gboolean any = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      const PvtProcFile *file = read_file (FILE_PRESSURE + i);
      PvtPressureFile figures;

      if (file == NULL || !pvt_pressure_parse (file->text, file->len, &figures))
        continue;
      *lines[i] = pvt_pressure_report_line (&figures);
      any = TRUE;
    }
  if (any)
    return all;
  pvt_pressure_free (all);
  return NULL;
}

static gboolean
visit_pressure (const Visitor *visitor)
{
  PvtPressure *pressure = pvt_sampler_pressure ();

  if (pressure == NULL)
    return FALSE;
  visitor->show ("", &pvt_pressure_type, pressure, visitor->data);
  pvt_pressure_free (pressure);
  return TRUE;
}

static void
take_vmstat (PvtKernelTotals *totals)
{
  static const char *const names[] = { "oom_kill", "pgmajfault", "pswpin", "pswpout", NULL };
  guint64 *const fields[] = { &totals->oom_kills, &totals->major_faults, &totals->swapped_in,
                              &totals->swapped_out };
  const PvtProcFile *file = read_file (FILE_VMSTAT);
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (PvtNamedValue));

  if (file)
    pvt_named_values_parse (file->text, file->len, names, values);
  for (guint i = 0; i < values->len; i++)
    for (guint j = 0; j < G_N_ELEMENTS (fields); j++)
      if (g_strcmp0 (g_array_index (values, PvtNamedValue, i).name, names[j]) == 0)
        *fields[j] = g_array_index (values, PvtNamedValue, i).value;
}

static gboolean
visit_kernel (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_STAT);
  PvtKernelTotals totals = { 0 };
  PvtStatCounters stat;

  if (file == NULL)
    return FALSE;
  pvt_stat_counters_parse (file->text, file->len, &stat);
  totals.context_switches = stat.fields[PVT_STAT_CTXT];
  totals.interrupts = stat.fields[PVT_STAT_INTR];
  totals.forks = stat.fields[PVT_STAT_PROCESSES];
  totals.procs_running = stat.fields[PVT_STAT_RUNNING];
  totals.procs_blocked = stat.fields[PVT_STAT_BLOCKED];
  take_vmstat (&totals);
  visitor->show ("", &pvt_kernel_totals_type, &totals, visitor->data);
  return TRUE;
}

/* Asked of sysfs once for each device. */
static gboolean
is_partition (const char *name)
{
  gpointer known;

  if (sampler.partitions == NULL)
    sampler.partitions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!g_hash_table_lookup_extended (sampler.partitions, name, NULL, &known))
    {
      g_autofree char *path = g_strconcat ("sys/class/block/", name, "/partition", NULL);

      known = GINT_TO_POINTER (pvt_root_exists (sampler.root, path));
      g_hash_table_insert (sampler.partitions, g_strdup (name), known);
    }
  return GPOINTER_TO_INT (known);
}

static gboolean
visit_disks (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_DISKSTATS);
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (PvtDiskCounters));

  if (file == NULL)
    return FALSE;
  pvt_diskstats_parse (file->text, file->len, disks);
  for (guint i = 0; i < disks->len; i++)
    {
      PvtDiskCounters *disk = &g_array_index (disks, PvtDiskCounters, i);
      const guint64 *f = disk->fields;
      PvtDiskTotals totals = { .name = disk->name, .reads = f[PVT_DISK_READ_IOS],
                               .read_bytes = f[PVT_DISK_READ_SECTORS] * SECTOR,
                               .writes = f[PVT_DISK_WRITE_IOS],
                               .written_bytes = f[PVT_DISK_WRITE_SECTORS] * SECTOR,
                               .busy_ms = f[PVT_DISK_TOTAL_TICKS],
                               .waiting_ms = f[PVT_DISK_WEIGHT_TICKS] };

      /* Loop and memory devices that nobody ever used. */
      if (totals.reads + totals.writes > 0 && !is_partition (disk->name))
        visitor->show (disk->name, &pvt_disk_totals_type, &totals, visitor->data);
    }
  return TRUE;
}

static gboolean
visit_links (const Visitor *visitor)
{
  const PvtProcFile *file = read_file (FILE_NETDEV);
  g_autoptr (GArray) devices = g_array_new (FALSE, FALSE, sizeof (PvtNetdev));

  if (file == NULL)
    return FALSE;
  pvt_netdev_parse (file->text, file->len, devices);
  for (guint i = 0; i < devices->len; i++)
    {
      PvtNetdev *d = &g_array_index (devices, PvtNetdev, i);
      PvtLinkTotals totals = { d->name, d->rx_bytes, d->rx_packets, d->rx_errors, d->rx_dropped,
                               d->tx_bytes, d->tx_packets, d->tx_errors, d->tx_dropped };

      visitor->show (d->name, &pvt_link_totals_type, &totals, visitor->data);
    }
  return TRUE;
}

static const struct
{
  gboolean list;
  gboolean (*visit) (const Visitor *visitor); /* NULL: it is read elsewhere */
} groups[PVT_N_GROUPS] = {
  [PVT_METRIC_GROUP_CPU] = { TRUE, visit_cpu },
  [PVT_METRIC_GROUP_MEMORY] = { FALSE, visit_memory },
  [PVT_METRIC_GROUP_LOAD] = { FALSE, visit_load },
  [PVT_METRIC_GROUP_PRESSURE] = { FALSE, visit_pressure },
  [PVT_METRIC_GROUP_KERNEL] = { FALSE, visit_kernel },
  [PVT_METRIC_GROUP_DISKS] = { TRUE, visit_disks },
  [PVT_METRIC_GROUP_LINKS] = { TRUE, visit_links },
};

gboolean
pvt_sampler_visit (PvtMetricGroup group, PvtSampleVisit show, gpointer data)
{
  const Visitor visitor = { show, data };

  return groups[group].visit && groups[group].visit (&visitor);
}

static void
add_to_sample (const char *name, const PvtType *type, gconstpointer object, gpointer data)
{
  pvt_sample_add (data, name, type, object);
}

const PvtSample *
pvt_sampler_get (PvtMetricGroup group)
{
  PvtSample *sample = sampler.samples[group];

  if (sample == NULL && groups[group].visit)
    {
      sample = pvt_sample_new (groups[group].list);
      if (!pvt_sampler_visit (group, add_to_sample, sample))
        g_clear_pointer (&sample, pvt_sample_free);
      sampler.samples[group] = sample;
    }
  return sample;
}

/* ---- life ---- */

void
pvt_sampler_tick (void)
{
  memset (sampler.fresh, 0, sizeof sampler.fresh);
  for (guint i = 0; i < PVT_N_GROUPS; i++)
    g_clear_pointer (&sampler.samples[i], pvt_sample_free);
}

void
pvt_sampler_open (const PvtRoot *root)
{
  sampler.root = root;
  memcpy (sampler.files, files, sizeof files);
}

void
pvt_sampler_close (void)
{
  pvt_sampler_tick ();
  for (guint i = 0; i < N_FILES; i++)
    pvt_proc_file_close (&sampler.files[i]);
  g_clear_pointer (&sampler.partitions, g_hash_table_unref);
}
