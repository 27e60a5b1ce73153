/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-vmm: the words of the command line and what they start. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

static const struct
{
  const char *name;
  int (*run) (int argc, char **argv);
} commands[] = {
#ifdef __x86_64__
  { "run", command_run },
  { "verify", command_verify },
#endif
  { "device", command_device },
};

static int
usage (FILE *out)
{
  fputs ("usage: pvtools-vmm run --kernel FILE [OPTION...]\n"
         "       pvtools-vmm device KIND --socket PATH [--OPTION VALUE...]\n"
         "       pvtools-vmm verify [--kernel FILE --initrd FILE]\n"
         "       pvtools-vmm --version\n"
         "\n"
         "run      boots a machine; pvtools-vmm run --help\n"
         "device   serves a device model to QEMU over vhost-user; pvtools-vmm device --help\n"
         "verify   holds drivers and devices against the specification\n",
         out);
  return out == stdout ? 0 : 2;
}

int
main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--help") == 0)
    return usage (stdout);
  if (argc > 1 && strcmp (argv[1], "--version") == 0)
    {
      puts ("pvtools-vmm " PVT_VERSION);
      return 0;
    }
  for (unsigned i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);
  return usage (stderr);
}
