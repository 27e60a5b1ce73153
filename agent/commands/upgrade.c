/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's part of its own upgrade: it takes the package in, has it checked and
 * starts what outlives it. The work is that of agent/upgrade/upgrade-agent. */
#include "agent/core/call.h"
#include "agent/platform/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/var/lib/pvtools/upgrade"
#define DEBIAN_PACKAGE DIRECTORY "/new.deb" /* apt-get goes by the name's end */
#define RPM_PACKAGE DIRECTORY "/new.rpm"
#define ARCHIVE DIRECTORY "/new.tar.gz"
#define SIGNATURE DIRECTORY "/new.sig"
#define STATE_FILE "var/lib/pvtools/upgrade/state" /* below the root */
#define CONFIRMED "/run/pvtools/upgrade-confirmed"
#define UNIT "pvtools-upgrade"
#define RESUMPTION "/etc/systemd/system/" UNIT "-resume.service"
#define CHECK_MS 90000
#define START_MS 20000
#define CONFIRM_S 60

static const char *const names[]
    = { "none",         "checked", "keeping",       "installing",  "waiting",
        "rolling-back", "done",    "reboot-needed", "rolled-back", "failed" };

/* The directory is root's alone: between check and use nobody changes a file. */
static gboolean
store (const char *path, GBytes *bytes, GError **error)
{
  gsize len, done = 0;
  const char *data = g_bytes_get_data (bytes, &len);
  int fd;
  gboolean ok;

  unlink (path);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return pvt_errno_fail (error, "make", path);
  while (done < len)
    {
      gssize n = write (fd, data + done, len - done);

      if (n < 0 && errno != EINTR)
        break;
      done += n > 0 ? (gsize) n : 0;
    }
  ok = done == len && fsync (fd) == 0;
  if (!ok)
    pvt_errno_fail (error, "write", path);
  close (fd);
  return ok;
}

static gboolean
make_directory (GError **error)
{
  struct stat st;

  if (mkdir ("/var/lib/pvtools", 0755) < 0 && errno != EEXIST)
    return pvt_errno_fail (error, "make", "/var/lib/pvtools");
  if (mkdir (DIRECTORY, 0700) < 0 && errno != EEXIST)
    return pvt_errno_fail (error, "make", DIRECTORY);
  if (lstat (DIRECTORY, &st) < 0 || !S_ISDIR (st.st_mode) || st.st_uid != geteuid () || (st.st_mode & 077) != 0)
    return pvt_call_fail (error, DIRECTORY " is not root's alone");
  return TRUE;
}

static gboolean
begins_with (GBytes *bytes, const char *magic)
{
  gsize len;
  const char *data = g_bytes_get_data (bytes, &len);

  return len >= strlen (magic) && memcmp (data, magic, strlen (magic)) == 0;
}

/* An ar archive is a Debian package, and rpm's lead has a number of its own; what anything
 * else is, the script finds out. */
static const char *
place_of (GBytes *package)
{
  if (begins_with (package, "!<arch>\n"))
    return DEBIAN_PACKAGE;
  return begins_with (package, "\xed\xab\xee\xdb") ? RPM_PACKAGE : ARCHIVE;
}

static void
remove_package (void)
{
  unlink (DEBIAN_PACKAGE);
  unlink (RPM_PACKAGE);
  unlink (ARCHIVE);
  unlink (SIGNATURE);
}

/* Output of a program that must succeed; what it says is the error's text. */
static gboolean
run (PvtCall *call, char *const *argv, guint timeout_ms, PvtChildOutcome *outcome, GError **error)
{
  const PvtChildSpec spec = { .argv = argv, .env = pvt_child_plain_env (), .in = -1, .out = -1, .err = -1 };

  if (!pvt_child_run (&spec, NULL, 0, timeout_ms, call->cancelled, outcome, error))
    return FALSE;
  g_strchomp (outcome->output);
  if (pvt_child_succeeded (outcome))
    return TRUE;
  if (outcome->timed_out || *outcome->output == '\0')
    {
      g_autofree char *how = pvt_child_describe (outcome, timeout_ms);

      return pvt_call_fail (error, "%s %s", argv[0], how);
    }
  return pvt_call_fail (error, "refused: %s", outcome->output);
}

static gboolean
start (PvtCall *call, const char *program, const char *package, guint seconds, GError **error)
{
  g_autofree char *patience = g_strdup_printf ("%u", seconds);
  char *const argv[] = { (char *) "systemd-run", (char *) "--quiet", (char *) "--collect", (char *) "--no-block",
                         (char *) "--unit=" UNIT, (char *) "--description=Upgrade of pvtools-agent",
                         (char *) program, (char *) "apply", (char *) package, patience, NULL };
  PvtChildOutcome outcome;

  return run (call, argv, START_MS, &outcome, error);
}

/* Two at a time would overwrite each other's package. */
static GMutex at_work;

/* In its unit, or since a boot on the way in the one that was left for that. */
static gboolean
is_under_way (void)
{
  return access ("/run/systemd/transient/" UNIT ".service", F_OK) == 0 || access (RESUMPTION, F_OK) == 0;
}

static gboolean
begin (PvtCall *call, const PvtUpgradeArgs *args, PvtUpgrade *result, GError **error)
{
  gboolean only = args->has_check_only && args->check_only;
  g_autofree char *program = pvt_child_helper ("upgrade-agent");
  const char *package = place_of (args->package);
  char *const argv[] = { program, (char *) "check", (char *) package, (char *) SIGNATURE, NULL };
  PvtChildOutcome outcome;
  char *blank;

  if (is_under_way ())
    return pvt_call_fail (error, "an upgrade is under way");
  if (program == NULL || access (program, X_OK) != 0)
    return pvt_call_fail (error, "this agent came without what upgrades it: the guest's package manager does that");
  if (!make_directory (error) || !store (package, args->package, error)
      || !store (SIGNATURE, args->signature, error) || !run (call, argv, CHECK_MS, &outcome, error))
    return FALSE;
  blank = strchr (outcome.output, ' ');
  result->from = blank ? g_strndup (outcome.output, (gsize) (blank - outcome.output)) : g_strdup ("");
  result->to = g_strdup (blank ? blank + 1 : "");
  result->state = only ? PVT_UPGRADE_STATE_CHECKED : PVT_UPGRADE_STATE_INSTALLING;
  result->why = g_strdup (only ? "the package is good" : "begun");
  if (only)
    return TRUE;
  unlink ("/" STATE_FILE);
  return !pvt_call_cancelled (call)
             ? start (call, program, package, args->has_confirm_s ? args->confirm_s : CONFIRM_S, error)
             : pvt_call_fail (error, "the request was given up");
}

gboolean
pvt_handle_upgrade (PvtCall *call, const PvtUpgradeArgs *args, PvtUpgrade **result, GError **error)
{
  gboolean ok;

  if (!g_mutex_trylock (&at_work))
    return pvt_call_fail (error, "another package is being checked");
  *result = pvt_upgrade_new ();
  ok = begin (call, args, *result, error);
  if (!ok || (args->has_check_only && args->check_only))
    remove_package ();
  g_mutex_unlock (&at_work);
  return ok;
}

/* A line "KEY VALUE" of the state; the caller frees. */
static char *
value_of (const char *text, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", 8);
  gsize len = strlen (key);

  for (guint i = 0; lines[i]; i++)
    if (strncmp (lines[i], key, len) == 0 && lines[i][len] == ' ')
      return g_strdup (lines[i] + len + 1);
  return g_strdup ("");
}

/* Whoever is asked speaks with the host: that is what the upgrade waits for. */
static void
confirm (void)
{
  int fd = open (CONFIRMED, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd >= 0)
    close (fd);
}

gboolean
pvt_handle_get_upgrade (PvtCall *call, PvtUpgrade **result, GError **error G_GNUC_UNUSED)
{
  char text[2048];
  gboolean there = pvt_read_at (pvt_call_root (call)->fd, STATE_FILE, text, sizeof text) > 0;
  g_autofree char *name = value_of (there ? text : "", "state");
  PvtUpgrade *upgrade = pvt_upgrade_new ();

  upgrade->from = value_of (there ? text : "", "from");
  upgrade->to = value_of (there ? text : "", "to");
  upgrade->why = value_of (there ? text : "", "why");
  upgrade->state = is_under_way () ? PVT_UPGRADE_STATE_INSTALLING : PVT_UPGRADE_STATE_NONE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i]) == 0)
      upgrade->state = (PvtUpgradeState) i;
  if (upgrade->state == PVT_UPGRADE_STATE_WAITING)
    confirm ();
  *result = upgrade;
  return TRUE;
}
