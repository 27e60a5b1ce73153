/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * PvtAgentError:
 * @PVT_AGENT_ERROR_GENERIC: the command failed; class `GenericError`
 * @PVT_AGENT_ERROR_COMMAND_NOT_FOUND: there is no such command, or it has been
 *   disabled; class `CommandNotFound`
 * @PVT_AGENT_ERROR_OTHER: a class that only other agents send
 *
 * What the agent in the guest answered. The message is the reply's `desc`.
 */
typedef enum
{
  PVT_AGENT_ERROR_GENERIC,
  PVT_AGENT_ERROR_COMMAND_NOT_FOUND,
  PVT_AGENT_ERROR_OTHER,
} PvtAgentError;

#define PVT_AGENT_ERROR (pvt_agent_error_quark ())
GQuark pvt_agent_error_quark (void);

/* The wire's class of an error, and back; errors of other domains are generic. */
const char *pvt_agent_error_class (const GError *error);
PvtAgentError pvt_agent_error_from_class (const char *error_class);
