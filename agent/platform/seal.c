/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seal.h"

#include "identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 32
#define MAX_FILES 200000

typedef enum
{
  REMOVE, /* a file or link */
  EMPTY,  /* a file: it stays with owner and mode, without content */
  CLEAR,  /* a directory: everything in it goes, the directory stays */
  LOGS,   /* a directory: old logs go, current ones are emptied */
} Action;

typedef struct
{
  Action action;
  const char *pattern; /* below the root; *, ? and [] within a component */
} Target;

#define MAX_TARGETS 8

static const struct
{
  const char *name, *about;
  Target targets[MAX_TARGETS];
} steps[] = {
  { "ssh-host-keys",
    "SSH keys of this host; a clone needs ssh-keygen -A (the hook ssh-host-keys) or cloud-init",
    { { REMOVE, "etc/ssh/ssh_host_*_key" },
      { REMOVE, "etc/ssh/ssh_host_*_key.pub" },
      { REMOVE, "etc/dropbear/dropbear_*_host_key" } } },
  { "leases",
    "leases of DHCP; asked for anew",
    { { REMOVE, "var/lib/dhcp/*.leases" },
      { REMOVE, "var/lib/dhclient/*.lease*" },
      { REMOVE, "var/lib/dhcpcd/*.lease*" },
      { REMOVE, "var/lib/NetworkManager/*.lease" },
      { REMOVE, "etc/udev/rules.d/70-persistent-net.rules" } } },
  { "seeds",
    "seeds of random numbers and of addresses; made anew",
    { { REMOVE, "var/lib/systemd/random-seed" },
      { REMOVE, "var/lib/systemd/credential.secret" },
      { REMOVE, "var/lib/NetworkManager/secret_key" },
      { REMOVE, "boot/efi/loader/random-seed" },
      { REMOVE, "boot/loader/random-seed" } } },
  { "cloud-init",
    "what cloud-init knows of this instance; it runs as on a first boot",
    { { REMOVE, "var/lib/cloud/instance" },
      { CLEAR, "var/lib/cloud/instances" },
      { CLEAR, "var/lib/cloud/data" },
      { CLEAR, "var/lib/cloud/sem" } } },
  { "histories",
    "what users have typed and seen",
    { { REMOVE, "root/.*_history" },
      { REMOVE, "root/.lesshst" },
      { REMOVE, "root/.viminfo" },
      { REMOVE, "home/*/.*_history" },
      { REMOVE, "home/*/.lesshst" },
      { REMOVE, "home/*/.viminfo" } } },
  { "crashes", "memory images of programs that crashed",
    { { CLEAR, "var/crash" }, { CLEAR, "var/lib/systemd/coredump" } } },
  { "logs", "logs and the journal; current files are emptied, older ones removed",
    { { CLEAR, "var/log/journal" }, { LOGS, "var/log" } } },
  { "machine-id", "the machine's ID; systemd makes one at the next boot",
    { { EMPTY, "etc/machine-id" }, { REMOVE, "var/lib/dbus/machine-id" } } },
  { "identity", "the agent's record of this machine; the next boot is a clone's, and hooks run", { { REMOVE, NULL } } },
};

guint
pvt_seal_count (void)
{
  return G_N_ELEMENTS (steps);
}

const char *
pvt_seal_name (guint number)
{
  return steps[number].name;
}

typedef struct
{
  PvtSealStep *step;
  const gint *cancelled;
  gboolean apply;
} Seal;

static gboolean
given_up (const Seal *seal)
{
  return (seal->cancelled && g_atomic_int_get (seal->cancelled) == 1) || seal->step->files >= MAX_FILES;
}

static void
blame (Seal *seal, const char *what, const char *path)
{
  if (seal->step->error == NULL && errno != ENOENT)
    seal->step->error = g_strdup_printf ("cannot %s /%s: %s", what, path, g_strerror (errno));
}

static void
count (Seal *seal, const char *path, const struct stat *st)
{
  seal->step->files++;
  seal->step->bytes += S_ISREG (st->st_mode) ? (guint64) st->st_size : 0;
  if (seal->step->paths->len < PVT_SEAL_MAX_PATHS)
    g_ptr_array_add (seal->step->paths, g_strconcat ("/", path, NULL));
}

static void
remove_file (Seal *seal, int dir, const char *name, const char *path, const struct stat *st)
{
  if (S_ISDIR (st->st_mode))
    return;
  if (seal->apply && unlinkat (dir, name, 0) < 0)
    blame (seal, "remove", path);
  else
    count (seal, path, st);
}

/* Whoever owns a directory of logs may have put a second name of another file there:
 * that name goes, and the file stays whole. */
static void
empty_file (Seal *seal, int dir, const char *name, const char *path, const struct stat *st)
{
  int fd;

  if (!S_ISREG (st->st_mode) || st->st_size == 0)
    return;
  if (st->st_nlink > 1)
    {
      remove_file (seal, dir, name, path, st);
      return;
    }
  if (seal->apply)
    {
      struct stat now;

      fd = openat (dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      if (fd < 0 || fstat (fd, &now) < 0 || now.st_ino != st->st_ino || now.st_nlink > 1
          || ftruncate (fd, 0) < 0)
        {
          blame (seal, "empty", path);
          if (fd >= 0)
            close (fd);
          return;
        }
      close (fd);
    }
  count (seal, path, st);
}

/* What logrotate and others leave: a number, a date or a compressor's name at the end. */
static gboolean
is_old_log (const char *name)
{
  static const char *const patterns[]
      = { "*.[0-9]", "*.[0-9][0-9]", "*.gz", "*.xz", "*.bz2", "*.zst", "*.old", "*-20[0-9][0-9][0-9][0-9][0-9][0-9]" };

  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    if (fnmatch (patterns[i], name, 0) == 0)
      return TRUE;
  return FALSE;
}

static void clear (Seal *seal, int fd, const char *path, Action action, guint depth, dev_t device);

static void
clear_entry (Seal *seal, int dir, const char *name, const char *path, Action action, guint depth, dev_t device)
{
  struct stat st;

  if (action == LOGS && depth == 0 && strcmp (name, "journal") == 0)
    return; /* a target of its own */
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    blame (seal, "look at", path);
  else if (S_ISDIR (st.st_mode) && st.st_dev == device && depth < MAX_DEPTH)
    {
      int fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

      if (fd < 0)
        blame (seal, "open", path);
      else
        clear (seal, fd, path, action, depth + 1, device);
      /* One that something else is still in stays. */
      if (seal->apply && action == CLEAR && unlinkat (dir, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
        blame (seal, "remove", path);
    }
  else if (action == CLEAR || is_old_log (name))
    remove_file (seal, dir, name, path, &st);
  else
    empty_file (seal, dir, name, path, &st);
}

/* Takes @fd. */
static void
clear (Seal *seal, int fd, const char *path, Action action, guint depth, dev_t device)
{
  DIR *stream = fdopendir (fd);
  struct dirent *entry;

  if (stream == NULL)
    {
      blame (seal, "read", path);
      close (fd);
      return;
    }
  while (!given_up (seal) && (entry = readdir (stream)) != NULL)
    {
      g_autofree char *below = g_strconcat (path, "/", entry->d_name, NULL);

      if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
        clear_entry (seal, dirfd (stream), entry->d_name, below, action, depth, device);
    }
  closedir (stream);
}

static void
act (Seal *seal, int dir, const char *name, const char *path, Action action)
{
  struct stat st;
  int fd;

  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return;
  if (action == REMOVE)
    remove_file (seal, dir, name, path, &st);
  else if (action == EMPTY)
    empty_file (seal, dir, name, path, &st);
  else if (S_ISDIR (st.st_mode))
    {
      fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd >= 0)
        clear (seal, fd, path, action, 0, st.st_dev);
      else
        blame (seal, "open", path);
    }
}

static void walk (Seal *seal, int dir, const char *path, const char *pattern, Action action);

static void
step_into (Seal *seal, int dir, const char *name, const char *path, const char *rest, Action action)
{
  int fd;

  if (*rest == '\0')
    {
      act (seal, dir, name, path, action);
      return;
    }
  fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return;
  walk (seal, fd, path, rest, action);
  close (fd);
}

/* Follows a pattern from @dir, component by component. */
static void
walk (Seal *seal, int dir, const char *path, const char *pattern, Action action)
{
  const char *slash = strchr (pattern, '/'), *rest = slash ? slash + 1 : "";
  g_autofree char *component = slash ? g_strndup (pattern, (gsize) (slash - pattern)) : g_strdup (pattern);
  int copy = strpbrk (component, "*?[") ? openat (dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  DIR *stream = copy < 0 ? NULL : fdopendir (copy);
  struct dirent *entry;

  if (strpbrk (component, "*?[") == NULL)
    {
      g_autofree char *below = g_strconcat (path, *path ? "/" : "", component, NULL);

      step_into (seal, dir, component, below, rest, action);
    }
  while (stream && !given_up (seal) && (entry = readdir (stream)) != NULL)
    {
      g_autofree char *below = g_strconcat (path, "/", entry->d_name, NULL);

      if (fnmatch (component, entry->d_name, FNM_PERIOD) == 0)
        step_into (seal, dir, entry->d_name, below, rest, action);
    }
  if (stream)
    closedir (stream);
}

/* The step that has no files of the system's. */
static void
seal_identity (const PvtRoot *root, gboolean apply, PvtSealStep *step)
{
  g_autoptr (GError) error = NULL;

  step->files = 1;
  g_ptr_array_add (step->paths, g_strdup ("/" PVT_IDENTITY_FILE));
  if (apply && !pvt_identity_seal (root, &error))
    step->error = g_strdup (error->message);
}

void
pvt_seal_run (const PvtRoot *root, guint number, gboolean apply, const gint *cancelled, PvtSealStep *step)
{
  Seal seal = { step, cancelled, apply };

  *step = (PvtSealStep){ .name = steps[number].name, .about = steps[number].about,
                         .paths = g_ptr_array_new_with_free_func (g_free) };
  if (steps[number].targets[0].pattern == NULL)
    {
      if (!given_up (&seal))
        seal_identity (root, apply, step);
      return;
    }
  for (guint i = 0; i < MAX_TARGETS && steps[number].targets[i].pattern && !given_up (&seal); i++)
    walk (&seal, root->fd, "", steps[number].targets[i].pattern, steps[number].targets[i].action);
  if (apply)
    syncfs (root->fd);
}

void
pvt_seal_step_clear (PvtSealStep *step)
{
  g_clear_pointer (&step->paths, g_ptr_array_unref);
  g_clear_pointer (&step->error, g_free);
}
