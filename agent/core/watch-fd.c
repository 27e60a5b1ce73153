/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch-fd.h"

guint
pvt_watch_fd (int fd, GIOCondition condition, GUnixFDSourceFunc ready, gpointer data)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (fd, condition);

  g_source_set_can_recurse (source, TRUE);
  g_source_set_callback (source, G_SOURCE_FUNC (ready), data, NULL);
  return g_source_attach (source, NULL);
}
