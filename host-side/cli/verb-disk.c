/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* df and disks. */
#include "output.h"

#include <stdio.h>

static void
df_row (PvtCli *cli, PvtTable *table, const PvtFilesystem *fs)
{
  g_autofree char *size = NULL, *used = NULL, *available = NULL, *full = NULL, *inodes = NULL;

  if (fs->error)
    {
      pvt_table_row (table, fs->mountpoint, fs->type, "-", "-", "-", "-", "-", fs->error, NULL);
      return;
    }
  size = pvt_size_text (cli, fs->total_bytes);
  used = pvt_size_text (cli, fs->used_bytes);
  available = pvt_size_text (cli, fs->available_bytes);
  /* As df(1): of what users can fill. */
  full = fs->used_bytes + fs->available_bytes
             ? pvt_share_text ((double) fs->used_bytes
                               / ((double) fs->used_bytes + (double) fs->available_bytes))
             : g_strdup ("-");
  inodes = fs->has_inodes && fs->inodes ? pvt_share_text (
               1 - (double) MIN (fs->inodes_free, fs->inodes) / (double) fs->inodes)
                                        : g_strdup ("-");
  pvt_table_row (table, fs->mountpoint, fs->type, size, used, available, full, inodes,
                 fs->read_only ? "read-only" : "", NULL);
}

/* What a stock qemu-ga can tell. */
static gboolean
df_of_fsinfo (PvtCli *cli, PvtTable *table, GError **error)
{
  g_autoptr (GPtrArray) list = pvt_client_guest_get_fsinfo (cli->client, -1, NULL, error);

  for (guint i = 0; list && i < list->len; i++)
    {
      const PvtGuestFilesystemInfo *info = list->pdata[i];
      gboolean told = info->has_used_bytes && info->has_total_bytes;
      PvtFilesystem fs = {
        .mountpoint = info->mountpoint,
        .type = info->type,
        .total_bytes = info->total_bytes,
        .used_bytes = info->used_bytes,
        .available_bytes = info->total_bytes - MIN (info->used_bytes, info->total_bytes),
        .error = told ? NULL : (char *) "no figures",
      };

      df_row (cli, table, &fs);
    }
  return list != NULL;
}

static gboolean
run_df (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const char *const headers[] = { "MOUNTPOINT", "TYPE", ">SIZE", ">USED", ">AVAIL", ">FULL",
                                         ">INODES", "", NULL };
  gboolean ours = pvt_client_is_pvtools (cli->client, -1, NULL, error), ok = TRUE;
  PvtSection section = { "filesystems", ours ? "pvt-get-filesystems" : "guest-get-fsinfo" };
  PvtTable *table;

  if ((error && *error) || !pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, &section, 1, error);
  table = pvt_table_new (cli, headers);
  if (ours)
    {
      g_autoptr (GPtrArray) list = pvt_client_get_filesystems (cli->client, -1, NULL, error);

      for (guint i = 0; list && i < list->len; i++)
        df_row (cli, table, list->pdata[i]);
      ok = list != NULL;
    }
  else
    ok = df_of_fsinfo (cli, table, error);
  if (!ok)
    cli->no_headers = TRUE;
  pvt_table_print (table);
  if (ok && !ours)
    puts ("This agent cannot tell inodes, read-only state and network filesystems.");
  return ok;
}

const PvtVerb pvt_verb_df = { "df", "", "how full its filesystems are", FALSE, run_df };

static const char *
bus_name (PvtGuestDiskBusType type)
{
  static const char *const names[]
      = { "ide",     "fdc",     "scsi", "virtio", "xen",   "usb", "uml", "sata",    "sd",
          "unknown", "ieee1394", "ssa",  "fibre",  "raid", "iscsi", "sas", "mmc", "virtual",
          "file",    "nvme" };

  return (guint) type < G_N_ELEMENTS (names) ? names[type] : "unknown";
}

static void
disk_row (PvtTable *table, const PvtGuestDiskInfo *disk)
{
  const PvtGuestDiskAddress *place = disk->address;
  const PvtGuestPCIAddress *pci = place ? place->pci_controller : NULL;
  g_autofree char *where
      = pci && pci->domain >= 0
            ? g_strdup_printf ("%04x:%02x:%02x.%x", (guint) pci->domain, (guint) pci->bus,
                               (guint) pci->slot, (guint) pci->function)
            : g_strdup ("-");
  g_autofree char *on = disk->dependencies ? g_strjoinv (" ", disk->dependencies) : g_strdup ("");

  pvt_table_row (table, disk->name, disk->partition ? "partition" : "disk",
                 place ? bus_name (place->bus_type) : "-", where,
                 place && place->serial ? place->serial : "-",
                 disk->alias ? disk->alias : "-", on, NULL);
}

static gboolean
run_disks (PvtCli *cli, int argc, char **argv, GError **error)
{
  static const PvtSection section = { "disks", "guest-get-disks" };
  static const char *const headers[]
      = { "DEVICE", "KIND", "BUS", "PCI", "SERIAL", "ALIAS", "ON", NULL };
  g_autoptr (GPtrArray) list = NULL;
  PvtTable *table;

  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  if (cli->json)
    return pvt_print_sections (cli, &section, 1, error);
  list = pvt_client_guest_get_disks (cli->client, -1, NULL, error);
  if (list == NULL)
    return FALSE;
  table = pvt_table_new (cli, headers);
  for (guint i = 0; i < list->len; i++)
    disk_row (table, list->pdata[i]);
  pvt_table_print (table);
  return TRUE;
}

const PvtVerb pvt_verb_disks = { "disks", "", "its disks and where they are plugged in", FALSE,
                                 run_disks };
