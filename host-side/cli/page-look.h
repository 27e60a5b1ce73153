/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's shared page looked at twice, so that what it counts becomes rates. */
#pragma once

#include "cli.h"

typedef struct
{
  PvtPageFigures *before; /* of an update before; NULL when there was none meanwhile */
  PvtPageFigures *now;
} PvtPageLook;

/* Waits for the next update, as long as --timeout, but no longer than it shows whether
 * there is one: one that does not come is no error. @address is page:/file or the file.
 * FALSE with @error when there are no figures. */
gboolean pvt_page_look (const PvtCli *cli, PvtPageLook *look, GError **error);
void pvt_page_look_clear (PvtPageLook *look);

/* "page:/file" -> "/file"; NULL when it is another guest's address. */
const char *pvt_page_address_file (const char *address);

/* The figure "GROUP.OBJECT.FIELD" or 0, GROUP.FIELD for an @object of "". */
guint64 pvt_page_u64 (const PvtPageFigures *figures, const char *group, const char *object,
                      const char *field);

/* How old and how whole the figures are, in words; the caller frees. */
char *pvt_page_state_text (const PvtPageLook *look);

/* Prints all figures that @cli's guest shares. */
gboolean pvt_page_show (PvtCli *cli, GError **error);
