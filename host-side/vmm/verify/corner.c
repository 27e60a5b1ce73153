/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How each corner of the matrix is run.
 *
 * With /dev/kvm our driver meets our device in our own machine, where the auditor sees
 * the registers; else, and for Linux, our device meets QEMU over vhost-user, where the
 * registers are QEMU's and the rings ours. Everything but the first runs under TCG: it
 * needs no hardware. */
#include "verify.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host-side/vmm/machine/layout.h"

#define DISK_BYTES (4 << 20)
#define OWN_SLOTS 8u
#define LINUX_WORDS "console=ttyS0 quiet panic=-1 pvt.verify"
/* A microvm has no clock that Linux could measure its processor's by: TCG's counter
 * runs at 1 GHz. */
#define MICROVM_WORDS "tsc_early_khz=1000000 lpj=4000000"

static void
corner_free (gpointer data)
{
  struct verify_corner *corner = data;

  g_free (corner->name);
  g_free (corner->skipped);
  g_string_free (corner->wrong, TRUE);
  g_free (corner);
}

GPtrArray *
verify_corners_new (void)
{
  GPtrArray *corners = g_ptr_array_new_with_free_func (corner_free);

  for (unsigned i = 0; i < 16; i++)
    {
      struct verify_corner *corner = g_new0 (struct verify_corner, 1);

      corner->linux_driver = i & 8;
      corner->qemu_device = i & 4;
      corner->mmio = i & 2;
      corner->packed = i & 1;
      corner->name = g_strjoin ("/", corner->linux_driver ? "linux" : "ours",
                                corner->qemu_device ? "qemu" : "ours", corner->mmio ? "mmio" : "pci",
                                corner->packed ? "packed" : "split", NULL);
      corner->wrong = g_string_new (NULL);
      corner->lane = "";
      g_ptr_array_add (corners, corner);
    }
  return corners;
}

/* ---- one run ---- */

/* A run's files, and its back-ends. */
struct run
{
  const struct verify_setup *setup;
  struct verify_corner *corner;
  gboolean polite; /* our guest keeps a driver's rules: the auditor watches */
  gboolean all;    /* not only a disk and entropy, but every kind of device */
  char *disk, *output, *echo, *vsock, *host, *wire[2], *audit[2], *socket[2];
  GPid backend[2];
};

static const char *const kinds[2] = { "blk", "rng" };

static void
add (GPtrArray *argv, const char *first, ...)
{
  va_list args;

  va_start (args, first);
  for (const char *word = first; word; word = va_arg (args, const char *))
    g_ptr_array_add (argv, g_strdup (word));
  va_end (args);
}

static void
add_take (GPtrArray *argv, const char *option, char *word)
{
  g_ptr_array_add (argv, g_strdup (option));
  g_ptr_array_add (argv, word);
}

/* What our guest is told: the rings of this corner. */
static char *
guest_words (const struct run *run)
{
  return g_strdup_printf ("variants=%s frames=16 vsock-echo=7%s", run->corner->packed ? "0x0f" : "0xf0",
                          run->polite ? " polite=1" : "");
}

/* Where our machine has virtio-mmio (machine/layout.h); empty slots are passed by. */
static char *
own_slots (void)
{
  GString *words = g_string_new (NULL);

  for (unsigned i = 0; i < OWN_SLOTS; i++)
    g_string_append_printf (words, " virtio_mmio.device=4K@0x%x:%u", MAP_VIRTIO_MMIO + i * MAP_VIRTIO_MMIO_STEP,
                            GSI_VIRTIO + i);
  return g_string_free (words, FALSE);
}

/* All devices in our own machine, where the auditor sees the registers, too. */
static void
own_machine (struct run *run, GPtrArray *argv)
{
  g_autofree char *words = guest_words (run);
  g_autofree char *slots = run->corner->mmio ? own_slots () : g_strdup ("");

  add (argv, run->setup->vmm, "run", "--no-reboot", "--kernel", run->setup->testguest, "--memory",
       "64", "--transport", run->corner->mmio ? "mmio" : "pci", "--rng", NULL);
  add_take (argv, "--disk", g_strdup_printf ("file=%s,serial=verify", run->disk));
  for (unsigned i = 0; i < 2 && run->all; i++)
    add_take (argv, "--net", g_strdup_printf ("local=%s,peer=%s", run->wire[i], run->wire[1 - i]));
  if (run->all)
    {
      add (argv, "--balloon", NULL);
      add_take (argv, "--port", g_strdup_printf ("echo=%s", run->echo));
      add_take (argv, "--vsock", g_strdup_printf ("cid=3,socket=%s", run->vsock));
    }
  add_take (argv, "--append", g_strconcat (words, slots, NULL));
  if (run->polite)
    g_ptr_array_add (argv, g_strdup_printf ("--audit=%s", run->audit[0]));
}

static gboolean
start_backends (struct run *run, GError **error)
{
  for (unsigned i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

      add (argv, run->setup->vmm, "device", kinds[i], "--socket", run->socket[i], NULL);
      if (i == 0)
        add (argv, "--file", run->disk, "--serial", "verify", NULL);
      if (run->polite)
        g_ptr_array_add (argv, g_strdup_printf ("--audit=%s", run->audit[i]));
      g_ptr_array_add (argv, NULL);
      run->backend[i] = verify_start ((char **) argv->pdata, run->socket[i], error);
      if (run->backend[i] == 0)
        return FALSE;
    }
  return TRUE;
}

static void
qemu_devices (const struct run *run, GPtrArray *argv)
{
  const char *suffix = run->corner->mmio ? "-device" : "-pci";
  const char *packed = run->corner->packed ? ",packed=on" : "";

  add_take (argv, "-drive",
            g_strdup_printf ("if=none,id=disk,file=%s,format=raw,discard=unmap", run->disk));
  add (argv, "-object", "rng-random,id=random,filename=/dev/urandom", NULL);
  add_take (argv, "-device", g_strdup_printf ("virtio-blk%s,drive=disk,serial=verify%s", suffix, packed));
  add_take (argv, "-device", g_strdup_printf ("virtio-rng%s,rng=random%s", suffix, packed));
  if (!run->all)
    return;
  for (unsigned i = 0; i < 2; i++)
    {
      add_take (argv, "-netdev", g_strdup_printf ("hubport,id=wire%u,hubid=0", i));
      add_take (argv, "-device", g_strdup_printf ("virtio-net%s,netdev=wire%u%s", suffix, i, packed));
    }
  add_take (argv, "-device", g_strdup_printf ("virtio-balloon%s%s", suffix, packed));
  add_take (argv, "-chardev", g_strdup_printf ("socket,id=echo,path=%s,server=on,wait=off", run->echo));
  add_take (argv, "-device", g_strdup_printf ("virtio-serial%s%s", suffix, packed));
  add (argv, "-device", "virtserialport,chardev=echo,name=echo", NULL);
}

static void
our_devices (const struct run *run, GPtrArray *argv)
{
  add (argv, "-object", "memory-backend-memfd,id=m,size=256M,share=on", NULL);
  for (unsigned i = 0; i < 2; i++)
    {
      add_take (argv, "-chardev", g_strdup_printf ("socket,id=%s,path=%s", kinds[i], run->socket[i]));
      add_take (argv, "-device",
                g_strdup_printf ("vhost-user-%s%s,chardev=%s%s%s", kinds[i],
                                 run->corner->mmio ? "" : "-pci", kinds[i],
                                 i == 0 ? ",num-queues=1" : "", run->corner->packed ? ",packed=on" : ""));
    }
}

static void
qemu (struct run *run, GPtrArray *argv)
{
  const struct verify_corner *corner = run->corner;
  const char *memory = corner->qemu_device ? "" : ",memory-backend=m";

  add (argv, run->setup->qemu, "-accel", "tcg,thread=multi", "-m", "256", "-nodefaults", "-display",
       "none", "-no-reboot", "-serial", "stdio", NULL);
  add_take (argv, "-machine",
            g_strdup_printf ("%s%s", !corner->mmio         ? "q35"
                                     : corner->linux_driver ? "microvm,acpi=on"
                                                            : "microvm,acpi=off",
                             memory));
  if (corner->mmio)
    add (argv, "-global", "virtio-mmio.force-legacy=false", NULL);
  if (corner->linux_driver)
    add (argv, "-cpu", "max", "-kernel", run->setup->kernel, "-initrd", run->setup->initrd, "-append",
         corner->mmio ? LINUX_WORDS " " MICROVM_WORDS : LINUX_WORDS, NULL);
  else
    {
      add_take (argv, "-append", guest_words (run));
      add (argv, "-kernel", run->setup->testguest, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", NULL);
    }
  if (corner->qemu_device)
    qemu_devices (run, argv);
  else
    our_devices (run, argv);
}

/* The auditor writes its report when QEMU has let go of the socket. */
static void
wait_report (const char *path)
{
  for (unsigned i = 0; i < 500; i++)
    {
      g_autofree char *text = NULL;

      if (g_file_get_contents (path, &text, NULL, NULL) && strstr (text, "\"checked\""))
        return;
      g_usleep (20000);
    }
}

static void
collect (struct run *run, int status, GPtrArray *clauses)
{
  struct verify_corner *corner = run->corner;

  verify_read_tap (corner, run->output, clauses);
  /* isa-debug-exit turns 0 into 1; Linux powers off. */
  if (status != 0 && (status != 1 || corner->linux_driver))
    {
      corner->bad++;
      g_string_append_printf (corner->wrong, "the machine ended with %d\n", status);
    }
  for (unsigned i = 0; i < 2 && run->polite && !corner->qemu_device; i++)
    {
      if (run->backend[i])
        wait_report (run->audit[i]);
      verify_read_audit (corner, run->audit[i], clauses);
    }
}

static void
run_once (struct run *run, gboolean own, GPtrArray *clauses)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  struct verify_echo *echo = run->all ? verify_echo_start (run->echo, FALSE) : NULL;
  struct verify_echo *host = run->all && own ? verify_echo_start (run->host, TRUE) : NULL;
  int status = -1;

  if (own)
    own_machine (run, argv);
  else
    qemu (run, argv);
  g_ptr_array_add (argv, NULL);
  if (own || run->corner->qemu_device || start_backends (run, &error))
    status = verify_run ((char **) argv->pdata, run->output, run->setup->timeout, &error);
  if (error)
    {
      run->corner->bad++;
      g_string_append_printf (run->corner->wrong, "%s\n", error->message);
    }
  verify_echo_stop (echo);
  verify_echo_stop (host);
  collect (run, error ? 0 : status, clauses);
  for (unsigned i = 0; i < 2; i++)
    verify_stop (run->backend[i]);
}

static void
run_in_directory (struct verify_corner *corner, const struct verify_setup *setup, gboolean own,
                  gboolean polite, GPtrArray *clauses)
{
  g_autofree char *directory = g_build_filename (setup->directory, "run-XXXXXX", NULL);
  struct run run = { .setup = setup, .corner = corner, .polite = polite };
  g_autofree char *zeroes = g_malloc0 (DISK_BYTES);

  if (g_mkdtemp (directory) == NULL)
    return;
  run.disk = g_build_filename (directory, "disk", NULL);
  run.output = g_build_filename (directory, "output", NULL);
  run.echo = g_build_filename (directory, "echo", NULL);
  run.vsock = g_build_filename (directory, "vsock", NULL);
  run.host = g_strconcat (run.vsock, "_7", NULL); /* where port 7 of the host's is */
  run.all = polite && !corner->linux_driver && (own || corner->qemu_device);
  for (unsigned i = 0; i < 2; i++)
    {
      run.audit[i] = g_strdup_printf ("%s/%s.audit", directory, kinds[i]);
      run.socket[i] = g_strdup_printf ("%s/%s.sock", directory, kinds[i]);
      run.wire[i] = g_strdup_printf ("%s/wire%u", directory, i);
    }
  if (g_file_set_contents (run.disk, zeroes, DISK_BYTES, NULL))
    run_once (&run, own, clauses);
  for (unsigned i = 0; i < 2; i++)
    {
      g_unlink (run.audit[i]);
      g_unlink (run.socket[i]);
      g_unlink (run.wire[i]);
      g_free (run.wire[i]);
      g_free (run.audit[i]);
      g_free (run.socket[i]);
    }
  g_unlink (run.disk);
  g_unlink (run.output);
  g_unlink (run.echo);
  g_unlink (run.vsock);
  g_unlink (run.host);
  g_free (run.echo);
  g_free (run.vsock);
  g_free (run.host);
  g_rmdir (directory);
  g_free (run.disk);
  g_free (run.output);
}

static const char *
missing (const struct verify_corner *corner, const struct verify_setup *setup, gboolean own)
{
  if (!own && setup->qemu == NULL)
    return "there is no qemu-system-x86_64";
  if (corner->linux_driver && (setup->kernel == NULL || setup->initrd == NULL))
    return "there is no Linux: --kernel and --initrd name one";
  if (!corner->linux_driver && setup->testguest == NULL)
    return "there is no test guest: --testguest names one";
  return NULL;
}

void
verify_corner_run (struct verify_corner *corner, const struct verify_setup *setup, GPtrArray *clauses)
{
  gboolean own = !corner->linux_driver && !corner->qemu_device && setup->kvm;
  const char *reason = missing (corner, setup, own);

  if (reason)
    {
      corner->skipped = g_strdup (reason);
      return;
    }
  corner->lane = own                    ? "pvtools-vmm run on KVM, six kinds of device"
                 : !corner->qemu_device ? "vhost-user to QEMU, TCG: disk, entropy"
                 : corner->linux_driver ? "QEMU, TCG: disk, entropy"
                                        : "QEMU, TCG, five kinds of device";
  run_in_directory (corner, setup, own, TRUE, clauses);
  /* Once more with what no driver may ask for, unwatched. */
  if (!corner->linux_driver)
    run_in_directory (corner, setup, own, FALSE, clauses);
}
