/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recorder.h"

#include "console.h"
#include "crash-store.h"
#include "pstore.h"

#define ASK_MS 5000

struct _PvtRecorder
{
  char *directory, *guest;
  PvtConsole *console;
  PvtRecorderNote note;
  PvtMailbox *mailbox;
  char *open; /* the crash that the guest has not come back from */
  gboolean rebooted;
};

/* One reading of a guest's pstore, in a thread of its own. */
typedef struct
{
  char *directory, *guest, *id, *channel;
  PvtRecorderNote note;
  PvtMailbox *mailbox;
} Reading;

typedef struct
{
  PvtRecorderNote note;
  char *text;
} Word;

static void
say (gpointer owner, gpointer data)
{
  const Word *word = data;

  word->note (owner, word->text);
}

static void
free_word (gpointer data)
{
  Word *word = data;

  g_free (word->text);
  g_free (word);
}

/* Takes the text over. */
static void
post (PvtMailbox *mailbox, PvtRecorderNote note, char *text)
{
  Word *word = g_new (Word, 1);

  *word = (Word){ note, text };
  pvt_mailbox_post (mailbox, say, word, free_word);
}

/* ---- pstore ---- */

static void
free_reading (gpointer data)
{
  Reading *reading = data;

  pvt_mailbox_unref (reading->mailbox);
  g_free (reading->directory);
  g_free (reading->guest);
  g_free (reading->id);
  g_free (reading->channel);
  g_free (reading);
}

static gboolean
collect (const Reading *reading, guint *n_new, GError **error)
{
  g_autoptr (PvtClient) client = pvt_client_connect (reading->channel, ASK_MS, NULL, error);
  g_autoptr (GPtrArray) files = NULL;

  if (client)
    files = pvt_pstore_collect (client, ASK_MS, error);
  return files && pvt_crash_add_pstore (reading->directory, reading->id, reading->guest, files, n_new, error);
}

static void
read_pstore (GTask *task, gpointer source G_GNUC_UNUSED, gpointer data,
             GCancellable *cancellable G_GNUC_UNUSED)
{
  const Reading *reading = data;
  g_autoptr (GError) error = NULL;
  guint n_new = 0;

  if (!collect (reading, &n_new, &error))
    post (reading->mailbox, reading->note, g_strdup_printf ("pstore was not read: %s", error->message));
  else if (n_new > 0)
    post (reading->mailbox, reading->note, g_strdup_printf ("kept %u files of its pstore", n_new));
  g_task_return_boolean (task, TRUE);
}

static void
begin_reading (PvtRecorder *recorder, const char *channel)
{
  GTask *task = g_task_new (NULL, NULL, NULL, NULL);
  Reading *reading = g_new (Reading, 1);

  *reading = (Reading){ g_strdup (recorder->directory), g_strdup (recorder->guest),
                        g_steal_pointer (&recorder->open), g_strdup (channel), recorder->note,
                        pvt_mailbox_ref (recorder->mailbox) };
  g_task_set_task_data (task, reading, free_reading);
  g_task_run_in_thread (task, read_pstore);
  g_object_unref (task);
}

/* ---- changes ---- */

static void
keep_crash (PvtRecorder *recorder, const PvtHealthChange *change)
{
  g_autoptr (GBytes) text = recorder->console ? pvt_console_tail (recorder->console) : NULL;
  g_autoptr (GError) error = NULL;

  if (recorder->open)
    return; /* a dump that took too long is the same crash */
  recorder->open = pvt_crash_add (recorder->directory, recorder->guest, pvt_health_state_name (change->to),
                                  change->cause, text, &error);
  post (recorder->mailbox, recorder->note,
        recorder->open ? g_strdup_printf ("kept as crash %s", recorder->open)
                       : g_strdup_printf ("the crash was not kept: %s", error->message));
}

void
pvt_recorder_take (PvtRecorder *recorder, const PvtHealthChange *change, const char *channel)
{
  switch (change->to)
    {
    case PVT_HEALTH_PANICKED:
    case PVT_HEALTH_DUMPING:
    case PVT_HEALTH_GUEST_HUNG:
      keep_crash (recorder, change);
      break;
    case PVT_HEALTH_REBOOTED:
      recorder->rebooted = TRUE;
      break;
    case PVT_HEALTH_OK:
      if (recorder->rebooted && channel)
        begin_reading (recorder, channel);
      recorder->rebooted = FALSE;
      g_clear_pointer (&recorder->open, g_free);
      break;
    case PVT_HEALTH_STARTING:
    case PVT_HEALTH_AGENT_LOST:
    case PVT_HEALTH_SHUT_DOWN:
    case PVT_HEALTH_PAUSED:
    case PVT_HEALTH_FROZEN:
    default:
      break;
    }
}

/* ---- life ---- */

PvtRecorder *
pvt_recorder_new (const char *directory, const char *guest, const char *console,
                  PvtRecorderNote note, PvtMailbox *mailbox, GError **error)
{
  PvtConsole *opened = NULL;
  PvtRecorder *recorder;

  if (console && (opened = pvt_console_new (console, error)) == NULL)
    return NULL;
  recorder = g_new0 (PvtRecorder, 1);
  recorder->directory = g_strdup (directory);
  recorder->guest = g_strdup (guest);
  recorder->console = opened;
  recorder->note = note;
  recorder->mailbox = pvt_mailbox_ref (mailbox);
  return recorder;
}

void
pvt_recorder_free (PvtRecorder *recorder)
{
  if (recorder == NULL)
    return;
  pvt_console_free (recorder->console);
  pvt_mailbox_unref (recorder->mailbox);
  g_free (recorder->directory);
  g_free (recorder->guest);
  g_free (recorder->open);
  g_free (recorder);
}
