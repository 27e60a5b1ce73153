/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* top: all guests, live. A screen on a terminal, tables on anything else. */
#include "discover.h"
#include "output.h"
#include "page-look.h"
#include "top-guest.h"

#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Guests at a time; the rest is left out, and that is said. */
#define MAX_GUESTS 1000

/* The screen is drawn no more often. */
#define DRAW_MS 200

typedef struct
{
  const char *name;
  char key;
  double (*value) (const PvtTopFigures *f); /* NULL: by the guest's name */
} Sort;

static double
by_cpu (const PvtTopFigures *f)
{
  return f->has_cpu ? f->cpu : -1;
}

static double
by_memory (const PvtTopFigures *f)
{
  return f->has_memory ? f->memory : -1;
}

static double
by_load (const PvtTopFigures *f)
{
  return f->has_load ? f->load : -1;
}

static double
by_disk (const PvtTopFigures *f)
{
  return f->has_disk ? f->disk : -1;
}

static double
by_io (const PvtTopFigures *f)
{
  return f->has_io ? f->read_rate + f->write_rate : -1;
}

static double
by_net (const PvtTopFigures *f)
{
  return f->has_net ? f->rx_rate + f->tx_rate : -1;
}

static const Sort sorts[] = {
  { "cpu", 'c', by_cpu },   { "memory", 'm', by_memory }, { "load", 'l', by_load },
  { "disk", 'd', by_disk }, { "io", 'i', by_io },         { "net", 't', by_net },
  { "name", 'n', NULL },
};

typedef struct
{
  PvtCli *cli;
  PvtTopOptions options;
  const Sort *sort;
  gboolean reverse;
  gboolean once, screen;
  gint64 count;      /* tables until the end; 0: no end */
  GPtrArray *guests; /* PvtTopGuest */
  guint left_out;
  GMainLoop *loop;
  guint drawing;
  struct termios before;
} Top;

/* ---- tables ---- */

static int
compare (gconstpointer a, gconstpointer b, gpointer data)
{
  const Top *top = data;
  const PvtTopGuest *x = *(PvtTopGuest *const *) a, *y = *(PvtTopGuest *const *) b;
  double left = top->sort->value ? top->sort->value (&x->state.figures) : 0;
  double right = top->sort->value ? top->sort->value (&y->state.figures) : 0;
  int order = left > right ? -1 : left < right ? 1 : strcmp (x->name, y->name);

  return top->reverse ? -order : order;
}

static char *
rate_text (const Top *top, gboolean has, double rate)
{
  g_autofree char *size = NULL;

  if (!has)
    return g_strdup ("-");
  /* What is beyond this no machine does. */
  size = pvt_size_text (top->cli, (guint64) CLAMP (rate, 0, 1e18));
  return g_strconcat (size, "/s", NULL);
}

static char *
share_text (gboolean has, double share)
{
  return has ? pvt_share_text (share) : g_strdup ("-");
}

static void
add_row (const Top *top, PvtTable *table, const PvtTopGuest *guest)
{
  const PvtTopFigures *f = &guest->state.figures;
  g_autofree char *cpu = share_text (f->has_cpu, f->cpu), *memory = share_text (f->has_memory, f->memory);
  g_autofree char *disk = share_text (f->has_disk, f->disk);
  g_autofree char *load = f->has_load ? g_strdup_printf ("%.2f", f->load) : g_strdup ("-");
  g_autofree char *reads = rate_text (top, f->has_io, f->read_rate), *writes = rate_text (top, f->has_io, f->write_rate);
  g_autofree char *rx = rate_text (top, f->has_net, f->rx_rate), *tx = rate_text (top, f->has_net, f->tx_rate);

  pvt_table_row (table, guest->name, guest->trouble ? guest->trouble : f->frozen ? "frozen" : guest->source,
                 cpu, memory, load, reads, writes, rx, tx, disk, f->fullest ? f->fullest : "-", NULL);
}

static void
print_table (Top *top, guint most)
{
  static const char *const headers[] = { "GUEST",   "STATE",    ">CPU", ">MEMORY", ">LOAD",  ">READ",
                                         ">WRITTEN", ">RECEIVED", ">SENT", ">DISK",  "FULLEST", NULL };
  PvtTable *table = pvt_table_new (top->cli, headers);

  g_ptr_array_sort_with_data (top->guests, compare, top);
  for (guint i = 0; i < top->guests->len && i < most; i++)
    add_row (top, table, top->guests->pdata[i]);
  pvt_table_print (table);
}

static void
add_guest_json (JsonBuilder *builder, const PvtTopGuest *guest)
{
  const PvtTopFigures *f = &guest->state.figures;

  json_builder_begin_object (builder);
  pvt_json_add_text (builder, "name", guest->name);
  pvt_json_add_text (builder, "guest", guest->address);
  pvt_json_add_text (builder, "source", guest->source);
  pvt_json_add_text (builder, "error", guest->trouble);
  json_builder_set_member_name (builder, "frozen");
  json_builder_add_boolean_value (builder, f->frozen);
  pvt_json_add_double (builder, "cpu", f->has_cpu, f->cpu);
  pvt_json_add_double (builder, "memory", f->has_memory, f->memory);
  pvt_json_add_double (builder, "load", f->has_load, f->load);
  pvt_json_add_double (builder, "read-bytes-per-second", f->has_io, f->read_rate);
  pvt_json_add_double (builder, "written-bytes-per-second", f->has_io, f->write_rate);
  pvt_json_add_double (builder, "received-bytes-per-second", f->has_net, f->rx_rate);
  pvt_json_add_double (builder, "sent-bytes-per-second", f->has_net, f->tx_rate);
  pvt_json_add_double (builder, "disk", f->has_disk, f->disk);
  pvt_json_add_text (builder, "fullest", f->fullest);
  json_builder_end_object (builder);
}

static void
print_json (Top *top)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  g_ptr_array_sort_with_data (top->guests, compare, top);
  json_builder_begin_array (builder);
  for (guint i = 0; i < top->guests->len; i++)
    add_guest_json (builder, top->guests->pdata[i]);
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  pvt_print_json (root);
}

static void
print_plain (Top *top)
{
  if (top->cli->json)
    print_json (top);
  else
    print_table (top, top->guests->len);
  if (top->left_out)
    fprintf (stderr, "%u more guests are left out\n", top->left_out);
  if (fflush (stdout) != 0)
    g_main_loop_quit (top->loop);
}

/* ---- the screen ---- */

static gboolean
draw (gpointer data)
{
  Top *top = data;
  struct winsize size = { .ws_row = 24 };

  top->drawing = 0;
  ioctl (STDOUT_FILENO, TIOCGWINSZ, &size);
  /* Home, each line is cut at the edge, and what was below is cleared. */
  fputs ("\033[H\033[J", stdout);
  printf ("%u guests by %s%s - c m l d i t n: sort, r: reverse, q: quit\n\n", top->guests->len,
          top->sort->name, top->reverse ? ", reversed" : "");
  print_table (top, size.ws_row > 5 ? size.ws_row - 4u : 1);
  if (fflush (stdout) != 0)
    g_main_loop_quit (top->loop);
  return G_SOURCE_REMOVE;
}

static void
draw_soon (Top *top)
{
  if (top->drawing == 0)
    top->drawing = g_timeout_add (DRAW_MS, draw, top);
}

static gboolean
key_pressed (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  Top *top = data;
  char key;

  if (read (fd, &key, 1) != 1 || key == 'q')
    {
      g_main_loop_quit (top->loop);
      return G_SOURCE_REMOVE;
    }
  if (key == 'r')
    top->reverse = !top->reverse;
  for (guint i = 0; i < G_N_ELEMENTS (sorts); i++)
    if (sorts[i].key == key)
      top->sort = &sorts[i];
  g_clear_handle_id (&top->drawing, g_source_remove);
  draw (top);
  return G_SOURCE_CONTINUE;
}

static void
open_screen (Top *top)
{
  struct termios raw;

  tcgetattr (STDIN_FILENO, &top->before);
  raw = top->before;
  raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  tcsetattr (STDIN_FILENO, TCSANOW, &raw);
  /* The other screen, no wrapping of lines, no cursor. */
  fputs ("\033[?1049h\033[?7l\033[?25l", stdout);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, key_pressed, top);
  draw_soon (top);
}

static void
close_screen (Top *top)
{
  fputs ("\033[?25h\033[?7h\033[?1049l", stdout);
  fflush (stdout);
  tcsetattr (STDIN_FILENO, TCSANOW, &top->before);
}

/* ---- running ---- */

static gboolean
all_settled (const Top *top)
{
  for (guint i = 0; i < top->guests->len; i++)
    if (!pvt_top_guest_is_settled (top->guests->pdata[i]))
      return FALSE;
  return TRUE;
}

static void
figures_changed (gpointer data)
{
  Top *top = data;

  if (top->screen)
    draw_soon (top);
  else if (top->once && all_settled (top))
    g_main_loop_quit (top->loop);
}

static gboolean
out_of_time (gpointer data)
{
  g_main_loop_quit (((Top *) data)->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
next_table (gpointer data)
{
  Top *top = data;

  print_plain (top);
  if (top->count > 0 && --top->count == 0)
    g_main_loop_quit (top->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (((Top *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static void
show (Top *top, GPtrArray *found)
{
  top->guests = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_top_guest_free);
  top->left_out = found->len > MAX_GUESTS ? found->len - MAX_GUESTS : 0;
  g_unix_signal_add (SIGINT, quit, top);
  g_unix_signal_add (SIGTERM, quit, top);
  for (guint i = 0; i < found->len && i < MAX_GUESTS; i++)
    {
      const PvtFound *guest = found->pdata[i];

      g_ptr_array_add (top->guests, pvt_top_guest_new (guest->name, guest->address, guest->page, &top->options));
    }
  if (top->screen)
    open_screen (top);
  else if (top->once)
    g_timeout_add ((guint) top->cli->timeout_ms + (guint) (2000 * top->options.interval), out_of_time, top);
  else
    g_timeout_add ((guint) (top->options.interval * 1000), next_table, top);
  g_main_loop_run (top->loop);
  if (top->screen)
    close_screen (top);
  if (top->once)
    print_plain (top);
  g_clear_handle_id (&top->drawing, g_source_remove);
  g_ptr_array_unref (top->guests);
}

/* ---- words ---- */

typedef struct
{
  char **sockets, **qmp, **pages, *sort;
  gboolean libvirt, reverse, once, batch;
  double interval;
  gint64 count;
} Words;

static gboolean
usage (GError **error, const char *word, const char *what)
{
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "%s %s", word, what);
  return FALSE;
}

static gboolean
check (const Words *words, Top *top, GError **error)
{
  if (!isfinite (words->interval) || words->interval < 0.1 || words->interval > 3600)
    return usage (error, "--interval", "takes 0.1 to 3600 seconds");
  if (words->count < 0)
    return usage (error, "--count", "takes a number of tables");
  for (guint i = 0; i < G_N_ELEMENTS (sorts); i++)
    if (strcmp (words->sort ? words->sort : "cpu", sorts[i].name) == 0)
      top->sort = &sorts[i];
  return top->sort || usage (error, words->sort, "is nothing to sort by: cpu, memory, load, disk, io, net or name");
}

static void
add_named (GPtrArray *found, const char *address)
{
  PvtFound *guest = g_new0 (PvtFound, 1);

  guest->address = g_strdup (address);
  guest->name = g_strdup (address);
  guest->source = g_strdup ("named");
  guest->page = g_strdup (pvt_page_address_file (address));
  g_ptr_array_add (found, guest);
}

/* A directory that cannot be read is a wrong word. */
static gboolean
add_sockets (char **where, const char *prefix, GPtrArray *found, GError **error)
{
  g_autoptr (GError) failure = NULL;

  for (guint i = 0; where && where[i]; i++)
    if (!pvt_discover_sockets (where[i], prefix, found, &failure))
      return usage (error, where[i], failure->message);
  return TRUE;
}

/* Those of guests that were found, and guests that are nothing else. */
static gboolean
add_pages (char **where, GPtrArray *found, GError **error)
{
  g_autoptr (GError) failure = NULL;

  for (guint i = 0; where && where[i]; i++)
    if (!pvt_discover_pages (where[i], NULL, found, &failure))
      return usage (error, where[i], failure->message);
  return TRUE;
}

/* Without a word about which, libvirt's are meant. */
static gboolean
find_guests (const Words *words, char *const *named, const char *first, GPtrArray *found, GError **error)
{
  gboolean any = first || named[0] || words->sockets || words->qmp || words->pages;

  if (first)
    add_named (found, first);
  for (guint i = 0; named[i]; i++)
    add_named (found, named[i]);
  if (!add_sockets (words->sockets, "unix:", found, error) || !add_sockets (words->qmp, "qemu:", found, error))
    return FALSE;
  if ((!any || words->libvirt) && !pvt_discover_libvirt (found, error))
    return FALSE;
  return add_pages (words->pages, found, error);
}

static gboolean
run_top (PvtCli *cli, int argc, char **argv, GError **error)
{
  Words words = { .interval = 1 };
  const GOptionEntry entries[] = {
    { "sockets", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words.sockets, NULL, NULL },
    { "qmp", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words.qmp, NULL, NULL },
    { "pages", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words.pages, NULL, NULL },
    { "libvirt", 0, 0, G_OPTION_ARG_NONE, &words.libvirt, NULL, NULL },
    { "sort", 's', 0, G_OPTION_ARG_STRING, &words.sort, NULL, NULL },
    { "reverse", 'r', 0, G_OPTION_ARG_NONE, &words.reverse, NULL, NULL },
    { "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &words.interval, NULL, NULL },
    { "once", '1', 0, G_OPTION_ARG_NONE, &words.once, NULL, NULL },
    { "batch", 0, 0, G_OPTION_ARG_NONE, &words.batch, NULL, NULL },
    { "count", 0, 0, G_OPTION_ARG_INT64, &words.count, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) rest = pvt_cli_words (entries, argc, argv, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_found_free);
  Top top = { .cli = cli, .reverse = words.reverse, .once = words.once, .count = words.count };
  gboolean ok = rest && check (&words, &top, error) && find_guests (&words, rest, cli->address, found, error);

  if (ok)
    {
      top.options = (PvtTopOptions){ words.interval, cli->timeout_ms, figures_changed, &top };
      top.screen = !words.once && !words.batch && !cli->json && isatty (STDIN_FILENO) && isatty (STDOUT_FILENO);
      top.loop = g_main_loop_new (NULL, FALSE);
      show (&top, found);
      g_main_loop_unref (top.loop);
    }
  g_strfreev (words.sockets);
  g_strfreev (words.qmp);
  g_strfreev (words.pages);
  g_free (words.sort);
  return ok;
}

const PvtVerb pvt_verb_top
    = { "top", "[--sockets DIR] [--qmp DIR] [--libvirt] [--pages DIR] [--sort KEY] [--reverse] [--interval S] [--once] [--batch] [--count N]",
        "all guests live: CPU, memory, load, disks, network", TRUE, run_top };
