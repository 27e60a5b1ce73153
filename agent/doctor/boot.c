/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the next boot will need: drivers in the initial RAM disk, names that stay. */
#include "doctor.h"

#include "agent/platform/child.h"
#include "agent/platform/text.h"

#include <string.h>
#include <sys/utsname.h>

#define LIST_MS 60000

/* What a guest must have to find its root on any virtio bus. */
static const char *const needed[] = { "virtio_pci", "virtio_blk", "virtio_scsi" };

/* The release of the kernel that the next boot takes, as far as a link says, or
 * else of the one that runs. */
static void
next_release (const PvtDoctor *doctor, char *release, gsize size)
{
  static const char *const links[] = { "vmlinuz", "boot/vmlinuz" };
  struct utsname name;
  char target[512];

  for (guint i = 0; i < G_N_ELEMENTS (links); i++)
    {
      const char *word = pvt_readlink_at (doctor->root->fd, links[i], target, sizeof target)
                             ? strstr (target, "vmlinuz-")
                             : NULL;

      if (word)
        {
          g_strlcpy (release, word + strlen ("vmlinuz-"), size);
          return;
        }
    }
  uname (&name);
  g_strlcpy (release, name.release, size);
}

static gboolean
is_built_in (const char *list, const char *module)
{
  g_autofree char *file = g_strconcat ("/", module, ".ko", NULL);

  return list && strstr (list, file) != NULL;
}

/* The modules of an initial RAM disk that are asked for, one a line; NULL: it cannot
 * be looked into. */
static char *
list_image (const PvtDoctor *doctor, const char *image)
{
  static const char script[]
      = "list=$1; command -v lsinitramfs >/dev/null && set -- lsinitramfs \"$list\" || "
        "set -- lsinitrd \"$list\"; list=$(\"$@\" 2>/dev/null) || exit 3; printf %s \"$list\" | "
        "grep -oE '/(virtio_pci|virtio_blk|virtio_scsi)\\.ko' | sort -u";
  g_autofree char *path = g_strconcat (doctor->root->path, "/", image, NULL);
  char *const argv[] = { (char *) "sh", (char *) "-c", (char *) script, (char *) "sh", path, NULL };
  const PvtChildSpec spec = { .argv = argv, .in = -1, .out = -1, .err = -1 };
  PvtChildOutcome outcome;

  if (!pvt_child_run (&spec, NULL, 0, LIST_MS, doctor->cancelled, &outcome, NULL)
      || !pvt_child_succeeded (&outcome))
    return NULL;
  return g_strdup (outcome.output);
}

static void
check_image (PvtDoctor *doctor, const char *release, const char *image)
{
  g_autofree char *path = g_strdup_printf ("lib/modules/%s/modules.builtin", release);
  gsize len;
  g_autofree char *builtin = pvt_root_read_alloc (doctor->root, path, 4u << 20, &len, NULL);
  g_autofree char *found = NULL;
  g_autoptr (GString) missing = g_string_new (NULL);
  guint n_builtin = 0;

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    n_builtin += is_built_in (builtin, needed[i]);
  found = n_builtin == G_N_ELEMENTS (needed) ? g_strdup ("") : list_image (doctor, image);
  for (guint i = 0; found && i < G_N_ELEMENTS (needed); i++)
    if (!is_built_in (builtin, needed[i]) && !is_built_in (found, needed[i]))
      g_string_append_printf (missing, "%s%s", missing->len ? ", " : "", needed[i]);
  if (found == NULL)
    pvt_doctor_say (doctor, "initrd", PVT_CHECK_STATE_SKIP, NULL,
                    "%s cannot be looked into: lsinitramfs or lsinitrd is missing or failed", image);
  else if (missing->len)
    pvt_doctor_say (doctor, "initrd", PVT_CHECK_STATE_FAIL,
                    "install pvtools-agent-drivers, or list the modules in "
                    "/etc/initramfs-tools/modules (dracut: add_drivers) and run update-initramfs "
                    "-u (dracut -f)",
                    "%s has no %s: the guest cannot boot from such a disk", image, missing->str);
  else
    pvt_doctor_say (doctor, "initrd", PVT_CHECK_STATE_PASS, NULL,
                    "%s has what a root on virtio needs", image);
}

static void
check_initrd (PvtDoctor *doctor)
{
  static const char *const forms[]
      = { "boot/initrd.img-%s", "boot/initramfs-%s.img", "boot/initrd-%s", "boot/initrd-%s.img" };
  char release[256];

  next_release (doctor, release, sizeof release);
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_auto (GStrv) parts = g_strsplit (forms[i], "%s", 2);
      g_autofree char *image = g_strconcat (parts[0], release, parts[1], NULL);

      if (pvt_root_exists (doctor->root, image))
        {
          check_image (doctor, release, image);
          return;
        }
    }
  pvt_doctor_say (doctor, "initrd", PVT_CHECK_STATE_SKIP, NULL,
                  "no initial RAM disk of kernel %s in /boot", release);
}

/* The first field of a line of fstab(5). */
static gboolean
names_a_bus (PvtText line, PvtText *source)
{
  return pvt_text_word (&line, source)
         && (pvt_text_starts (*source, "/dev/sd") || pvt_text_starts (*source, "/dev/hd")
             || pvt_text_starts (*source, "/dev/vd"));
}

/* Names that depend on the bus: the boot after a move to another would wait for them. */
static void
check_names (PvtDoctor *doctor)
{
  gsize len;
  g_autofree char *text = pvt_root_read_alloc (doctor->root, "etc/fstab", 1u << 20, &len, NULL);
  PvtText rest = pvt_text (text ? text : "", text ? len : 0), line, source;
  PvtVerdict verdict = { .n = 0 };

  while (pvt_text_line (&rest, &line))
    if (names_a_bus (line, &source))
      pvt_verdict_add (&verdict, PVT_CHECK_STATE_WARN, "/etc/fstab names %.*s",
                       (int) (source.end - source.p), source.p);
  if (text && verdict.n == 0)
    pvt_verdict_add (&verdict, PVT_CHECK_STATE_PASS, "/etc/fstab has names that stay");
  pvt_verdict_say (&verdict, doctor, "disk-names", "no /etc/fstab",
                   "name filesystems by UUID= or LABEL= (lsblk -f shows them): on another bus the "
                   "disk has another name, and the guest does not boot");
}

void
pvt_doctor_boot (PvtDoctor *doctor)
{
  check_initrd (doctor);
  check_names (doctor);
}
