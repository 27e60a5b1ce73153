/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group.h"

#include "host-side/client/channel-of-qemu.h"

#include <string.h>

/* A guest thaws this long after it was last heard of. */
#define LEASE_MS 10000

/* How often the lease is renewed: three chances in its time. */
#define RENEW_MS 3000

/* What a thaw may take: the guest's hooks run in it. */
#define THAW_MS 90000

/* A thaw whose channel broke is tried again: the guest must not be left to its
 * own deadline because its agent was just restarted. */
#define RETRIES 5
#define RETRY_PAUSE_US 500000

PvtGroup *
pvt_group_new (guint deadline_ms, gboolean require, int timeout_ms)
{
  PvtGroup *group = g_new0 (PvtGroup, 1);

  group->guests = g_ptr_array_new ();
  group->deadline_ms = deadline_ms;
  group->require = require;
  group->timeout_ms = timeout_ms;
  g_mutex_init (&group->lock);
  g_cond_init (&group->wake);
  return group;
}

void
pvt_group_add (PvtGroup *group, const char *address)
{
  PvtHeldGuest *guest = g_new0 (PvtHeldGuest, 1);

  guest->address = g_strdup (address);
  g_ptr_array_add (group->guests, guest);
}

static void
stop_renewing (PvtGroup *group)
{
  if (group->thread == NULL)
    return;
  g_mutex_lock (&group->lock);
  group->stop = TRUE;
  g_cond_signal (&group->wake);
  g_mutex_unlock (&group->lock);
  g_thread_join (g_steal_pointer (&group->thread));
}

void
pvt_group_free (PvtGroup *group)
{
  stop_renewing (group);
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      g_clear_object (&guest->client);
      g_free (guest->address);
      g_free (guest->channel);
      g_free (guest->trouble);
      g_free (guest);
    }
  g_ptr_array_unref (group->guests);
  g_mutex_clear (&group->lock);
  g_cond_clear (&group->wake);
  g_free (group);
}

/* The last word counts: what the guest says in the end explains what was seen. */
static void
note_trouble (PvtHeldGuest *guest, const char *text)
{
  g_free (guest->trouble);
  guest->trouble = g_strdup (text);
}

/* ---- freezing one guest ---- */

static gboolean
freeze_with_lease (const PvtGroup *group, PvtHeldGuest *guest, GError **error)
{
  PvtFreezeArgs args = { .has_deadline_ms = TRUE,
                         .deadline_ms = group->deadline_ms,
                         .has_lease_ms = TRUE,
                         .lease_ms = LEASE_MS,
                         .mountpoints = group->mountpoints };
  g_autoptr (PvtFreezeReport) report
      = pvt_client_freeze (guest->client, &args, (int) MIN (group->deadline_ms, G_MAXINT / 2) + group->timeout_ms,
                           NULL, error);

  if (report == NULL)
    return FALSE;
  guest->generation = report->generation;
  guest->frozen_at = report->frozen_at;
  for (guint i = 0; i < report->filesystems->len; i++)
    {
      const PvtFrozenFilesystem *fs = report->filesystems->pdata[i];

      guest->n_filesystems += fs->skipped == NULL;
    }
  return TRUE;
}

/* qemu-ga's way: whoever froze it before us must not have it thawed by us. */
static gboolean
freeze_without_lease (const PvtGroup *group, PvtHeldGuest *guest, GError **error)
{
  PvtGuestFsfreezeFreezeListArgs args = { .mountpoints = group->mountpoints };
  int patience = (int) MIN (group->deadline_ms, G_MAXINT / 2) + group->timeout_ms;
  PvtGuestFsfreezeStatus status;
  gint64 n;

  if (!pvt_client_guest_fsfreeze_status (guest->client, &status, -1, NULL, error))
    return FALSE;
  if (status == PVT_GUEST_FSFREEZE_STATUS_FROZEN)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
                           "it is frozen already, by somebody else");
      return FALSE;
    }
  if (!(group->mountpoints
            ? pvt_client_guest_fsfreeze_freeze_list (guest->client, &args, &n, patience, NULL, error)
            : pvt_client_guest_fsfreeze_freeze (guest->client, &n, patience, NULL, error)))
    return FALSE;
  guest->n_filesystems = (guint) CLAMP (n, 0, G_MAXINT);
  return TRUE;
}

/* A monitor serves one client and may be needed for the snapshot: the channel
 * is looked up once, and opened again without it. */
static gboolean
find_channel (const PvtGroup *group, PvtHeldGuest *guest, GError **error)
{
  g_autofree char *path = NULL;

  if (guest->channel)
    return TRUE;
  if (!g_str_has_prefix (guest->address, "qemu:"))
    {
      guest->channel = g_strdup (guest->address);
      return TRUE;
    }
  path = pvt_channel_of_qemu (guest->address + strlen ("qemu:"), PVT_AGENT_PORT,
                              group->timeout_ms, NULL, error);
  if (path)
    guest->channel = g_strconcat ("unix:", path, NULL);
  return path != NULL;
}

gboolean
pvt_group_find_channels (PvtGroup *group, GError **error)
{
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      if (!find_channel (group, guest, error))
        {
          g_prefix_error (error, "%s: ", guest->address);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
freeze_guest (const PvtGroup *group, PvtHeldGuest *guest, GError **error)
{
  GError *failure = NULL;
  gboolean ok;

  if (!find_channel (group, guest, error))
    return FALSE;
  guest->client = pvt_client_connect (guest->channel, group->timeout_ms, NULL, error);
  if (guest->client == NULL)
    return FALSE;
  pvt_client_set_timeout (guest->client, group->timeout_ms);
  guest->leases = pvt_client_has_command (guest->client, "pvt-freeze", -1, NULL, &failure);
  if (failure)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  ok = guest->leases ? freeze_with_lease (group, guest, &failure)
                     : freeze_without_lease (group, guest, &failure);
  /* The thread that renews looks at it. */
  g_atomic_int_set (&guest->frozen, ok && guest->n_filesystems > 0);
  if (guest->frozen)
    return TRUE;
  if (ok)
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
                         "it has no filesystem that can be frozen");
  else
    {
      /* The answer may be lost and the freeze not. */
      guest->doubtful = failure->domain != PVT_AGENT_ERROR
                        && !g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT);
      g_propagate_error (error, failure);
    }
  return FALSE;
}

/* ---- the lease ---- */

/* What is left of the longest time; 0: not to be renewed any more. */
static guint
lease_left (gint64 end)
{
  gint64 left = (end - g_get_monotonic_time ()) / 1000;

  return (guint) CLAMP (left, 0, LEASE_MS);
}

static void
renew_guest (PvtHeldGuest *guest, guint left)
{
  PvtRenewFreezeArgs args = { .generation = guest->generation, .deadline_ms = MAX (left, 1000) };
  gint64 n;

  /* What becomes of it is seen at the look after the snapshots. */
  if (guest->leases && left > 0)
    pvt_client_renew_freeze (guest->client, &args, RENEW_MS, NULL, NULL);
  else if (!guest->leases && left == 0 && !guest->let_go)
    guest->let_go = pvt_client_guest_fsfreeze_thaw (guest->client, &n, RENEW_MS, NULL, NULL);
}

static void
renew (PvtGroup *group, gint64 end)
{
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      if (g_atomic_int_get (&guest->frozen))
        renew_guest (guest, lease_left (end));
    }
}

static gpointer
renew_until_stopped (gpointer data)
{
  PvtGroup *group = data;
  gint64 end = g_get_monotonic_time () + (gint64) group->deadline_ms * 1000;

  g_mutex_lock (&group->lock);
  while (!group->stop)
    {
      gint64 next = g_get_monotonic_time () + RENEW_MS * 1000;

      g_mutex_unlock (&group->lock);
      renew (group, end);
      g_mutex_lock (&group->lock);
      while (!group->stop && g_cond_wait_until (&group->wake, &group->lock, next))
        ;
    }
  g_mutex_unlock (&group->lock);
  return NULL;
}

/* ---- all of them ---- */

gboolean
pvt_group_freeze (PvtGroup *group, const volatile gint *interrupted, GError **error)
{
  /* The first one's lease must not run out while the last one's hooks run. */
  group->thread = g_thread_new ("renew", renew_until_stopped, group);
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];
      g_autoptr (GError) failure = NULL;

      if (*interrupted)
        g_set_error_literal (&failure, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted");
      else if (freeze_guest (group, guest, &failure))
        continue;
      note_trouble (guest, failure->message);
      if (!group->require && !*interrupted)
        continue;
      pvt_group_thaw (group);
      g_propagate_prefixed_error (error, g_steal_pointer (&failure), "%s: ", guest->address);
      return FALSE;
    }
  return TRUE;
}

static gboolean
look (PvtHeldGuest *guest, gint64 *boottime)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtFreezeState) state = NULL;
  PvtGuestFsfreezeStatus status = PVT_GUEST_FSFREEZE_STATUS_THAWED;

  if (!guest->leases)
    {
      pvt_client_guest_fsfreeze_status (guest->client, &status, -1, NULL, &error);
      if (error)
        note_trouble (guest, error->message);
      return status == PVT_GUEST_FSFREEZE_STATUS_FROZEN;
    }
  state = pvt_client_get_freeze (guest->client, -1, NULL, &error);
  if (state == NULL)
    {
      note_trouble (guest, error->message);
      return FALSE;
    }
  *boottime = state->boottime;
  return state->phase == PVT_FREEZE_PHASE_FROZEN && state->generation == guest->generation;
}

void
pvt_group_look_before (PvtGroup *group)
{
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      if (guest->frozen && !look (guest, &guest->before))
        guest->held = PVT_HELD_LOST;
    }
}

void
pvt_group_look_after (PvtGroup *group)
{
  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      if (guest->frozen && !look (guest, &guest->after))
        guest->held = PVT_HELD_LOST;
    }
}

/* A channel that broke says nothing about the guest: it is opened once more. */
static gboolean
reconnect (const PvtGroup *group, PvtHeldGuest *guest)
{
  PvtClient *client = pvt_client_connect (guest->channel, group->timeout_ms, NULL, NULL);

  if (client == NULL)
    return FALSE;
  pvt_client_set_timeout (client, group->timeout_ms);
  g_object_unref (guest->client);
  guest->client = client;
  return TRUE;
}

/* An error reply means that it is thawed all the same, but was so too early. */
static void
thaw_with_lease (PvtHeldGuest *guest)
{
  PvtThawArgs args = { .has_generation = guest->generation != 0, .generation = guest->generation };
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtThawReport) report = pvt_client_thaw (guest->client, &args, THAW_MS, NULL, &error);

  if (report)
    {
      guest->thaw_began = report->thaw_began;
      return;
    }
  note_trouble (guest, error->message);
  guest->stuck = error->domain != PVT_AGENT_ERROR;
  guest->held = guest->frozen ? PVT_HELD_LOST : guest->held;
}

static void
thaw_without_lease (PvtHeldGuest *guest)
{
  g_autoptr (GError) error = NULL;
  gint64 n;

  if (pvt_client_guest_fsfreeze_thaw (guest->client, &n, THAW_MS, NULL, &error))
    return;
  note_trouble (guest, error->message);
  guest->stuck = TRUE;
  guest->held = guest->frozen ? PVT_HELD_LOST : guest->held;
}

static void
thaw_guest (const PvtGroup *group, PvtHeldGuest *guest)
{
  void (*thaw) (PvtHeldGuest *) = guest->leases ? thaw_with_lease : thaw_without_lease;

  thaw (guest);
  for (guint i = 0; guest->stuck && i < RETRIES; i++)
    {
      g_usleep (RETRY_PAUSE_US);
      if (!reconnect (group, guest))
        continue;
      guest->stuck = FALSE;
      thaw (guest);
    }
}

/* Frozen before the first look, thawed after the last one: what lies between
 * those lies in the freeze. */
static void
settle (PvtHeldGuest *guest)
{
  if (guest->let_go)
    {
      guest->held = PVT_HELD_LOST;
      note_trouble (guest, "its deadline has passed: it was thawed before the end");
    }
  if (!guest->frozen || guest->held != PVT_HELD_NOT)
    return;
  if (!guest->leases)
    guest->held = PVT_HELD_UNPROVEN;
  else if (guest->frozen_at <= guest->before && guest->before <= guest->after
           && guest->after <= guest->thaw_began)
    guest->held = PVT_HELD_PROVEN;
  else
    guest->held = PVT_HELD_LOST;
}

typedef struct
{
  const PvtGroup *group;
  PvtHeldGuest *guest;
  GThread *thread;
} Thaw;

static gpointer
thaw_and_settle (gpointer data)
{
  const Thaw *thaw = data;

  thaw_guest (thaw->group, thaw->guest);
  settle (thaw->guest);
  thaw->guest->frozen = thaw->guest->doubtful = FALSE;
  return NULL;
}

void
pvt_group_thaw (PvtGroup *group)
{
  g_autofree Thaw *thaws = g_new0 (Thaw, group->guests->len);

  stop_renewing (group);
  for (guint i = group->guests->len; i-- > 0;)
    {
      PvtHeldGuest *guest = group->guests->pdata[i];

      thaws[i] = (Thaw){ group, guest, NULL };
      if (guest->frozen || guest->doubtful)
        thaws[i].thread = g_thread_new ("thaw", thaw_and_settle, &thaws[i]);
    }
  for (guint i = 0; i < group->guests->len; i++)
    if (thaws[i].thread)
      g_thread_join (thaws[i].thread);
}

PvtHeld
pvt_group_held (const PvtGroup *group)
{
  PvtHeld worst = PVT_HELD_PROVEN;

  for (guint i = 0; i < group->guests->len; i++)
    {
      PvtHeld held = ((const PvtHeldGuest *) group->guests->pdata[i])->held;

      if (held == PVT_HELD_LOST || held == PVT_HELD_NOT)
        worst = worst == PVT_HELD_LOST ? worst : held;
      else if (worst == PVT_HELD_PROVEN)
        worst = held;
    }
  return worst;
}

const char *
pvt_held_text (PvtHeld held)
{
  static const char *const texts[] = {
    [PVT_HELD_NOT] = "not frozen",
    [PVT_HELD_PROVEN] = "consistent",
    [PVT_HELD_UNPROVEN] = "frozen, unproven",
    [PVT_HELD_LOST] = "not consistent",
  };

  return texts[held];
}
