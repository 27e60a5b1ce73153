/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads find out is told to one main context, and to nobody once its
 * owner has closed it. */
#pragma once

#include <glib.h>

typedef struct _PvtMailbox PvtMailbox;

typedef void (*PvtMailFunc) (gpointer owner, gpointer mail);

/* Of the caller's thread-default context. */
PvtMailbox *pvt_mailbox_new (gpointer owner);
PvtMailbox *pvt_mailbox_ref (PvtMailbox *mailbox);
void pvt_mailbox_unref (PvtMailbox *mailbox);

/* From the context's thread: nothing is delivered any more. */
void pvt_mailbox_close (PvtMailbox *mailbox);

/* From any thread: @func will be called with @mail in the context's thread, in
 * the order of posting; then @mail is freed. */
void pvt_mailbox_post (PvtMailbox *mailbox, PvtMailFunc func, gpointer mail,
                       GDestroyNotify free_mail);
