/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the host's programs live: in a control group of their own beside the
 * agent's, so that limits set for the agent are none for them.
 *
 * The group belongs to pvtools-exec.service, a unit that does nothing else; it is
 * delegated, so that its processes are nobody's but whoever puts them there. A
 * program is born there (clone3(2) with CLONE_INTO_CGROUP): moving one afterwards
 * costs an RCU grace period, and what it has allocated until then stays charged to
 * the agent. Where there is no such group (another init system, control groups of
 * version 1, Linux before 5.7) programs share the agent's.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * As fork(2), with the child in the group if there is one; only what is
 * async-signal-safe may be called in the child. Threads may call it at a time.
 */
pid_t pvt_exec_group_fork (void);

/*
 * The group's directory, to be freed, for @own, which is the text of the agent's
 * /proc/self/cgroup; NULL when it is not systemd's group of a service.
 */
char *pvt_exec_group_beside (const char *own);
