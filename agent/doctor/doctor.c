/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include "agent/platform/cpus.h"
#include "agent/platform/virtio-bus.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#define MAX_NAMES 4096

void
pvt_doctor_say (PvtDoctor *doctor, const char *name, PvtCheckState state, const char *remedy,
                const char *format, ...)
{
  PvtCheck *check = pvt_check_new ();
  va_list args;

  va_start (args, format);
  check->name = g_strdup (name);
  check->state = state;
  check->finding = g_strdup_vprintf (format, args);
  if (state == PVT_CHECK_STATE_WARN || state == PVT_CHECK_STATE_FAIL)
    check->remedy = g_strdup (remedy);
  va_end (args);
  g_ptr_array_add (doctor->checks, check);
}

void
pvt_verdict_add (PvtVerdict *verdict, PvtCheckState state, const char *format, ...)
{
  gboolean bad = state == PVT_CHECK_STATE_WARN || state == PVT_CHECK_STATE_FAIL;
  GString **list = bad ? &verdict->bad : &verdict->good;
  va_list args;

  va_start (args, format);
  if (*list == NULL)
    *list = g_string_new (NULL);
  else
    g_string_append (*list, "; ");
  g_string_append_vprintf (*list, format, args);
  va_end (args);
  verdict->worst = MAX (verdict->worst, state);
  verdict->n++;
}

void
pvt_verdict_say (PvtVerdict *verdict, PvtDoctor *doctor, const char *name, const char *none,
                 const char *remedy)
{
  GString *list = verdict->bad ? verdict->bad : verdict->good;

  if (verdict->n == 0)
    pvt_doctor_say (doctor, name, PVT_CHECK_STATE_SKIP, NULL, "%s", none);
  else
    pvt_doctor_say (doctor, name, verdict->worst, remedy, "%s", list->str);
  if (verdict->good)
    g_string_free (verdict->good, TRUE);
  if (verdict->bad)
    g_string_free (verdict->bad, TRUE);
  memset (verdict, 0, sizeof *verdict);
}

gboolean
pvt_doctor_read (const PvtDoctor *doctor, char *text, gsize size, const char *format, ...)
{
  char path[512];
  va_list args;
  gint len;

  va_start (args, format);
  len = g_vsnprintf (path, sizeof path, format, args);
  va_end (args);
  *text = '\0';
  return len < (gint) sizeof path && pvt_read_at (doctor->root->fd, path, text, size) >= 0;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char **
pvt_doctor_names (const PvtDoctor *doctor, const char *directory)
{
  GPtrArray *names = g_ptr_array_new ();
  int fd = pvt_open_dir_at (doctor->root->fd, directory);
  DIR *stream = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *entry;

  while (stream && names->len < MAX_NAMES && (entry = readdir (stream)) != NULL)
    if (entry->d_name[0] != '.')
      g_ptr_array_add (names, g_strdup (entry->d_name));
  if (stream)
    closedir (stream);
  else if (fd >= 0)
    close (fd);
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

static guint
count_cpus (const PvtRoot *root)
{
  g_autoptr (GArray) cpus = pvt_cpus_read (root, NULL);
  guint n = 0;

  for (guint i = 0; cpus && i < cpus->len; i++)
    n += g_array_index (cpus, PvtCpu, i).online != FALSE;
  return n;
}

PvtCheckup *
pvt_doctor_run (const PvtRoot *root, const gint *cancelled)
{
  static void (*const kinds[]) (PvtDoctor *)
      = { pvt_doctor_machine, pvt_doctor_devices,    pvt_doctor_network,
          pvt_doctor_disks,   pvt_doctor_interrupts, pvt_doctor_boot };
  PvtCheckup *checkup = pvt_checkup_new ();
  PvtDoctor doctor = { root, cancelled, pvt_virtio_list (root), count_cpus (root),
                       g_ptr_array_new () };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (cancelled == NULL || g_atomic_int_get (cancelled) == 0)
      kinds[i](&doctor);
  checkup->checks = doctor.checks;
  for (guint i = 0; i < doctor.checks->len; i++)
    {
      PvtCheckState state = ((const PvtCheck *) doctor.checks->pdata[i])->state;

      if (state != PVT_CHECK_STATE_SKIP)
        checkup->worst = MAX (checkup->worst, state);
    }
  g_array_unref (doctor.virtio);
  return checkup;
}
