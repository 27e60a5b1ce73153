/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <getopt.h>
#include <string.h>

#define DEFAULT_FILE "/etc/pvtools/agent.conf"
#define QEMU_GA_FILE "/etc/qemu/qemu-ga.conf"
#define EXTENDED_PORT "/dev/virtio-ports/org.pvtools.0"
#define DEFAULT_STATEDIR "/run/pvtools"
#define DEFAULT_HOOK "/etc/qemu/fsfreeze-hook"
#define DEFAULT_HOOKS_DIR "/etc/pvtools/hooks.d"
#define DEFAULT_EVENTS_DIR "/etc/pvtools"

/* Seconds; long enough for every snapshot that is one, see agent/guardian. */
#define DEFAULT_FREEZE_DEADLINE 300
#define DEFAULT_HOOK_TIMEOUT 30
#define DEFAULT_PAGE_PERIOD 1
#define MAX_SECONDS 86400

static const char *const method_names[] = {
  "virtio-serial",
  "isa-serial",
  "unix-listen",
  "vsock-listen",
};

/* Where each method is when no path is given. */
static const char *const default_paths[] = {
  "/dev/virtio-ports/org.qemu.guest_agent.0",
  "/dev/ttyS0",
  NULL,
  NULL,
};

const char *
pvt_method_name (PvtMethod method)
{
  return method_names[method];
}

static gboolean
parse_method (const char *text, PvtMethod *method, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (method_names); i++)
    if (strcmp (text, method_names[i]) == 0)
      {
        *method = (PvtMethod) i;
        return TRUE;
      }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "unknown method '%s': virtio-serial, isa-serial, unix-listen or vsock-listen "
               "was expected",
               text);
  return FALSE;
}

static void
free_channel (gpointer data)
{
  PvtChannelConfig *channel = data;

  g_free (channel->name);
  g_free (channel->path);
  g_free (channel);
}

static gboolean
add_channel (PvtConfig *config, const char *name, const char *method_name, const char *path,
             gboolean extended, GError **error)
{
  PvtMethod method = PVT_METHOD_VIRTIO_SERIAL;
  PvtChannelConfig *channel;

  if (method_name && !parse_method (method_name, &method, error))
    return FALSE;
  if (path == NULL && default_paths[method] == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "channel '%s' with method %s needs a path", name, method_names[method]);
      return FALSE;
    }
  channel = g_new0 (PvtChannelConfig, 1);
  channel->name = g_strdup (name);
  channel->method = method;
  channel->path = g_strdup (path                                            ? path
                            : extended && method == PVT_METHOD_VIRTIO_SERIAL ? EXTENDED_PORT
                                                                            : default_paths[method]);
  channel->extended = extended;
  g_ptr_array_add (config->channels, channel);
  return TRUE;
}

/* The file's keys of [general] and where they go; options win over them. */
typedef struct
{
  const char *key;
  char **text;
  gboolean *flag;
  guint *number;
} FileKey;

/* 0 to MAX_SECONDS; what a key that is not there leaves is its default. */
static gboolean
take_number (GKeyFile *file, const FileKey *key, GError **error)
{
  g_autofree char *text = g_key_file_get_string (file, "general", key->key, NULL);
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 0, MAX_SECONDS, &value, NULL))
    {
      g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                   "'%s' of key '%s' is not a number of 0 to %d", text, key->key, MAX_SECONDS);
      return FALSE;
    }
  *key->number = (guint) value;
  return TRUE;
}

static gboolean
is_on_by_default (const char *key)
{
  return strcmp (key, "hooks-required") == 0 || strcmp (key, "sync-clock") == 0;
}

/* @lenient: a key that is not ours is passed over, as qemu-ga does. */
static gboolean
take_key (GKeyFile *file, const char *key, const FileKey *keys, gsize n_keys, gboolean lenient, GError **error)
{
  for (gsize i = 0; i < n_keys; i++)
    {
      g_autoptr (GError) bad = NULL;
      gboolean on;

      if (strcmp (key, keys[i].key) != 0)
        continue;
      if (keys[i].text)
        {
          if (*keys[i].text == NULL)
            *keys[i].text = g_key_file_get_string (file, "general", key, NULL);
          return TRUE;
        }
      if (keys[i].number)
        return take_number (file, &keys[i], error);
      on = g_key_file_get_boolean (file, "general", key, &bad);
      if (bad)
        {
          g_autofree char *value = g_key_file_get_string (file, "general", key, NULL);

          g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                       "'%s' of key '%s' is neither true nor false", value, key);
          return FALSE;
        }
      *keys[i].flag = is_on_by_default (key) ? on : *keys[i].flag | on;
      return TRUE;
    }
  if (lenient)
    {
      g_printerr ("pvtools-agent: unknown key '%s' in qemu-ga's configuration: passed over\n", key);
      return TRUE;
    }
  g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
               "unknown key '%s' in group [general]", key);
  return FALSE;
}

static gboolean
load_general (GKeyFile *file, const FileKey *keys, gsize n_keys, gboolean lenient, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, "general", NULL, NULL);

  for (gsize i = 0; names && names[i]; i++)
    if (!take_key (file, names[i], keys, n_keys, lenient, error))
      return FALSE;
  return TRUE;
}

static gboolean
load_channels (PvtConfig *config, GKeyFile *file, gboolean lenient, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (gsize i = 0; groups[i]; i++)
    {
      g_autofree char *method = NULL, *path = NULL, *dialect = NULL;

      if (strcmp (groups[i], "general") == 0)
        continue;
      if (!g_str_has_prefix (groups[i], "channel "))
        {
          if (lenient)
            continue;
          g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
                       "unknown group [%s]: [general] or [channel NAME] was expected", groups[i]);
          return FALSE;
        }
      method = g_key_file_get_string (file, groups[i], "method", NULL);
      path = g_key_file_get_string (file, groups[i], "path", NULL);
      dialect = g_key_file_get_string (file, groups[i], "dialect", NULL);
      if (dialect && strcmp (dialect, "qemu-ga") != 0 && strcmp (dialect, "extended") != 0)
        {
          g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                       "unknown dialect '%s' in group [%s]: qemu-ga or extended was expected", dialect,
                       groups[i]);
          return FALSE;
        }
      if (!add_channel (config, groups[i] + strlen ("channel "), method, path,
                        g_strcmp0 (dialect, "extended") == 0, error))
        return FALSE;
    }
  return TRUE;
}

/* The file to read, or NULL when none was named and there is none. *@lenient: it was
 * written for qemu-ga. */
static char *
choose_file (const char *option, gboolean *lenient)
{
  const char *ours = option ? option : g_getenv ("PVT_CONF"), *theirs = g_getenv ("QGA_CONF");

  if (ours == NULL && theirs == NULL)
    {
      ours = g_file_test (DEFAULT_FILE, G_FILE_TEST_EXISTS) ? DEFAULT_FILE : NULL;
      theirs = g_file_test (QEMU_GA_FILE, G_FILE_TEST_EXISTS) ? QEMU_GA_FILE : NULL;
    }
  *lenient = ours == NULL;
  return g_strdup (ours ? ours : theirs);
}

static GKeyFile *
read_file (const char *option, gboolean *lenient, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = choose_file (option, lenient);

  if (path && !g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, error))
    {
      g_prefix_error (error, "configuration %s: ", path);
      return NULL;
    }
  return g_steal_pointer (&file);
}

static void
set_default (char **text, const char *value)
{
  if (*text == NULL)
    *text = g_strdup (value);
}

typedef struct
{
  char *method, *path, *file;
  char *old_block; /* --blacklist of old qemu-ga */
} Options;

/* Long options without a letter. */
enum
{
  OPT_PROFILE = 256,
  OPT_ROOT,
  OPT_BLACKLIST,
  OPT_AFTERMATH,
  OPT_DOCTOR,
  OPT_GROW,
};

/* getopt_long(3), not GOption: -F/path and -b? with the value attached are what
 * distributions' units have. */
static const char short_options[] = "m:p:l:f:F::t:vVdb:a:c:Drh";
static const struct option long_options[] = {
  { "method", required_argument, NULL, 'm' },
  { "path", required_argument, NULL, 'p' },
  { "logfile", required_argument, NULL, 'l' },
  { "pidfile", required_argument, NULL, 'f' },
  { "fsfreeze-hook", optional_argument, NULL, 'F' },
  { "statedir", required_argument, NULL, 't' },
  { "verbose", no_argument, NULL, 'v' },
  { "version", no_argument, NULL, 'V' },
  { "daemonize", no_argument, NULL, 'd' },
  { "daemon", no_argument, NULL, 'd' },
  { "block-rpcs", required_argument, NULL, 'b' },
  { "blacklist", required_argument, NULL, OPT_BLACKLIST },
  { "allow-rpcs", required_argument, NULL, 'a' },
  { "allow-list", required_argument, NULL, 'a' },
  { "config", required_argument, NULL, 'c' },
  { "dump-conf", no_argument, NULL, 'D' },
  { "retry-path", no_argument, NULL, 'r' },
  { "help", no_argument, NULL, 'h' },
  { "profile", required_argument, NULL, OPT_PROFILE },
  { "root", required_argument, NULL, OPT_ROOT },
  { "doctor", optional_argument, NULL, OPT_DOCTOR },
  { "grow", required_argument, NULL, OPT_GROW },
  { "after-freeze", no_argument, NULL, OPT_AFTERMATH }, /* see agent/guardian */
  { NULL, 0, NULL, 0 },
};

const char *
pvt_config_help (void)
{
  return "Usage: pvtools-agent [OPTION...]\n"
         "The agent of a KVM guest; takes qemu-ga's options.\n\n"
         "  -m, --method METHOD     virtio-serial (default), isa-serial, unix-listen, vsock-listen\n"
         "  -p, --path PATH         device, socket, or CID:PORT for vsock-listen\n"
         "  -c, --config FILE       default " DEFAULT_FILE ", else " QEMU_GA_FILE "\n"
         "  -b, --block-rpcs LIST   commands to refuse, by commas; 'help' lists all\n"
         "  -a, --allow-rpcs LIST   the only commands to accept, by commas; 'help' lists all\n"
         "      --profile NAME      monitor (queries), backup (and freezing), full (default)\n"
         "  -F, --fsfreeze-hook[=HOOK]\n"
         "                          hook around a freeze (default " DEFAULT_HOOK ")\n"
         "  -t, --statedir DIR      state that survives a restart (default " DEFAULT_STATEDIR ")\n"
         "  -l, --logfile FILE      log there instead of standard error\n"
         "  -f, --pidfile FILE      write the process id there\n"
         "  -d, --daemonize         go to the background\n"
         "  -v, --verbose           log every command\n"
         "  -r, --retry-path        wait for a path that is not there (always done)\n"
         "  -D, --dump-conf         print the effective configuration and exit\n"
         "      --doctor[=json]     say what is not as it should be in this guest, and exit\n"
         "      --grow MOUNTPOINT   let a filesystem take what its disk has gained, and exit\n"
         "  -V, --version           print the version and exit\n"
         "  -h, --help              print this and exit\n"
         "      --root DIR          read /proc, /sys and /etc below it (for tests)\n";
}

static void
set_text (char **text, const char *value)
{
  g_free (*text);
  *text = g_strdup (value);
}

/* Where an option's text goes; NULL for those that have none. */
static char **
text_option (PvtConfig *config, Options *o, int option)
{
  switch (option)
    {
    case 'm':
      return &o->method;
    case 'p':
      return &o->path;
    case 'c':
      return &o->file;
    case OPT_BLACKLIST:
      return &o->old_block;
    case 'l':
      return &config->logfile;
    case 'f':
      return &config->pidfile;
    case 'F':
      return &config->fsfreeze_hook;
    case 't':
      return &config->statedir;
    case 'b':
      return &config->block;
    case 'a':
      return &config->allow;
    case OPT_PROFILE:
      return &config->profile;
    case OPT_ROOT:
      return &config->root;
    case OPT_DOCTOR:
      return &config->doctor;
    case OPT_GROW:
      return &config->grow;
    default:
      return NULL;
    }
}

static gboolean *
flag_option (PvtConfig *config, int option)
{
  switch (option)
    {
    case 'v':
      return &config->verbose;
    case 'V':
      return &config->version;
    case 'd':
      return &config->daemon;
    case 'D':
      return &config->dump;
    case 'r':
      return &config->retry_path;
    case 'h':
      return &config->help;
    case OPT_AFTERMATH:
      return &config->aftermath;
    default:
      return NULL;
    }
}

static gboolean
fail_option (GError **error, const char *what, const char *word)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s '%s'; --help lists the options",
               what, word);
  return FALSE;
}

static gboolean
parse_options (PvtConfig *config, Options *o, int argc, char **argv, GError **error)
{
  int option;

  opterr = 0;
  optind = 1;
  while ((option = getopt_long (argc, argv, short_options, long_options, NULL)) != -1)
    {
      char **text = text_option (config, o, option);
      gboolean *flag = flag_option (config, option);

      if (text)
        set_text (text, optarg                 ? optarg
                        : option == OPT_DOCTOR ? "text"
                                               : DEFAULT_HOOK);
      else if (flag)
        *flag = TRUE;
      else
        return fail_option (error, "unknown option, or one whose value is missing,", argv[optind - 1]);
    }
  return optind == argc || fail_option (error, "unexpected argument", argv[optind]);
}

static gboolean
apply_file (PvtConfig *config, Options *o, GError **error)
{
  gboolean lenient;
  g_autoptr (GKeyFile) file = read_file (o->file, &lenient, error);
  FileKey keys[] = {
    { "method", &o->method, NULL, NULL },
    { "path", &o->path, NULL, NULL },
    { "logfile", &config->logfile, NULL, NULL },
    { "pidfile", &config->pidfile, NULL, NULL },
    { "statedir", &config->statedir, NULL, NULL },
    { "fsfreeze-hook", &config->fsfreeze_hook, NULL, NULL },
    { "block-rpcs", &config->block, NULL, NULL },
    { "blacklist", &o->old_block, NULL, NULL },
    { "allow-rpcs", &config->allow, NULL, NULL },
    { "profile", &config->profile, NULL, NULL },
    { "page-device", &config->page_device, NULL, NULL },
    { "page-period", NULL, NULL, &config->page_period },
    { "daemon", NULL, &config->daemon, NULL },
    { "verbose", NULL, &config->verbose, NULL },
    { "retry-path", NULL, &config->retry_path, NULL },
    { "hooks-dir", &config->hooks_dir, NULL, NULL },
    { "hooks-required", NULL, &config->hooks_required, NULL },
    { "events-dir", &config->events_dir, NULL, NULL },
    { "sync-clock", NULL, &config->sync_clock, NULL },
    { "hook-timeout", NULL, NULL, &config->hook_timeout },
    { "freeze-deadline", NULL, NULL, &config->freeze_deadline },
  };

  return file && load_general (file, keys, G_N_ELEMENTS (keys), lenient, error)
         && load_channels (config, file, lenient, error);
}

static gboolean
apply_defaults (PvtConfig *config, Options *o, GError **error)
{
  if (config->block == NULL)
    config->block = g_steal_pointer (&o->old_block);
  set_default (&config->statedir, DEFAULT_STATEDIR);
  set_default (&config->profile, "full");
  set_default (&config->root, "/");
  set_default (&config->hooks_dir, DEFAULT_HOOKS_DIR);
  set_default (&config->events_dir, DEFAULT_EVENTS_DIR);
  /* Who names nothing gets both ports; one that is not there is waited for. */
  if (config->channels->len == 0 && o->method == NULL && o->path == NULL)
    return add_channel (config, "general", NULL, NULL, FALSE, error)
           && add_channel (config, "extended", NULL, NULL, TRUE, error);
  if (config->channels->len == 0 || o->method || o->path)
    return add_channel (config, "general", o->method, o->path, FALSE, error);
  return TRUE;
}

gboolean
pvt_config_load (PvtConfig *config, int argc, char **argv, GError **error)
{
  Options o = { NULL, NULL, NULL, NULL };
  gboolean ok;

  memset (config, 0, sizeof *config);
  config->channels = g_ptr_array_new_with_free_func (free_channel);
  config->freeze_deadline = DEFAULT_FREEZE_DEADLINE;
  config->hook_timeout = DEFAULT_HOOK_TIMEOUT;
  config->page_period = DEFAULT_PAGE_PERIOD;
  config->hooks_required = TRUE;
  config->sync_clock = TRUE;
  ok = parse_options (config, &o, argc, argv, error)
       && (config->version || config->help || config->aftermath || apply_file (config, &o, error))
       && apply_defaults (config, &o, error);
  g_free (o.method);
  g_free (o.path);
  g_free (o.file);
  g_free (o.old_block);
  if (!ok)
    pvt_config_clear (config);
  return ok;
}

void
pvt_config_clear (PvtConfig *config)
{
  g_clear_pointer (&config->channels, g_ptr_array_unref);
  g_free (config->profile);
  g_free (config->block);
  g_free (config->allow);
  g_free (config->statedir);
  g_free (config->logfile);
  g_free (config->pidfile);
  g_free (config->fsfreeze_hook);
  g_free (config->hooks_dir);
  g_free (config->events_dir);
  g_free (config->page_device);
  g_free (config->root);
  g_free (config->doctor);
  g_free (config->grow);
  memset (config, 0, sizeof *config);
}

static void
dump_text (GKeyFile *file, const char *key, const char *value)
{
  if (value)
    g_key_file_set_string (file, "general", key, value);
}

char *
pvt_config_dump (const PvtConfig *config)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_key_file_set_boolean (file, "general", "daemon", config->daemon);
  for (guint i = 0; i < config->channels->len; i++)
    {
      const PvtChannelConfig *channel = g_ptr_array_index (config->channels, i);
      g_autofree char *group = strcmp (channel->name, "general") == 0
                                   ? g_strdup ("general")
                                   : g_strdup_printf ("channel %s", channel->name);

      g_key_file_set_string (file, group, "method", method_names[channel->method]);
      g_key_file_set_string (file, group, "path", channel->path);
      if (channel->extended)
        g_key_file_set_string (file, group, "dialect", "extended");
    }
  dump_text (file, "logfile", config->logfile);
  dump_text (file, "pidfile", config->pidfile);
  dump_text (file, "fsfreeze-hook", config->fsfreeze_hook);
  dump_text (file, "statedir", config->statedir);
  g_key_file_set_boolean (file, "general", "verbose", config->verbose);
  g_key_file_set_boolean (file, "general", "retry-path", config->retry_path);
  dump_text (file, "block-rpcs", config->block);
  dump_text (file, "allow-rpcs", config->allow);
  dump_text (file, "profile", config->profile);
  dump_text (file, "hooks-dir", config->hooks_dir);
  g_key_file_set_boolean (file, "general", "hooks-required", config->hooks_required);
  g_key_file_set_uint64 (file, "general", "hook-timeout", config->hook_timeout);
  dump_text (file, "events-dir", config->events_dir);
  g_key_file_set_boolean (file, "general", "sync-clock", config->sync_clock);
  g_key_file_set_uint64 (file, "general", "freeze-deadline", config->freeze_deadline);
  dump_text (file, "page-device", config->page_device);
  g_key_file_set_uint64 (file, "general", "page-period", config->page_period);
  return g_key_file_to_data (file, NULL, NULL);
}
