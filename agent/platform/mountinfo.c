/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountinfo.h"

#include "bounds.h"
#include "proc-file.h"
#include "text.h"

#include <poll.h>
#include <string.h>

#define MOUNTINFO "proc/self/mountinfo"
#define KEPT_MAX (64 * 1024) /* bytes of it: whoever has more mounts than that pays for them each time */

GPtrArray *
pvt_mounts_new (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

static gboolean
is_octal (char c)
{
  return c >= '0' && c <= '7';
}

/* Undoes the kernel's \040 for blanks, newlines and backslashes. @room: as long as the
 * word and its NUL; what is left of it begins behind the text. */
static char *
unescape (PvtText word, char **room)
{
  char *text = *room, *out = text;

  for (const char *p = word.p; p < word.end; p++)
    if (*p == '\\' && word.end - p > 3 && p[1] <= '3' && is_octal (p[1]) && is_octal (p[2])
        && is_octal (p[3]))
      {
        *out++ = (char) ((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
        p += 3;
      }
    else
      *out++ = *p;
  *out++ = '\0';
  *room = out;
  return text;
}

static gboolean
parse_device (PvtText word, PvtMount *mount)
{
  const char *colon = memchr (word.p, ':', (gsize) (word.end - word.p));
  PvtText major, minor;
  guint64 a, b;

  if (colon == NULL)
    return FALSE;
  major = (PvtText){ word.p, colon };
  minor = (PvtText){ colon + 1, word.end };
  if (!pvt_text_u64 (&major, &a) || !pvt_text_u64 (&minor, &b) || a > G_MAXUINT || b > G_MAXUINT)
    return FALSE;
  mount->major = (guint) a;
  mount->minor = (guint) b;
  return TRUE;
}

/* "ro" among the comma-separated options. */
static gboolean
has_ro (PvtText options)
{
  const char *p = options.p;

  while (p < options.end)
    {
      const char *comma = memchr (p, ',', (gsize) (options.end - p));
      const char *end = comma ? comma : options.end;

      if (pvt_text_is ((PvtText){ p, end }, "ro"))
        return TRUE;
      p = end + 1;
    }
  return FALSE;
}

/* 36 35 98:0 /root /mountpoint rw,noatime master:1 - ext3 /dev/root rw */
static PvtMount *
parse_line (PvtText line)
{
  PvtText parent, device, root, mountpoint, options, word, type, source, super;
  PvtMount found = { 0 }, *mount;
  char *room;

  if (!pvt_text_u64 (&line, &found.id) || !pvt_text_word (&line, &parent)
      || !pvt_text_word (&line, &device) || !pvt_text_word (&line, &root)
      || !pvt_text_word (&line, &mountpoint) || !pvt_text_word (&line, &options)
      || !parse_device (device, &found))
    return NULL;
  do
    if (!pvt_text_word (&line, &word))
      return NULL;
  while (!pvt_text_is (word, "-"));
  if (!pvt_text_word (&line, &type))
    return NULL;
  /* The source may be empty: two blanks follow the type. */
  if (line.p + 1 < line.end && line.p[0] == ' ' && line.p[1] == ' ')
    source = (PvtText){ line.p, line.p };
  else if (!pvt_text_word (&line, &source))
    return NULL;
  if (!pvt_text_word (&line, &super))
    super = (PvtText){ line.end, line.end };
  found.super_read_only = has_ro (super);
  found.read_only = found.super_read_only || has_ro (options);
  /* The texts come behind it: the words are no longer than their line. */
  mount = g_malloc (sizeof found + (gsize) (super.p - root.p) + 4);
  room = (char *) (mount + 1);
  *mount = found;
  mount->root = unescape (root, &room);
  mount->mountpoint = unescape (mountpoint, &room);
  mount->type = unescape (type, &room);
  mount->source = unescape (source, &room);
  return mount;
}

void
pvt_mountinfo_parse (const char *text, gsize len, GPtrArray *mounts)
{
  PvtText rest = pvt_text (text, len), line;

  while (mounts->len < PVT_MAX_MOUNTS && pvt_text_line (&rest, &line))
    {
      PvtMount *mount = parse_line (line);

      if (mount)
        g_ptr_array_add (mounts, mount);
    }
}

static GPtrArray *
parse_all (const char *text, gsize len)
{
  GPtrArray *mounts = pvt_mounts_new ();

  pvt_mountinfo_parse (text, len, mounts);
  return mounts;
}

GPtrArray *
pvt_mountinfo_read (const PvtRoot *root, GError **error)
{
  gsize len;
  g_autofree char *text = pvt_root_read_alloc (root, MOUNTINFO, PVT_MAX_PROC_FILE, &len, error);

  return text ? parse_all (text, len) : NULL;
}

/* Asked once a change: the kernel remembers for each open file what it has told. */
static gboolean
have_changed (int fd)
{
  struct pollfd told = { fd, POLLPRI, 0 };

  return poll (&told, 1, 0) != 0;
}

/* Whether they have changed is asked first: what changes while they are read is told of by
 * the next call. */
static GPtrArray *
keep (PvtProcFile *file, const PvtRoot *root, GPtrArray **kept, GError **error)
{
  GPtrArray *mounts = NULL;

  if (*kept && !have_changed (file->fd))
    return g_ptr_array_ref (*kept);
  g_clear_pointer (kept, g_ptr_array_unref);
  if (pvt_proc_file_get (file, root, error))
    mounts = parse_all (file->text, file->len);
  if (mounts && file->len <= KEPT_MAX)
    *kept = g_ptr_array_ref (mounts);
  pvt_proc_file_forget (file);
  return mounts;
}

GPtrArray *
pvt_mountinfo_kept (const PvtRoot *root, GError **error)
{
  static GMutex lock;
  static PvtProcFile file = { .path = MOUNTINFO, .records = TRUE, .fd = -1 };
  static GPtrArray *kept;
  GPtrArray *mounts;

  if (root->fake) /* its file tells nobody */
    return pvt_mountinfo_read (root, error);
  g_mutex_lock (&lock);
  mounts = keep (&file, root, &kept, error);
  g_mutex_unlock (&lock);
  return mounts;
}

static gboolean
is_one_of (const char *type, const char *const *types)
{
  for (gsize i = 0; types[i]; i++)
    if (strcmp (type, types[i]) == 0)
      return TRUE;
  return FALSE;
}

gboolean
pvt_mount_is_remote (const PvtMount *mount)
{
  static const char *const types[]
      = { "nfs",    "nfs4",  "cifs",      "smb3", "smbfs",    "ceph",    "glusterfs", "9p", "afs",
          "lustre", "ncpfs", "fuse.sshfs", "gfs2", "ocfs2",    "virtiofs", "davfs",     "coda", NULL };

  return is_one_of (mount->type, types) || g_str_has_prefix (mount->type, "fuse");
}

static gboolean
is_local_type (const char *type)
{
  static const char *const types[]
      = { "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "exfat", "f2fs", "jfs", "reiserfs",
          "squashfs", "erofs", "iso9660", "udf", "ntfs3", "tmpfs", "ramfs", "zfs", NULL };

  return is_one_of (type, types);
}

/* TRUE when @path is below @mountpoint. */
static gboolean
is_below (const char *path, const char *mountpoint)
{
  gsize len = strlen (mountpoint);

  return strncmp (path, mountpoint, len) == 0 && path[len] == '/';
}

gboolean
pvt_mount_answers (const PvtMount *mount, GPtrArray *mounts)
{
  if (!is_local_type (mount->type))
    return FALSE;
  for (guint i = 0; i < mounts->len; i++)
    {
      const PvtMount *other = mounts->pdata[i];

      /* Another may also lie on the very same path. Most lie elsewhere: that first. */
      if ((is_below (mount->mountpoint, other->mountpoint)
           || strcmp (mount->mountpoint, other->mountpoint) == 0)
          && !is_local_type (other->type) && !pvt_mount_is_pseudo (other))
        return FALSE;
    }
  return TRUE;
}

gboolean
pvt_mount_is_pseudo (const PvtMount *mount)
{
  static const char *const types[]
      = { "proc",    "sysfs",   "devtmpfs", "devpts",     "cgroup",     "cgroup2", "tmpfs",
          "ramfs",   "mqueue",  "debugfs",  "tracefs",    "securityfs", "pstore",  "efivarfs",
          "bpf",     "configfs", "fusectl", "hugetlbfs",  "autofs",     "binfmt_misc", "nsfs",
          "rpc_pipefs", "selinuxfs", "rootfs", "fuse.gvfsd-fuse", "fuse.portal", "fuse.lxcfs", NULL };

  return is_one_of (mount->type, types);
}
