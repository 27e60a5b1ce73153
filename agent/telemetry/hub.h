/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has subscribed to what. Sources of events run only while somebody wants
 * what they tell, files are open only while somebody wants figures of them, and
 * one timer serves all, the shared page (page.h) among them. Main loop only, but for
 * what says otherwise.
 */
#pragma once

#include "subscription.h"

/* The stream's side of a subscriber. */
extern const PvtStreamFeed pvt_hub_feed;

/* TRUE when somebody wants to hear of it. Any thread. */
gboolean pvt_hub_wants (PvtEventKind kind);

/* Tells all who want it; @object is of the event's type, borrowed. They hear it
 * with the next pvt_hub_flush(), which whoever has come from the main loop calls
 * last. */
void pvt_hub_publish (PvtEventKind kind, const PvtType *type, gconstpointer object);
void pvt_hub_flush (void);

/* For each subscriber that wants @kind. */
typedef void (*PvtHubVisit) (PvtSubscriber *subscriber, gpointer data);
void pvt_hub_visit (PvtEventKind kind, PvtHubVisit visit, gpointer data);

/* The figures of filesystems have come. */
void pvt_hub_filesystems (const PvtSample *sample);

/* From now on, or no more, there is a shared page to be served. */
void pvt_hub_serve_page (gboolean on);
