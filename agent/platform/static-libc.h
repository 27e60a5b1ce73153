/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent that is one program with the C library in it (-Dagent-static=true).
 *
 * Such a program runs on a C library that it does not know, so it must load nothing of
 * it. dlopen(3) would; library.c leaves that out, and whoever wanted a library does
 * without. So would the C library itself, for users of nsswitch.conf(5) and for
 * character sets, iconv_open(3): static-libc.c has these functions again, by the files
 * alone. The linker takes them, being of the program, in place of those of libc.a.
 */
#pragma once

#ifdef PVT_AGENT_STATIC
/* To be added to a message about a user, or a library, that is not there. */
#define PVT_NO_SUCH_USER " in /etc/passwd, which is all that a static agent asks"
#define PVT_NO_LIBRARY "a static agent loads no libraries, and this takes "
#else
#define PVT_NO_SUCH_USER ""
#define PVT_NO_LIBRARY "there is no "
#endif
