/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pages.h"

/*
 * Asks all guests that are discovered and writes their figures to @path. The
 * file is whole at any time: it is written under another name and renamed, and
 * that name does not end in .prom, so that node_exporter passes it over. A guest
 * that is down is no error.
 */
gboolean pvt_textfile_write (PvtExporter *exporter, const char *path, int timeout_ms,
                             GError **error);
