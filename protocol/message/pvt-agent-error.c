/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pvt-agent-error.h"

#include <string.h>

G_DEFINE_QUARK (pvt-agent-error-quark, pvt_agent_error)

#define NOT_FOUND "CommandNotFound"
#define GENERIC "GenericError"

const char *
pvt_agent_error_class (const GError *error)
{
  if (g_error_matches (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND))
    return NOT_FOUND;
  return GENERIC;
}

PvtAgentError
pvt_agent_error_from_class (const char *error_class)
{
  if (strcmp (error_class, NOT_FOUND) == 0)
    return PVT_AGENT_ERROR_COMMAND_NOT_FOUND;
  return strcmp (error_class, GENERIC) == 0 ? PVT_AGENT_ERROR_GENERIC : PVT_AGENT_ERROR_OTHER;
}
