/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-text.h"

#include "protocol/codec/encode.h"
#include "pvt-tables.h"

#include <stdio.h>

/* An enum of the guest's that this library knows has a name. */
static const char *
value_name (const PvtType *type, guint value)
{
  return value < type->n_values ? type->values[value] : "unknown";
}

static char *
heartbeat_text (const PvtHeartbeat *beat)
{
  const PvtPressure *p = beat->pressure;
  const struct
  {
    const char *name;
    const PvtPressureLine *line;
  } rows[] = { { "cpu", p ? p->cpu : NULL }, { "memory", p ? p->memory : NULL }, { "io", p ? p->io : NULL } };
  GString *text = g_string_new (NULL);
  gboolean any = FALSE;

  g_string_append_printf (text, "%" G_GUINT64_FORMAT "%s", beat->sequence, beat->frozen ? ", frozen" : "");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].line && rows[i].line->has_some_avg10)
      {
        /* It is no share of the processor's time: /proc/pressure, of ten seconds. */
        g_string_append_printf (text, "%s%s %.1f%%", any ? ", " : ", pressure: ", rows[i].name,
                                rows[i].line->some_avg10 * 100);
        any = TRUE;
      }
  return g_string_free (text, FALSE);
}

static void
append_count (GString *text, const char *what, const GPtrArray *list)
{
  if (list && list->len > 0)
    g_string_append_printf (text, "%s%u %s", text->len ? ", " : "", list->len, what);
}

static char *
metrics_text (const PvtMetricsReport *report)
{
  GString *text = g_string_new (NULL);

  if (report->load)
    g_string_append_printf (text, "load %.2f", report->load->load1m);
  if (report->memory && report->memory->total > 0)
    g_string_append_printf (text, "%smemory %.1f%%", text->len ? ", " : "",
                            100 - 100.0 * (double) MIN (report->memory->available, report->memory->total)
                                      / (double) report->memory->total);
  append_count (text, "cpu entries", report->cpu);
  append_count (text, "disks", report->disks);
  append_count (text, "links", report->links);
  append_count (text, "filesystems", report->filesystems);
  append_count (text, "gone", report->gone);
  append_count (text, "lists cut", report->truncated);
  return g_string_free (text, FALSE);
}

static char *
users_text (const PvtUserList *list)
{
  g_autofree char *names = g_strjoinv (", ", list->users);

  return g_strdup_printf ("%" G_GUINT64_FORMAT "%s%s", list->total, *names ? ": " : "", names);
}

static char *
level_text (const PvtCli *cli, const PvtFilesystemLevel *level)
{
  g_autofree char *room = pvt_size_text (cli, level->available_bytes);

  return g_strdup_printf ("%s %s: %.1f%% used, %s left", level->mountpoint,
                          level->nearly_full ? "is nearly full" : "has room again",
                          level->used_share * 100, room);
}

static char *
link_text (const PvtLinkChange *link)
{
  return g_strdup_printf ("%s %s", link->interface,
                          !link->present ? "is gone"
                          : !link->up    ? "is switched off"
                          : link->carrier ? "is up"
                                          : "has no carrier");
}

static char *
kernel_text (const PvtKernelMessage *message)
{
  g_autofree char *before
      = message->has_suppressed && message->suppressed
            ? g_strdup_printf ("(%" G_GUINT64_FORMAT " left out) ", message->suppressed)
            : g_strdup ("");

  return g_strdup_printf ("%s%s%s: %s", before, value_name (&pvt_kernel_level_type, message->level),
                          message->from_kernel ? "" : " of a program", message->text);
}

static char *
change_text (const PvtCli *cli, const PvtEvent *e)
{
  if (e->address)
    return g_strdup_printf ("%s %s %s/%u", e->address->interface, e->address->added ? "has" : "lost",
                            e->address->address, e->address->prefix);
  if (e->link)
    return link_text (e->link);
  if (e->mount)
    return g_strdup_printf ("%s %s %s (%s)%s", e->mount->mountpoint,
                            e->mount->mounted ? "is" : "was", e->mount->source, e->mount->type,
                            e->mount->read_only ? ", read-only" : "");
  if (e->filesystem)
    return level_text (cli, e->filesystem);
  if (e->users)
    return users_text (e->users);
  if (e->unit)
    return g_strdup_printf ("%s %s", e->unit->unit, e->unit->state);
  return NULL;
}

static char *
trouble_text (const PvtEvent *e)
{
  if (e->oom_kill)
    return g_strdup_printf ("%s (%" G_GUINT64_FORMAT ") was killed, %s", e->oom_kill->process,
                            e->oom_kill->pid,
                            e->oom_kill->cgroup ? "its control group was out of memory" : "the guest was out of memory");
  if (e->disruption)
    return g_strdup (value_name (&pvt_disruption_kind_type, e->disruption->kind));
  if (e->shutdown)
    return g_strdup_printf ("%s%s", value_name (&pvt_shutdown_reason_type, e->shutdown->reason),
                            e->shutdown->has_by_host && e->shutdown->by_host ? ", asked for by the host" : "");
  return e->kernel ? kernel_text (e->kernel) : NULL;
}

char *
pvt_event_text (const PvtCli *cli, const PvtEvent *e)
{
  g_autofree char *what = e->heartbeat ? heartbeat_text (e->heartbeat)
                          : e->metrics ? metrics_text (e->metrics)
                                       : NULL;
  g_autofree char *line = NULL;

  if (what == NULL)
    what = change_text (cli, e);
  if (what == NULL)
    what = trouble_text (e);
  line = g_strdup_printf ("%s%s%s", e->event, what ? ": " : "", what ? what : "");
  return pvt_safe_text (line);
}

void
pvt_print_event_json (const char *guest, const PvtEvent *event)
{
  PvtBuf out = { 0 }, object = { 0 };

  PVT_BUF_APPEND_LITERAL (&out, "{\"guest\": ");
  pvt_encode_string (&out, guest);
  PVT_BUF_APPEND_LITERAL (&out, ", ");
  pvt_encode_object (&object, &pvt_event_type, event);
  pvt_buf_append (&out, object.data + 1, object.len - 1); /* without its brace */
  pvt_buf_append_c (&out, '\0');
  pvt_print_escaped (out.data);
  putchar ('\n');
  pvt_buf_clear (&object);
  pvt_buf_clear (&out);
}
