/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "help.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 78
#define INDENT 10

/* Bytes up to a space that no bracket is around. */
static gsize
part_length (const char *text)
{
  gsize len = 0;

  for (guint depth = 0; text[len] && (depth > 0 || text[len] != ' '); len++)
    {
      depth += text[len] == '[';
      depth -= text[len] == ']' && depth > 0;
    }
  return len;
}

/* @column is where the line is already. */
static void
print_wrapped (const char *text, gsize column)
{
  while (*text)
    {
      gsize len = part_length (text);

      if (column + 1 + len > COLUMNS)
        {
          printf ("\n%*s", INDENT - 1, "");
          column = INDENT - 1;
        }
      printf (" %.*s", (int) len, text);
      column += 1 + len;
      text += len + (text[len] == ' ');
    }
  putchar ('\n');
}

void
pvt_help_print_verb (const PvtVerb *verb, gboolean guest)
{
  g_autofree char *words = g_strconcat (guest ? "GUEST " : "", verb->usage, NULL);

  printf ("Usage:\n  pvtools %s", verb->name);
  print_wrapped (words, strlen ("  pvtools ") + strlen (verb->name));
  printf ("\n%s\n\n"
          "man pvtools tells more of it. pvtools --help has the other verbs, what a GUEST\n"
          "is, the options for all verbs (-o json, --timeout SECONDS) and the exit codes.\n",
          verb->help);
}
