/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pages.h"

#include "self.h"

const guint pvt_page_codes[] = { 200, 400, 404, 405, 500, 0 };

const char **
pvt_page_addresses (GPtrArray *found)
{
  const char **addresses = g_new0 (const char *, found->len + 1);

  for (guint i = 0; i < found->len; i++)
    addresses[i] = ((const PvtFound *) found->pdata[i])->address;
  return addresses;
}

/* What a guest told and how it is: two sets a guest at most. Returns how many. */
static guint
add_guest (PvtExposed *sets, PvtGather *gather, guint i, const char *name, const char *domain)
{
  const PvtMetrics *health = pvt_gather_health (gather, i);

  sets[0] = (PvtExposed){ pvt_gather_result (gather, i), name, domain };
  if (health == NULL)
    return 1;
  sets[1] = (PvtExposed){ health, name, domain };
  return 2;
}

static guint
add_guests (PvtExposed *sets, PvtGather *gather, GPtrArray *found)
{
  guint n = 0;

  for (guint i = 0; i < found->len; i++)
    {
      const char *name = ((const PvtFound *) found->pdata[i])->name;

      n += add_guest (sets + n, gather, i, name, name);
    }
  return n;
}

GString *
pvt_page_all (PvtGather *gather, gboolean guests, GPtrArray *found, const PvtMetrics *own)
{
  g_autofree PvtExposed *sets = g_new0 (PvtExposed, 2 * found->len + 1);
  GString *text = g_string_new (NULL);
  guint n = 1;

  sets[0].metrics = own;
  if (guests)
    n += add_guests (sets + 1, gather, found);
  pvt_exposition_write (text, sets, n, "");
  return text;
}

GString *
pvt_page_textfile (PvtGather *gather, GPtrArray *found)
{
  g_autofree PvtExposed *sets = g_new0 (PvtExposed, 2 * found->len + 1);
  GString *text = g_string_new (NULL);

  pvt_exposition_write (text, sets, add_guests (sets, gather, found), "pvtools_");
  return text;
}

GString *
pvt_page_guest (PvtGather *gather, const char *name)
{
  PvtExposed sets[2];
  GString *text = g_string_new (NULL);

  pvt_exposition_write (text, sets, add_guest (sets, gather, 0, NULL, name), "");
  return text;
}

PvtMetrics *
pvt_page_own (PvtExporter *exporter, GPtrArray *found, const guint64 *codes)
{
  PvtMetrics *metrics = pvt_metrics_new ();
  char code[16];

  pvt_metrics_add (metrics, PVT_F_KNOWN, found->len, NULL);
  pvt_guests_add_metrics (exporter->guests, metrics);
  for (guint i = 0; pvt_page_codes[i]; i++)
    {
      g_snprintf (code, sizeof code, "%u", pvt_page_codes[i]);
      pvt_metrics_add (metrics, PVT_F_HTTP, (double) codes[i], "code", code, NULL);
    }
  pvt_self_add_metrics (metrics);
  pvt_metrics_seal (metrics);
  return metrics;
}

/* More than this many are not listed for people. */
#define MAX_LISTED 100

GString *
pvt_page_root (GPtrArray *found)
{
  GString *text = g_string_new ("<!DOCTYPE html>\n<title>pvtools-exporter</title>\n"
                                "<h1>pvtools-exporter " PVT_VERSION "</h1>\n<ul>\n"
                                "<li><a href=\"/metrics\">/metrics</a>\n"
                                "<li><a href=\"/sd\">/sd</a>\n</ul>\n");

  g_string_append_printf (text, "<p>%u guests\n<ul>\n", found->len);
  for (guint i = 0; i < MIN (found->len, MAX_LISTED); i++)
    {
      const PvtFound *one = found->pdata[i];
      g_autofree char *name = g_markup_escape_text (one->name, -1);
      g_autofree char *target = g_uri_escape_string (one->address, NULL, FALSE);

      g_string_append_printf (text, "<li><a href=\"/guest?target=%s\">%s</a>\n", target, name);
    }
  g_string_append (text, "</ul>\n");
  return text;
}
