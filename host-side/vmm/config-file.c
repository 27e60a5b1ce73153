/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-side/vmm/core/log.h"

#define LINE_BYTES_MAX 4096u

static char *
trim (char *text)
{
  char *end = text + strlen (text);

  while (end > text && isspace ((unsigned char) end[-1]))
    *--end = '\0';
  while (isspace ((unsigned char) *text))
    text++;
  return text;
}

/* NULL when it is fine. */
static const char *
wrong_with (const char *key, const char *value, const struct option *known)
{
  while (known->name && strcmp (known->name, key) != 0)
    known++;
  if (known->name == NULL || strcmp (key, "config") == 0)
    return "there is no such option in a file";
  if (known->has_arg == required_argument && value == NULL)
    return "it needs a value: OPTION = VALUE";
  if (known->has_arg == no_argument && value)
    return "it takes no value";
  return NULL;
}

static int
take_line (struct config_file *config, char *text, const struct option *known, const char *where)
{
  char *key = trim (text), *value = strchr (key, '='), *word;
  const char *wrong;

  if (*key == '\0' || *key == '#')
    return 0;
  if (value)
    {
      *value++ = '\0';
      value = trim (value);
      key = trim (key);
    }
  wrong = config->n == CONFIG_WORDS_MAX ? "there are too many options" : wrong_with (key, value, known);
  if (wrong)
    {
      vmm_log ("%s: %.64s: %s", where, key, wrong);
      return -EINVAL;
    }
  if (asprintf (&word, "--%s%s%s", key, value ? "=" : "", value ? value : "") < 0)
    return -ENOMEM;
  config->words[config->n++] = word;
  return 0;
}

int
config_file_read (struct config_file *config, const char *path, const struct option *known)
{
  FILE *file = fopen (path, "re");
  char line[LINE_BYTES_MAX], where[LINE_BYTES_MAX];
  unsigned number = 0;
  int ret = 0;

  if (file == NULL)
    {
      ret = -errno;
      vmm_log ("%s: %s", path, strerror (-ret));
      return ret;
    }
  while (ret == 0 && fgets (line, sizeof line, file))
    {
      snprintf (where, sizeof where, "%s:%u", path, ++number);
      if (strlen (line) == sizeof line - 1)
        {
          vmm_log ("%s: a line has at most %u bytes", where, LINE_BYTES_MAX - 2);
          ret = -E2BIG;
        }
      else
        ret = take_line (config, line, known, where);
    }
  if (ret == 0 && ferror (file))
    {
      vmm_log ("%s: it cannot be read", path);
      ret = -EIO;
    }
  fclose (file);
  return ret;
}

void
config_file_free (struct config_file *config)
{
  while (config->n > 0)
    free (config->words[--config->n]);
}
