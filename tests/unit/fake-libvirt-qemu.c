/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's other library, for tests: the agent does what $PVT_FAKE_AGENT says (absent,
 * silent, refuses; stopped is its domain), and its commands go to the file $PVT_FAKE_LOG. */
#include "fake-libvirt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__ ((visibility ("default"))) char *virDomainQemuAgentCommand (void *domain, const char *command,
                                                                          int timeout, unsigned flags);

static void
record (const char *command)
{
  FILE *log = getenv ("PVT_FAKE_LOG") ? fopen (getenv ("PVT_FAKE_LOG"), "a") : NULL;

  if (log == NULL)
    return;
  fprintf (log, "%s\n", command);
  fclose (log);
}

char *
virDomainQemuAgentCommand (void *domain, const char *command, int timeout, unsigned flags)
{
  const char *agent = getenv ("PVT_FAKE_AGENT") ? getenv ("PVT_FAKE_AGENT") : "";

  (void) domain;
  (void) timeout;
  (void) flags;
  record (command);
  if (strcmp (agent, "stopped") == 0)
    return pvt_fake_fail (55, "Requested operation is not valid: domain is not running");
  if (strcmp (agent, "absent") == 0)
    return pvt_fake_fail (86, "Guest agent is not responding: QEMU guest agent is not connected");
  if (strstr (command, "guest-ping"))
    return strdup ("{\"return\":{}}");
  if (strcmp (agent, "refuses") == 0)
    return pvt_fake_fail (1, "internal error: unable to execute QEMU agent command 'guest-shutdown': no");
  return pvt_fake_fail (86, "Guest agent is not responding: Guest agent not available for now");
}
