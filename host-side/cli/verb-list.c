/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: the guests of this host, each asked at the same time. */
#include "discover.h"
#include "host-side/health/machine-look.h"
#include "output.h"

#include <string.h>

/* Asked at once; a guest that does not answer holds one up for --timeout. */
#define WORKERS 32
#define INTERVAL_MS 200

typedef struct
{
  const PvtFound *found;
  int timeout_ms;
  char *state; /* why there are no figures; NULL: it answered */
  char *address, *system, *agent;
  gboolean has_cpu, has_memory, has_disk, has_uptime;
  double cpu, memory, disk; /* share in use */
  char *fullest;            /* where disk is */
  guint64 uptime_s;
} Row;

static void
row_free (gpointer data)
{
  Row *row = data;

  g_free (row->state);
  g_free (row->address);
  g_free (row->system);
  g_free (row->agent);
  g_free (row->fullest);
  g_free (row);
}

static gboolean
ask_agent (Row *row, PvtClient *client, GError **error)
{
  const char *version = pvt_client_get_agent_version (client, -1, NULL, error);
  gboolean ours = version && pvt_client_is_pvtools (client, -1, NULL, error);

  if (version)
    row->agent = g_strdup_printf ("%s %s", ours ? "pvtools-agent" : "qemu-ga", version);
  return version != NULL;
}

static void
ask_system (Row *row, PvtClient *client)
{
  g_autoptr (PvtGuestOSInfo) os = pvt_client_guest_get_osinfo (client, -1, NULL, NULL);
  g_autoptr (PvtNetwork) network = pvt_client_get_network (client, -1, NULL, NULL);
  g_autoptr (PvtUptime) up = pvt_client_get_uptime (client, -1, NULL, NULL);

  if (os)
    row->system = g_strdup (os->pretty_name ? os->pretty_name : os->id);
  if (network)
    row->address = g_strdup (network->primary_address ? network->primary_address
                                                      : network->primary_address_ipv6);
  row->has_uptime = up != NULL;
  row->uptime_s = up ? up->uptime_ms / 1000 : 0;
}

static void
ask_load (Row *row, PvtClient *client)
{
  PvtGetCpuUsageArgs args = { .has_interval_ms = TRUE, .interval_ms = INTERVAL_MS };
  g_autoptr (PvtCpuUsage) cpu = pvt_client_get_cpu_usage (client, &args, -1, NULL, NULL);
  g_autoptr (PvtMemory) memory = pvt_client_get_memory (client, -1, NULL, NULL);

  row->has_cpu = cpu != NULL;
  row->cpu = cpu ? 1 - cpu->total->idle - cpu->total->iowait : 0;
  row->has_memory = memory && memory->total > 0;
  if (row->has_memory)
    row->memory = 1 - (double) MIN (memory->available, memory->total) / (double) memory->total;
}

/* As df counts it: of what users without privilege can have. */
static void
consider (Row *row, const char *where, guint64 used, guint64 available)
{
  double share = used + available > 0 ? (double) used / ((double) used + (double) available) : 0;

  if (row->has_disk && share <= row->disk)
    return;
  row->has_disk = TRUE;
  row->disk = share;
  g_free (row->fullest);
  row->fullest = g_strdup (where);
}

static void
ask_disks (Row *row, PvtClient *client)
{
  g_autoptr (GPtrArray) ours = pvt_client_get_filesystems (client, -1, NULL, NULL);
  g_autoptr (GPtrArray) any
      = ours ? NULL : pvt_client_guest_get_fsinfo (client, -1, NULL, NULL);

  for (guint i = 0; ours && i < ours->len; i++)
    {
      const PvtFilesystem *fs = ours->pdata[i];

      if (fs->has_used_bytes && fs->has_available_bytes && !fs->read_only)
        consider (row, fs->mountpoint, fs->used_bytes, fs->available_bytes);
    }
  for (guint i = 0; any && i < any->len; i++)
    {
      const PvtGuestFilesystemInfo *fs = any->pdata[i];

      if (fs->has_used_bytes && fs->has_total_bytes && fs->used_bytes <= fs->total_bytes)
        consider (row, fs->mountpoint, fs->used_bytes, fs->total_bytes - fs->used_bytes);
    }
}

static const char *
state_of (const GError *error)
{
  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT)
      || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT))
    return "no answer";
  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED)
      || g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED))
    return "no channel";
  return "broken";
}

/* What QEMU says of a guest that does not answer; NULL: nothing that explains it. */
static const char *
state_by_monitor (const Row *row)
{
  const char *path = row->found->address + strlen ("qemu:");
  PvtQmp *qmp = g_str_has_prefix (row->found->address, "qemu:")
                    ? pvt_qmp_open (path, row->timeout_ms, NULL, NULL)
                    : NULL;
  g_autofree char *status = qmp ? pvt_look_status (qmp) : g_strdup ("");
  PvtHealthInputKind kind = PVT_HEALTH_IN_RUNNING;

  pvt_qmp_close (qmp);
  pvt_look_status_means (status, &kind);
  return kind == PVT_HEALTH_IN_STOPPED    ? pvt_health_state_name (PVT_HEALTH_PAUSED)
         : kind == PVT_HEALTH_IN_PANICKED ? pvt_health_state_name (PVT_HEALTH_PANICKED)
         : kind == PVT_HEALTH_IN_SHUTDOWN ? pvt_health_state_name (PVT_HEALTH_SHUT_DOWN)
         : kind == PVT_HEALTH_IN_WATCHDOG || kind == PVT_HEALTH_IN_BROKEN
             ? pvt_health_state_name (PVT_HEALTH_GUEST_HUNG)
             : NULL;
}

static void
ask (gpointer data, gpointer user_data G_GNUC_UNUSED)
{
  Row *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtClient) client
      = pvt_client_connect (row->found->address, row->timeout_ms, NULL, &error);

  if (client)
    pvt_client_set_timeout (client, row->timeout_ms);
  if (client == NULL || !ask_agent (row, client, &error))
    {
      const char *state = state_by_monitor (row);

      row->state = g_strdup (state ? state : state_of (error));
      return;
    }
  ask_system (row, client);
  ask_load (row, client);
  ask_disks (row, client);
}

static void
print_rows (PvtCli *cli, GPtrArray *rows)
{
  static const char *const headers[] = { "GUEST", "STATE", "ADDRESS", ">CPU",  ">MEMORY",
                                         ">DISK", "FULLEST", ">UP FOR", "SYSTEM", "AGENT", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = rows->pdata[i];
      g_autofree char *cpu = pvt_share_text (row->cpu), *memory = pvt_share_text (row->memory);
      g_autofree char *disk = pvt_share_text (row->disk), *up = pvt_duration_text (row->uptime_s);

      pvt_table_row (table, row->found->name, row->state ? row->state : "up",
                     row->address ? row->address : "-", row->has_cpu ? cpu : "-",
                     row->has_memory ? memory : "-", row->has_disk ? disk : "-",
                     row->fullest ? row->fullest : "-", row->has_uptime ? up : "-",
                     row->system ? row->system : "-", row->agent ? row->agent : "-", NULL);
    }
  pvt_table_print (table);
}

static void
print_json (GPtrArray *rows)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = rows->pdata[i];

      json_builder_begin_object (builder);
      pvt_json_add_text (builder, "name", row->found->name);
      pvt_json_add_text (builder, "guest", row->found->address);
      pvt_json_add_text (builder, "uuid", row->found->uuid);
      pvt_json_add_text (builder, "state", row->state ? row->state : "up");
      pvt_json_add_text (builder, "address", row->address);
      pvt_json_add_double (builder, "cpu", row->has_cpu, row->cpu);
      pvt_json_add_double (builder, "memory", row->has_memory, row->memory);
      pvt_json_add_double (builder, "disk", row->has_disk, row->disk);
      pvt_json_add_text (builder, "fullest", row->fullest);
      pvt_json_add_double (builder, "uptime-seconds", row->has_uptime, (double) row->uptime_s);
      pvt_json_add_text (builder, "system", row->system);
      pvt_json_add_text (builder, "agent", row->agent);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  pvt_print_json (root);
}

typedef struct
{
  char **sockets, **qmp;
  gboolean libvirt;
} Sources;

/* A directory that cannot be read is a wrong word. */
static gboolean
discover_sockets (char **where, const char *prefix, GPtrArray *found, GError **error)
{
  g_autoptr (GError) failure = NULL;

  for (guint i = 0; where && where[i]; i++)
    if (!pvt_discover_sockets (where[i], prefix, found, &failure))
      {
        g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, failure->message);
        return FALSE;
      }
  return TRUE;
}

/* Without a word about where, libvirt is meant. */
static gboolean
discover (const Sources *sources, GPtrArray *found, GError **error)
{
  if (!discover_sockets (sources->sockets, "unix:", found, error)
      || !discover_sockets (sources->qmp, "qemu:", found, error))
    return FALSE;
  if (sources->libvirt || (!sources->sockets && !sources->qmp))
    return pvt_discover_libvirt (found, error);
  return TRUE;
}

static void
list (PvtCli *cli, GPtrArray *found)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (row_free);
  GThreadPool *pool = g_thread_pool_new (ask, NULL, WORKERS, FALSE, NULL);

  for (guint i = 0; i < found->len; i++)
    {
      Row *row = g_new0 (Row, 1);

      row->found = found->pdata[i];
      row->timeout_ms = cli->timeout_ms;
      g_ptr_array_add (rows, row);
      g_thread_pool_push (pool, row, NULL);
    }
  g_thread_pool_free (pool, FALSE, TRUE);
  if (cli->json)
    print_json (rows);
  else
    print_rows (cli, rows);
}

static gboolean
run_list (PvtCli *cli, int argc, char **argv, GError **error)
{
  Sources sources = { NULL, NULL, FALSE };
  const GOptionEntry entries[] = {
    { "sockets", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &sources.sockets, NULL, NULL },
    { "qmp", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &sources.qmp, NULL, NULL },
    { "libvirt", 0, 0, G_OPTION_ARG_NONE, &sources.libvirt, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GPtrArray) found
      = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  gboolean ok = FALSE;

  if (words && cli->address && g_strcmp0 (cli->address, g_getenv ("PVT_CONNECT")) != 0)
    g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                 "unexpected word '%s': --sockets DIR, --qmp DIR or --libvirt was expected",
                 cli->address);
  else if (words && pvt_cli_no_words ((int) g_strv_length (words), words, error))
    ok = discover (&sources, found, error);
  if (ok)
    list (cli, found);
  g_strfreev (sources.sockets);
  g_strfreev (sources.qmp);
  return ok;
}

const PvtVerb pvt_verb_list
    = { "list", "[--sockets DIR] [--qmp DIR] [--libvirt]",
        "the guests of this host: address, CPU, memory, fullest filesystem", TRUE, run_list };
