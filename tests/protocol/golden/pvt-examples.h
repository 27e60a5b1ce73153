/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

static const struct
{
  guint command;
  const char *args;
  const char *returns;
} pvt_examples[] = {
  { PVT_COMMAND_GUEST_DO, "{\"name\": \"x\"}", "[]" },
  { PVT_COMMAND_PVT_TELL, NULL, "5" },
};
