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

/**
 * pvt_agent_error_class:
 * @error: an error
 *
 * The class that an error has on the wire; one of another domain is generic.
 *
 * Returns: (transfer none): a name such as `GenericError`
 */
const char *pvt_agent_error_class (const GError *error);

/**
 * pvt_agent_error_from_class:
 * @error_class: a name such as `GenericError`
 *
 * The way back.
 *
 * Returns: the code, %PVT_AGENT_ERROR_OTHER for a class that is not known
 */
PvtAgentError pvt_agent_error_from_class (const char *error_class);
