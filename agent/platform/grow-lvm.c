/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grow-lvm.h"

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not looked up: the agent's PATH is not asked what root may run. */
#define PROGRAM "/sbin/lvm"

/* Long enough for a group with many volumes; a lock that is held ends it. */
#define LIMIT_MS 60000
#define GRACE_MS 5000
#define MAX_OUTPUT 8192

/* Collects what it prints until it closes its output. What is too much is dropped. */
static gboolean
read_output (int fd, gint64 deadline, GString *output)
{
  char buf[1024];

  for (;;)
    {
      gint64 left = (deadline - g_get_monotonic_time ()) / 1000;
      struct pollfd wait = { .fd = fd, .events = POLLIN };
      gssize n;

      if (left <= 0)
        return FALSE;
      if (poll (&wait, 1, (int)MIN (left, 1000)) <= 0)
        continue;
      n = read (fd, buf, sizeof buf);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return TRUE;
      g_string_append_len (output, buf, MIN (n, (gssize)(MAX_OUTPUT - output->len)));
    }
}

/*
 * Asks a program that takes too long to end. It is never killed: while it has a
 * volume suspended it takes no signal, and without it nobody would resume the
 * volume.
 */
static gboolean
reap (pid_t pid, gboolean in_time, int *status)
{
  pid_t done = 0;

  if (in_time)
    {
      while ((done = waitpid (pid, status, 0)) < 0 && errno == EINTR)
        continue;
      return done == pid;
    }
  kill (pid, SIGTERM);
  for (guint waited = 0; waited < GRACE_MS && done != pid; waited += 50)
    {
      g_usleep (50 * 1000);
      done = waitpid (pid, status, WNOHANG);
    }
  return FALSE;
}

static gboolean
finish (pid_t pid, gboolean in_time, const char *what, const char *output, GError **error)
{
  int status = 0;

  in_time = reap (pid, in_time, &status);
  if (in_time && WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (!in_time)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "lvm %s did not end within %d s", what,
                 LIMIT_MS / 1000);
  else
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "lvm %s failed with status 0x%x: %s",
                 what, (guint)status, *output ? output : "it said nothing");
  return FALSE;
}

/* What it printed on both outputs, without blanks around; NULL with @error. */
static char *
run_lvm (const char *const *argv, GError **error)
{
  g_autoptr (GString) output = g_string_new (NULL);
  g_autofree char *text = NULL;
  gint64 deadline = g_get_monotonic_time () + LIMIT_MS * 1000;
  PvtChildSpec spec = { .argv = (char *const *)argv, .env = pvt_child_plain_env (), .in = -1 };
  gboolean started, in_time;
  int ends[2];
  pid_t pid;

  if (pipe2 (ends, O_CLOEXEC) < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (errno), "pipe: %s",
                   g_strerror (errno));
      return NULL;
    }
  spec.out = spec.err = ends[1];
  started = pvt_child_start (&spec, &pid, error);
  close (ends[1]);
  in_time = started && read_output (ends[0], deadline, output);
  close (ends[0]);
  if (!started)
    return NULL;
  text = g_utf8_make_valid (output->str, -1);
  g_strstrip (text);
  return finish (pid, in_time, argv[1], text, error) ? g_steal_pointer (&text) : NULL;
}

gboolean
pvt_lvm_parse (const char *text, PvtLvmPv *pv)
{
  guint64 *const numbers[]
      = { &pv->pv_size, &pv->device_size, &pv->pe_start, &pv->extent_size, &pv->vg_free };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      char *end;

      while (*text == ' ')
        text++;
      if (!g_ascii_isdigit (*text))
        return FALSE;
      *numbers[i] = g_ascii_strtoull (text, &end, 10);
      if (*numbers[i] > G_MAXINT64 || (*end != ' ' && *end != '\0' && *end != '\n'))
        return FALSE;
      text = end;
    }
  return pv->extent_size > 0;
}

gboolean
pvt_lvm_look (const char *node, PvtLvmPv *pv, GError **error)
{
  const char *const argv[] = { PROGRAM,        "pvs",
                               "--noheadings", "--nosuffix",
                               "--units",      "b",
                               "--separator",  " ",
                               "-o",           "pv_size,dev_size,pe_start,vg_extent_size,vg_free",
                               node,           NULL };
  g_autofree char *text = run_lvm (argv, error);

  /* Warnings may stand around the answer. */
  for (const char *line = text; line; line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL)
    if (pvt_lvm_parse (line, pv))
      return TRUE;
  if (text == NULL)
    return FALSE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "lvm pvs %s answered: %s", node, text);
  return FALSE;
}

guint64
pvt_lvm_pv_target (const PvtLvmPv *pv, guint64 device_size)
{
  guint64 extents = (device_size - MIN (pv->pe_start, device_size)) / pv->extent_size;

  return MAX (extents * pv->extent_size, pv->pv_size);
}

gboolean
pvt_lvm_grow_pv (const char *node, GError **error)
{
  const char *const argv[] = { PROGRAM, "pvresize", node, NULL };
  g_autofree char *text = run_lvm (argv, error);

  return text != NULL;
}

gboolean
pvt_lvm_grow_lv (const char *node, GError **error)
{
  const char *const argv[] = { PROGRAM, "lvextend", "-l", "+100%FREE", node, NULL };
  g_autofree char *text = run_lvm (argv, error);

  return text != NULL;
}
