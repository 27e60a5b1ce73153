/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Remembers libvirt's last error; NULL. */
char *pvt_fake_fail (int number, const char *text);
