/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mailbox.h"

struct _PvtMailbox
{
  gint refs;
  GMainContext *context;
  gpointer owner; /* NULL: closed; touched by the context's thread alone */
};

typedef struct
{
  PvtMailbox *mailbox;
  PvtMailFunc func;
  gpointer mail;
  GDestroyNotify free_mail;
} Letter;

PvtMailbox *
pvt_mailbox_new (gpointer owner)
{
  PvtMailbox *mailbox = g_new0 (PvtMailbox, 1);

  mailbox->refs = 1;
  mailbox->context = g_main_context_ref_thread_default ();
  mailbox->owner = owner;
  return mailbox;
}

PvtMailbox *
pvt_mailbox_ref (PvtMailbox *mailbox)
{
  g_atomic_int_inc (&mailbox->refs);
  return mailbox;
}

void
pvt_mailbox_unref (PvtMailbox *mailbox)
{
  if (mailbox == NULL || !g_atomic_int_dec_and_test (&mailbox->refs))
    return;
  g_main_context_unref (mailbox->context);
  g_free (mailbox);
}

void
pvt_mailbox_close (PvtMailbox *mailbox)
{
  mailbox->owner = NULL;
}

static gboolean
deliver (gpointer data)
{
  Letter *letter = data;

  if (letter->mailbox->owner)
    letter->func (letter->mailbox->owner, letter->mail);
  return G_SOURCE_REMOVE;
}

static void
free_letter (gpointer data)
{
  Letter *letter = data;

  if (letter->free_mail)
    letter->free_mail (letter->mail);
  pvt_mailbox_unref (letter->mailbox);
  g_free (letter);
}

void
pvt_mailbox_post (PvtMailbox *mailbox, PvtMailFunc func, gpointer mail, GDestroyNotify free_mail)
{
  GSource *source = g_idle_source_new ();
  Letter *letter = g_new (Letter, 1);

  *letter = (Letter){ pvt_mailbox_ref (mailbox), func, mail, free_mail };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, deliver, letter, free_letter);
  g_source_attach (source, mailbox->context);
  g_source_unref (source);
}
