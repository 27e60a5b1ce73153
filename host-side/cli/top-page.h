/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's shared page for top: looked at once an interval, on a thread, as one that is
 * torn takes some tens of milliseconds. */
#pragma once

#include "top-figures.h"

typedef struct _PvtTopPage PvtTopPage;

/*
 * In the default main context, after each look. @figures: an update of a page that is
 * alive; NULL without @why: nothing new, or the page was not yet seen to change; NULL with
 * @why: it is of no use now.
 */
typedef void (*PvtTopPageNews) (const PvtPageFigures *figures, const char *why, gpointer user_data);

/* Begins at once. */
PvtTopPage *pvt_top_page_new (const char *file, guint interval_ms, PvtTopPageNews news,
                              gpointer user_data);

/* No news come any more. Accepts NULL. */
void pvt_top_page_free (PvtTopPage *page);

/* Takes over what the page says. */
void pvt_top_take_page (PvtTopState *state, const PvtPageFigures *figures);
