/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is open in this process. Where there is no /proc nobody can say: nothing is. */
#pragma once

/* Behind the highest descriptor that is open. */
int descriptors_end (void);

/* Before anything is opened: remembers what came with the process, but for 0, 1 and 2. */
void descriptors_inherited (void);
/* When all options are read: closes what came and was not taken. Who takes one gives it
 * FD_CLOEXEC, which it cannot have had. */
void descriptors_drop (void);
