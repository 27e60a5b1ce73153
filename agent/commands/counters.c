/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters since boot, as they are. */
#include "agent/core/call.h"
#include "agent/platform/counters.h"
#include "agent/platform/netlink.h"
#include "reports.h"

#include <string.h>
#include <unistd.h>

static void
put_stat (PvtCounters *result, const PvtStatCounters *stat)
{
  struct
  {
    gboolean *has;
    guint64 *value;
  } const rows[PVT_N_STATS] = {
    { &result->has_boot_time, &result->boot_time },
    { &result->has_context_switches, &result->context_switches },
    { &result->has_interrupts, &result->interrupts },
    { &result->has_forks, &result->forks },
    { &result->has_procs_running, &result->procs_running },
    { &result->has_procs_blocked, &result->procs_blocked },
  };

  for (guint i = 0; i < PVT_N_STATS; i++)
    {
      *rows[i].has = (stat->present & (1u << i)) && stat->fields[i] <= G_MAXINT64;
      *rows[i].value = stat->fields[i];
    }
}

/* Takes the array over. */
static GPtrArray *
counter_list (GArray *values)
{
  GPtrArray *list = g_ptr_array_sized_new (values->len);

  for (guint i = 0; i < values->len; i++)
    {
      const PvtNamedValue *value = &g_array_index (values, PvtNamedValue, i);
      PvtCounter *counter = pvt_counter_new ();

      counter->name = g_strdup (value->name);
      counter->value = value->value;
      g_ptr_array_add (list, counter);
    }
  g_array_unref (values);
  return list;
}

/* sysfs says what netlink's dump of links does not: operstate and speed. */
static PvtLinkState *
link_state (const PvtRoot *root, const PvtLink *link)
{
  PvtLinkState *state = pvt_link_state_new ();
  g_autofree char *directory = g_strconcat ("sys/class/net/", link->name, NULL);
  int fd = pvt_open_dir_at (root->fd, directory);
  char text[16];
  guint64 number;

  state->name = g_strdup (link->name);
  state->has_mtu = TRUE;
  state->mtu = link->mtu;
  if (fd < 0)
    return state;
  state->up = pvt_read_at (fd, "operstate", text, sizeof text) > 0 && strcmp (text, "up") == 0;
  state->has_carrier = pvt_read_u64_at (fd, "carrier", &number) == 0;
  state->carrier = state->has_carrier && number == 1;
  /* -1 is unknown. */
  state->has_speed_mbps = pvt_read_u64_at (fd, "speed", &number) == 0 && number <= G_MAXINT32;
  state->speed_mbps = number;
  close (fd);
  return state;
}

static GPtrArray *
link_states (const PvtRoot *root)
{
  g_autoptr (GArray) links = pvt_links_read (NULL);
  GPtrArray *states = g_ptr_array_new ();

  for (guint i = 0; links && i < links->len; i++)
    g_ptr_array_add (states, link_state (root, &g_array_index (links, PvtLink, i)));
  return states;
}

gboolean
pvt_handle_get_counters (PvtCall *call, PvtCounters **result, GError **error)
{
  const PvtRoot *root = pvt_call_root (call);
  PvtCounters *counters;
  PvtStatCounters stat;

  if (!pvt_stat_counters_read (root, &stat))
    return pvt_call_fail (error, "/proc/stat cannot be read");
  counters = pvt_counters_new ();
  put_stat (counters, &stat);
  counters->has_files_allocated = counters->has_files_maximum
      = pvt_file_handles_read (root, &counters->files_allocated, &counters->files_maximum);
  counters->pressure = pvt_pressure_report (root);
  counters->vm = counter_list (pvt_vmstat_values_read (root));
  counters->memory = counter_list (pvt_meminfo_values_read (root));
  counters->links = link_states (root);
  *result = counters;
  return TRUE;
}
