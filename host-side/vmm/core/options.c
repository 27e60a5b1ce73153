/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int
options_add (struct options *options, const char *key, const char *value)
{
  if (options->n == OPTIONS_MAX)
    return -E2BIG;
  options->key[options->n] = key;
  options->value[options->n++] = value;
  return 0;
}

int
options_parse (struct options *options, char *text)
{
  char *rest = text, *word;

  while ((word = strsep (&rest, ",")) != NULL)
    {
      char *value = strchr (word, '=');
      int ret;

      if (value)
        *value++ = '\0';
      ret = options_add (options, word, value ? value : "on");
      if (ret < 0)
        return ret;
    }
  return 0;
}

const char *
options_get (const struct options *options, const char *key, const char *otherwise)
{
  for (unsigned i = options->n; i-- > 0;)
    if (strcmp (options->key[i], key) == 0)
      return options->value[i];
  return otherwise;
}

const char *
options_take (struct options *options, const char *key)
{
  const char *value = options_get (options, key, NULL);
  unsigned kept = 0;

  for (unsigned i = 0; i < options->n; i++)
    if (strcmp (options->key[i], key) != 0)
      {
        options->key[kept] = options->key[i];
        options->value[kept++] = options->value[i];
      }
  options->n = kept;
  return value;
}

int
options_get_bool (const struct options *options, const char *key, bool *value)
{
  const char *text = options_get (options, key, NULL);

  if (text == NULL)
    return 0;
  if (strcmp (text, "on") != 0 && strcmp (text, "off") != 0)
    {
      vmm_log ("%s=%s: 'on' or 'off' is needed", key, text);
      return -EINVAL;
    }
  *value = strcmp (text, "on") == 0;
  return 0;
}

int
options_get_number (const struct options *options, const char *key, uint64_t min, uint64_t max,
                    uint64_t *value)
{
  const char *text = options_get (options, key, NULL);
  uint64_t number;
  char *end;

  if (text == NULL)
    return 0;
  errno = 0;
  number = strtoull (text, &end, 10);
  if (errno || end == text || *end || text[0] == '-' || number < min || number > max)
    {
      vmm_log ("%s=%s: a number from %" PRIu64 " to %" PRIu64 " is needed", key, text, min, max);
      return -EINVAL;
    }
  *value = number;
  return 0;
}

int
options_only (const struct options *options, const char *const *known)
{
  for (unsigned i = 0; i < options->n; i++)
    {
      unsigned k = 0;

      while (known[k] && strcmp (known[k], options->key[i]) != 0)
        k++;
      if (known[k] == NULL)
        {
          vmm_log ("there is no option '%s' here", options->key[i]);
          return -EINVAL;
        }
    }
  return 0;
}
