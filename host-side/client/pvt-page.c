/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * PvtPage:
 *
 * The figures of a guest out of memory that it shares with its host: the file behind
 * an ivshmem-plain device, which the guest's agent writes each period. The guest has
 * no part in reading it: no message is sent, no processor of it stops.
 *
 * All of the file is the guest's to write, at any time. It is copied, and what was
 * copied is checked; a copy that was written meanwhile is thrown away and taken again,
 * some times. The file is read, not mapped: one that becomes shorter is no signal.
 */
#include "pvt-page.h"

#include "page-parse.h"
#include "protocol/page/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An update takes microseconds, unless the guest's processor is taken away in its
 * middle. */
#define TRIES 40
#define PAUSE_US 1000

#define SIZE_MAX_BYTES (G_GUINT64_CONSTANT (1) << 30)

struct _PvtPage
{
  GObject parent;
  char *path;
  /* Of the figures that were there last, and since when. */
  guint64 updates, monotonic_ns;
  char *boot_id;
  gint64 since;
};

G_DEFINE_FINAL_TYPE (PvtPage, pvt_page, G_TYPE_OBJECT)

static void
pvt_page_finalize (GObject *object)
{
  PvtPage *page = PVT_PAGE (object);

  g_free (page->path);
  g_free (page->boot_id);
  G_OBJECT_CLASS (pvt_page_parent_class)->finalize (object);
}

static void
pvt_page_class_init (PvtPageClass *class)
{
  G_OBJECT_CLASS (class)->finalize = pvt_page_finalize;
}

static void
pvt_page_init (PvtPage *page G_GNUC_UNUSED)
{
}

/**
 * pvt_page_new:
 * @path: (type filename): the file of the memory, such as `/dev/shm/db1`
 *
 * Nothing is opened: that is for each reading, because a file may be made anew.
 *
 * Returns: (transfer full): a page
 */
PvtPage *
pvt_page_new (const char *path)
{
  PvtPage *page = g_object_new (PVT_TYPE_PAGE, NULL);

  page->path = g_strdup (path);
  return page;
}

static gboolean
fail (GError **error, PvtClientError code, const char *path, const char *why)
{
  g_set_error (error, PVT_CLIENT_ERROR, (gint) code, "%s: %s", path, why);
  return FALSE;
}

/* Not through a device or a pipe, which could keep us waiting. */
static int
open_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;

  if (fd < 0)
    fail (error, PVT_CLIENT_ERROR_NOT_CONNECTED, path, g_strerror (errno));
  else if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      close (fd);
      fail (error, PVT_CLIENT_ERROR_NOT_CONNECTED, path, "no regular file");
      fd = -1;
    }
  return fd;
}

static gssize
read_at (int fd, guint8 *data, gsize size, gsize offset)
{
  gsize done = 0;

  while (done < size)
    {
      gssize n = pread (fd, data + done, size - done, (off_t) (offset + done));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -errno;
      if (n == 0)
        break;
      done += (gsize) n;
    }
  return (gssize) done;
}

/* One try. FALSE without @error when the page was being written. */
static gboolean
copy_once (int fd, GByteArray *copy, GError **error)
{
  guint8 head[sizeof (PvtPageHeader)];
  guint32 before, within, after;
  gssize n = read_at (fd, head, sizeof head, 0);
  gsize used = pvt_page_parse_head (head, n > 0 ? (gsize) n : 0, &before, error);

  if (used == 0)
    return FALSE;
  if (before & 1)
    return FALSE;
  g_byte_array_set_size (copy, (guint) used);
  __atomic_thread_fence (__ATOMIC_ACQUIRE);
  n = read_at (fd, copy->data, used, 0);
  __atomic_thread_fence (__ATOMIC_ACQUIRE);
  if (n != (gssize) used)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                           "shared page: it says to be longer than its file");
      return FALSE;
    }
  if (read_at (fd, (guint8 *) &after, sizeof after, offsetof (PvtPageHeader, sequence)) != sizeof after)
    return FALSE;
  memcpy (&within, copy->data + offsetof (PvtPageHeader, sequence), sizeof within);
  return GUINT32_FROM_LE (after) == before && within == after;
}

static gboolean
copy_page (int fd, GByteArray *copy, guint *retries, GError **error)
{
  GError *failure = NULL;

  for (*retries = 0; *retries < TRIES; ++*retries)
    {
      /* What half an update says is no news: it is looked at again. */
      g_clear_error (&failure);
      if (copy_once (fd, copy, &failure))
        return TRUE;
      if (failure && !g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL))
        break;
      g_usleep (PAUSE_US);
    }
  if (failure)
    g_propagate_error (error, failure);
  else
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY,
                         "shared page: it was being written whenever it was looked at; "
                         "its writer may have died in the middle");
  return FALSE;
}

static void
tell_ages (PvtPage *page, PvtPageFigures *figures)
{
  gint64 now = g_get_monotonic_time ();
  /* Neither overflows: both are at most 2^63 ns. */
  gint64 then = (gint64) MIN (figures->realtime_ns, (guint64) G_MAXINT64) / 1000;

  if (page->boot_id == NULL || strcmp (page->boot_id, figures->boot_id) != 0
      || page->updates != figures->updates || page->monotonic_ns != figures->monotonic_ns)
    {
      g_free (page->boot_id);
      page->boot_id = g_strdup (figures->boot_id);
      page->updates = figures->updates;
      page->monotonic_ns = figures->monotonic_ns;
      page->since = now;
    }
  figures->unchanged_ms = (guint64) (now - page->since) / 1000;
  figures->clock_age_ms = (g_get_real_time () - then) / 1000;
}

/**
 * pvt_page_read:
 * @page: a page
 * @error: return location
 *
 * Reads the page once; the guest has no part in it. Takes microseconds, at most some
 * tens of milliseconds while the page is being written.
 *
 * Errors: %PVT_CLIENT_ERROR_NOT_CONNECTED there is no such file, or no agent has
 * written to it; %PVT_CLIENT_ERROR_BUSY it was being written all the time, or half
 * of an update is all that there is; %PVT_CLIENT_ERROR_PROTOCOL what it has breaks
 * the layout; %PVT_CLIENT_ERROR_UNSUPPORTED its layout is another one.
 *
 * Returns: (transfer full): what it has, or %NULL
 */
PvtPageFigures *
pvt_page_read (PvtPage *page, GError **error)
{
  g_autoptr (GByteArray) copy = g_byte_array_new ();
  PvtPageFigures *figures = NULL;
  int fd = open_file (page->path, error);
  guint retries;

  if (fd < 0)
    return NULL;
  if (copy_page (fd, copy, &retries, error))
    figures = pvt_page_parse (copy->data, copy->len, error);
  close (fd);
  if (figures == NULL)
    return NULL;
  figures->retries = retries;
  tell_ages (page, figures);
  return figures;
}

static gboolean
write_label (int fd, guint64 size)
{
  static const char magic[sizeof ((PvtPageHeader *) NULL)->magic] = PVT_PAGE_MAGIC;
  struct stat st;

  return fstat (fd, &st) == 0 && ((guint64) st.st_size >= size || ftruncate (fd, (off_t) size) == 0)
         && pwrite (fd, magic, sizeof magic, 0) == (gssize) sizeof magic;
}

/**
 * pvt_page_prepare:
 * @path: (type filename): the file, which may be there
 * @size: bytes that it is to have at least, a power of two of 4096 to 2^30
 * @error: return location
 *
 * Makes a file that QEMU may give a guest as `memory-backend-file` with `share=on`,
 * readable by its owner and group, and labels it: agents write to no memory that is not
 * labelled as theirs. A running guest keeps its figures.
 *
 * Returns: whether it is done
 */
gboolean
pvt_page_prepare (const char *path, guint64 size, GError **error)
{
  gboolean ok;
  int fd;

  if (size < PVT_PAGE_BYTES_MIN || size > SIZE_MAX_BYTES || (size & (size - 1)) != 0)
    return fail (error, PVT_CLIENT_ERROR_FAILED, path, "a page has a power of two of 4096 to 2^30 bytes");
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640);
  if (fd < 0)
    return fail (error, PVT_CLIENT_ERROR_NOT_CONNECTED, path, g_strerror (errno));
  ok = write_label (fd, size);
  if (!ok)
    fail (error, PVT_CLIENT_ERROR_FAILED, path, g_strerror (errno));
  close (fd);
  return ok;
}
