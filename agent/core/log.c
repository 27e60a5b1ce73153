/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE 1024

/* What is kept while the log is held. */
#define HELD_SIZE (64 * 1024)

/* Nobody who reads it may hold the agent up: not a journal that hangs, nor a console
 * that was stopped. */
static int log_fd = STDERR_FILENO;
static gboolean log_is_socket;
static guint unwritten; /* lines that were not taken; under held.lock */
static PvtLogLevel max_level = PVT_LOG_INFO;
static gboolean to_journal;

static struct
{
  GMutex lock;
  gboolean on;
  gsize len;
  guint lost;
  char text[HELD_SIZE];
} held;

void
pvt_log_never_wait (void)
{
  struct stat st = { 0 };
  int fd;

  if (log_fd != STDERR_FILENO || fstat (STDERR_FILENO, &st) < 0)
    return;
  /* The flags of a description are those of all who share it: one of our own. It is
   * not to be had of a socket, which is told with each call. */
  log_is_socket = S_ISSOCK (st.st_mode);
  fd = S_ISFIFO (st.st_mode) || S_ISCHR (st.st_mode)
           ? open ("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
           : -1;
  if (fd >= 0)
    log_fd = fd;
}

gboolean
pvt_log_init (const char *logfile, gboolean verbose, GError **error)
{
  int fd;

  max_level = verbose ? PVT_LOG_DEBUG : PVT_LOG_INFO;
  to_journal = logfile == NULL && g_getenv ("JOURNAL_STREAM") != NULL;
  if (logfile == NULL)
    return TRUE;
  fd = open (logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  if (fd < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                   "cannot write the log %s: %s", logfile, g_strerror (errno));
      return FALSE;
    }
  log_fd = fd;
  return TRUE;
}

gboolean
pvt_log_enabled (PvtLogLevel level)
{
  return level <= max_level;
}

static int
put_prefix (char *line, gsize size, PvtLogLevel level)
{
  struct timespec now;
  struct tm tm;

  if (to_journal)
    return g_snprintf (line, size, "<%d>", level);
  clock_gettime (CLOCK_REALTIME, &now);
  gmtime_r (&now.tv_sec, &tm);
  return g_snprintf (line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     now.tv_nsec / 1000000);
}

static gboolean
write_out (const char *text, gsize len)
{
  gssize n = log_is_socket ? send (log_fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                           : write (log_fd, text, len);

  return n == (gssize) len;
}

/* What was lost before is told once something can be written again. */
static void
write_line (const char *line, gsize len)
{
  char text[120];
  gsize n;

  if (unwritten)
    {
      n = (gsize) put_prefix (text, sizeof text, PVT_LOG_WARNING);
      n += (gsize) g_snprintf (text + n, sizeof text - n, "%u lines of the log were not taken\n", unwritten);
      if (write_out (text, n))
        unwritten = 0;
    }
  unwritten += unwritten || !write_out (line, len);
}

static void
write_lines (const char *text, gsize len)
{
  for (const char *end = text + len, *next; text < end; text = next)
    {
      next = (const char *) memchr (text, '\n', (gsize) (end - text)) + 1;
      write_line (text, (gsize) (next - text));
    }
}

static void
put_line (const char *line, gsize len)
{
  g_mutex_lock (&held.lock);
  if (!held.on)
    write_line (line, len);
  else if (len > HELD_SIZE - held.len)
    held.lost++;
  else
    {
      memcpy (held.text + held.len, line, len);
      held.len += len;
    }
  g_mutex_unlock (&held.lock);
}

/* A control character of ISO 6429's second set in UTF-8, of which U+009B begins an order
 * to a terminal. The line has its end behind it. */
static gboolean
is_c1 (const char *p)
{
  return (guchar) p[0] == 0xc2 && (guchar) p[1] >= 0x80 && (guchar) p[1] < 0xa0;
}

void
pvt_log (PvtLogLevel level, const char *format, ...)
{
  char line[MAX_LINE];
  gsize len;
  va_list args;

  if (!pvt_log_enabled (level))
    return;
  len = (gsize) put_prefix (line, sizeof line, level);
  va_start (args, format);
  len += (gsize) g_vsnprintf (line + len, sizeof line - len, format, args);
  va_end (args);
  len = MIN (len, sizeof line - 2);
  /* What a client sent may be in here: one event is one line. */
  for (gsize i = 0; i < len; i++)
    if (is_c1 (line + i))
      line[i] = line[i + 1] = '?';
    else if ((guchar) line[i] < 0x20 || line[i] == 0x7f)
      line[i] = '?';
  line[len++] = '\n';
  put_line (line, len);
}

void
pvt_log_hold (void)
{
  g_mutex_lock (&held.lock);
  held.on = TRUE;
  g_mutex_unlock (&held.lock);
}

void
pvt_log_release (void)
{
  guint lost;

  g_mutex_lock (&held.lock);
  held.on = FALSE;
  write_lines (held.text, held.len);
  lost = held.lost;
  held.len = held.lost = 0;
  g_mutex_unlock (&held.lock);
  if (lost)
    pvt_log (PVT_LOG_WARNING, "%u lines of the log were lost while it was held", lost);
}
