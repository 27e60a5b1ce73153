/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts that users write for pvtools-vmm: a file for --config, options of a device, and the
 * addresses and forwarded ports of a user-mode network. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-side/vmm/config-file.h"
#include "host-side/vmm/core/options.h"
#ifdef PVT_HAVE_LIBSLIRP
#include "host-side/vmm/net/user.h"
#endif

static const struct option known[] = {
  { "kernel", required_argument, NULL, 'k' },
  { "rng", optional_argument, NULL, 'r' },
  { "paused", no_argument, NULL, 'w' },
  { NULL, 0, NULL, 0 },
};

static void
read_file (const uint8_t *data, size_t size)
{
  struct config_file config = { 0 };
  int fd = memfd_create ("config", MFD_CLOEXEC);
  char path[32];

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  if (write (fd, data, size) == (ssize_t) size && config_file_read (&config, path, known) == 0)
    for (unsigned i = 0; i < config.n; i++)
      if (strncmp (config.words[i], "--", 2) != 0)
        abort ();
  config_file_free (&config);
  close (fd);
}

static void
read_options (const uint8_t *data, size_t size)
{
  struct options options = { 0 };
  char *text = strndup ((const char *) data, size);
  uint64_t number = 7;
  bool flag;

  if (options_parse (&options, text) == 0)
    {
      options_get_bool (&options, "flag", &flag);
      if (options_get_number (&options, "number", 1, 9, &number) == 0 && (number < 1 || number > 9))
        abort ();
#ifdef PVT_HAVE_LIBSLIRP
      user_config (&options, &(SlirpConfig){ .version = 1 });
#endif
      options_take (&options, "number");
      if (options_get (&options, "number", NULL))
        abort ();
    }
  free (text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  read_file (data, size);
  read_options (data, size);
  return 0;
}
