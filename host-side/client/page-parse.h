/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of a shared page as figures. The guest wrote every byte of it. Pure. */
#pragma once

#include "pvt-page.h"

/*
 * How many of the bytes count, told by a page's beginning of @len bytes; and its
 * sequence, which is odd while it is being written. 0 with @error:
 * NOT_CONNECTED when nobody has written anything, UNSUPPORTED for another version,
 * PROTOCOL for what is no page.
 */
gsize pvt_page_parse_head (const guint8 *data, gsize len, guint32 *sequence, GError **error);

/* All of it, @len bytes; NULL with PROTOCOL for what breaks the layout. */
PvtPageFigures *pvt_page_parse (const guint8 *data, gsize len, GError **error);
