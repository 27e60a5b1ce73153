/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netdev.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

/* Received: bytes, packets, errs, drop, fifo, frame, compressed, multicast; then
 * the same number of what was sent. */
#define FIELDS 16

static gboolean
parse_line (PvtText line, PvtNetdev *device)
{
  const char *colon = memchr (line.p, ':', (gsize) (line.end - line.p));
  guint64 fields[FIELDS];
  gsize len;

  while (line.p < line.end && *line.p == ' ')
    line.p++;
  if (colon == NULL || colon <= line.p)
    return FALSE;
  len = (gsize) (colon - line.p);
  if (len >= sizeof device->name)
    return FALSE;
  memset (device->name, 0, sizeof device->name);
  memcpy (device->name, line.p, len);
  line.p = colon + 1;
  for (guint i = 0; i < FIELDS; i++)
    {
      if (!pvt_text_u64 (&line, &fields[i]))
        return FALSE;
      fields[i] = MIN (fields[i], (guint64) G_MAXINT64); /* what the wire carries */
    }
  device->rx_bytes = fields[0];
  device->rx_packets = fields[1];
  device->rx_errors = fields[2];
  device->rx_dropped = fields[3];
  device->tx_bytes = fields[8];
  device->tx_packets = fields[9];
  device->tx_errors = fields[10];
  device->tx_dropped = fields[11];
  return TRUE;
}

void
pvt_netdev_parse (const char *text, gsize len, GArray *devices)
{
  PvtText rest = pvt_text (text, len), line;
  PvtNetdev device;

  while (devices->len < PVT_MAX_LINKS && pvt_text_line (&rest, &line))
    if (parse_line (line, &device))
      g_array_append_val (devices, device);
}
