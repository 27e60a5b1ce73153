/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine of a run: which devices it has, and how they are asked for. */
#include "run.h"

#include "host-side/vmm/machine/layout.h"

#define OWN_SLOTS 8u
#define QEMU_MIB "256"
#define VSOCK_PORT "7"
/* A microvm has no clock that Linux could measure its processor's by: TCG's counter
 * runs at 1 GHz. */
#define MICROVM_WORDS " tsc_early_khz=1000000 lpj=4000000"

char *
verify_run_file (const struct verify_run *run, const char *name)
{
  return g_build_filename (run->directory, name, NULL);
}

static void
add (GPtrArray *argv, const char *first, ...)
{
  va_list args;

  va_start (args, first);
  for (const char *word = first; word; word = va_arg (args, const char *))
    g_ptr_array_add (argv, g_strdup (word));
  va_end (args);
}

static void add_format (GPtrArray *argv, const char *option, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
add_format (GPtrArray *argv, const char *option, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (argv, g_strdup (option));
  g_ptr_array_add (argv, g_strdup_vprintf (format, args));
  va_end (args);
}

/* ---- what guests are told ---- */

/* Ours: the rings of this corner. QEMU's virtio-mmio (7.2) offers to reset queues and has no
 * register for it; whoever else offers it is asked with requests under way. */
static char *
guest_words (const struct verify_run *run)
{
  const struct verify_corner *corner = run->corner;

  return g_strdup_printf ("variants=%s frames=16 queue-reset=%s vsock-echo=" VSOCK_PORT "%s",
                          corner->packed ? "0x0f" : "0xf0",
                          corner->qemu_device ? corner->mmio ? "maybe" : "yes" : "busy",
                          run->polite ? " polite=1" : "");
}

/* Linux: what it must find (tests/guest/files/micro-verify). */
static char *
linux_words (const struct verify_run *run)
{
  return g_strconcat ("console=ttyS0 quiet panic=-1 pvt.verify=",
                      run->corner->packed ? "packed," : "",
                      run->corner->qemu_device ? "net,console,balloon" : "net,vsock",
                      run->corner->mmio ? MICROVM_WORDS : "", NULL);
}

/* ---- our own machine ---- */

/* Where it has virtio-mmio (machine/layout.h); empty slots are passed by. */
static char *
own_slots (void)
{
  GString *words = g_string_new (NULL);

  for (unsigned i = 0; i < OWN_SLOTS; i++)
    g_string_append_printf (words, " virtio_mmio.device=4K@0x%x:%u", MAP_VIRTIO_MMIO + i * MAP_VIRTIO_MMIO_STEP,
                            GSI_VIRTIO + i);
  return g_string_free (words, FALSE);
}

/* All devices are in it, and the auditor sees the registers, too. */
static void
own_machine (const struct verify_run *run, GPtrArray *argv)
{
  g_autofree char *words = guest_words (run);
  g_autofree char *slots = run->corner->mmio ? own_slots () : g_strdup ("");
  const char *directory = run->directory;

  add (argv, run->setup->vmm, "run", "--no-reboot", "--kernel", run->setup->testguest, "--memory",
       "64", "--transport", run->corner->mmio ? "mmio" : "pci", "--rng", NULL);
  add_format (argv, "--disk", "file=%s/disk,serial=verify", directory);
  for (unsigned i = 0; i < 2 && run->all; i++)
    add_format (argv, "--net", "local=%s/wire%u,peer=%s/wire%u", directory, i, directory, 1 - i);
  if (run->all)
    {
      add (argv, "--balloon", NULL);
      add_format (argv, "--port", "echo=%s/echo", directory);
      add_format (argv, "--vsock", "cid=3,socket=%s/vsock", directory);
    }
  add_format (argv, "--append", "%s%s", words, slots);
  if (run->polite)
    g_ptr_array_add (argv, g_strdup_printf ("--audit=%s/audit", directory));
}

/* ---- our devices beside QEMU ---- */

/* Name, kind, options, and whether it is there when not all are. */
static const struct
{
  const char *name, *kind;
  gboolean always;
} backends[BACKENDS_MAX] = {
  { "blk", "blk", TRUE }, { "rng", "rng", TRUE }, { "net0", "net", FALSE }, { "net1", "net", FALSE },
  { "vsock", "vsock", FALSE },
};

static gboolean
has_backend (const struct verify_run *run, unsigned i)
{
  return !run->own && !run->corner->qemu_device && (run->all || backends[i].always);
}

static void
backend_options (const struct verify_run *run, const char *name, GPtrArray *argv)
{
  const char *directory = run->directory;

  if (g_str_equal (name, "blk"))
    {
      add (argv, "--serial", "verify", NULL);
      add_format (argv, "--file", "%s/disk", directory);
    }
  else if (g_str_has_prefix (name, "net")) /* with one the checksums travel, with the other they are made */
    {
      add_format (argv, "--local", "%s/wire%c", directory, name[3]);
      add_format (argv, "--peer", "%s/wire%c", directory, name[3] ^ 1);
      add (argv, "--offload", run->corner->packed ? "on" : "off", NULL);
    }
  else if (g_str_equal (name, "vsock"))
    {
      add (argv, "--cid", "3", NULL);
      add_format (argv, "--path", "%s/vsock", directory);
    }
}

gboolean
verify_run_backends (struct verify_run *run, GError **error)
{
  for (unsigned i = 0; i < BACKENDS_MAX; i++)
    {
      g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
      g_autofree char *socket = g_strdup_printf ("%s/%s.sock", run->directory, backends[i].name);

      if (!has_backend (run, i))
        continue;
      add (argv, run->setup->vmm, "device", backends[i].kind, "--socket", socket, NULL);
      backend_options (run, backends[i].name, argv);
      if (run->polite)
        g_ptr_array_add (argv, g_strdup_printf ("--audit=%s/%s.audit", run->directory, backends[i].name));
      g_ptr_array_add (argv, NULL);
      run->backend[i] = verify_start ((char **) argv->pdata, socket, error);
      if (run->backend[i] == 0)
        return FALSE;
    }
  return TRUE;
}

char **
verify_run_audits (const struct verify_run *run)
{
  GPtrArray *paths = g_ptr_array_new ();

  if (run->own && run->polite)
    g_ptr_array_add (paths, verify_run_file (run, "audit"));
  for (unsigned i = 0; i < BACKENDS_MAX && run->polite; i++)
    if (has_backend (run, i))
      g_ptr_array_add (paths, g_strdup_printf ("%s/%s.audit", run->directory, backends[i].name));
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (paths, FALSE);
}

/* ---- QEMU ---- */

/* The last part of a device's name. */
static const char *
bus_of (const struct verify_run *run)
{
  return run->corner->mmio ? "device" : "pci";
}

static const char *
ring_of (const struct verify_run *run)
{
  return run->corner->packed ? ",packed=on" : "";
}

/* QEMU 7.2.22's NIC receives nothing from Linux 6.1's driver with packed rings and EVENT_IDX:
 * not one interrupt comes. Without EVENT_IDX all is well. */
static const char *
nic_ring (const struct verify_run *run)
{
  return run->corner->packed && run->corner->linux_driver ? ",packed=on,event_idx=off" : ring_of (run);
}

static void
qemu_devices (const struct verify_run *run, GPtrArray *argv)
{
  const char *bus = bus_of (run), *ring = ring_of (run), *directory = run->directory;

  add_format (argv, "-drive", "if=none,id=disk,file=%s/disk,format=raw,discard=unmap", directory);
  add (argv, "-object", "rng-random,id=random,filename=/dev/urandom", NULL);
  add_format (argv, "-device", "virtio-blk-%s,drive=disk,serial=verify%s", bus, ring);
  add_format (argv, "-device", "virtio-rng-%s,rng=random%s", bus, ring);
  if (!run->all)
    return;
  for (unsigned i = 0; i < 2; i++)
    {
      add_format (argv, "-netdev", "hubport,id=wire%u,hubid=0", i);
      add_format (argv, "-device", "virtio-net-%s,netdev=wire%u%s", bus, i, nic_ring (run));
    }
  add_format (argv, "-device", "virtio-balloon-%s%s", bus, ring);
  add_format (argv, "-chardev", "socket,id=echo,path=%s/echo,server=on,wait=off", directory);
  add_format (argv, "-device", "virtio-serial-%s%s", bus, ring);
  add (argv, "-device", "virtserialport,chardev=echo,name=echo", NULL);
  if (!run->corner->linux_driver)
    return;
  /* There somebody says how large the guest is to be. */
  add_format (argv, "-monitor", "unix:%s/monitor,server=on,wait=off", directory);
}

/* NICs without MSI-X: QEMU 7.2 ends by a null pointer when a guest masks a vector of one that
 * is elsewhere and no KVM routes it. */
static void
our_devices (const struct verify_run *run, GPtrArray *argv)
{
  const char *bus = run->corner->mmio ? "" : "-pci", *ring = ring_of (run);

  add (argv, "-object", "memory-backend-memfd,id=m,size=" QEMU_MIB "M,share=on", NULL);
  for (unsigned i = 0; i < BACKENDS_MAX; i++)
    {
      const char *name = backends[i].name, *kind = backends[i].kind;

      if (!has_backend (run, i))
        continue;
      add_format (argv, "-chardev", "socket,id=%s,path=%s/%s.sock", name, run->directory, name);
      if (g_str_equal (kind, "net"))
        {
          add_format (argv, "-netdev", "vhost-user,id=wire%s,chardev=%s", name, name);
          add_format (argv, "-device", "virtio-net-%s,netdev=wire%s%s%s", bus_of (run), name,
                      run->corner->mmio ? "" : ",vectors=0", ring);
        }
      else
        add_format (argv, "-device", "vhost-user-%s%s,chardev=%s%s%s", kind,
                    g_str_equal (kind, "vsock") && run->corner->mmio ? "-device" : bus, name,
                    i == 0 ? ",num-queues=1" : "", ring);
    }
}

/* With one processor at most QEMU 7.2 leaves out the guest's memory barriers, which our
 * devices in their own processes rely on: so there may be two. */
static void
qemu (const struct verify_run *run, GPtrArray *argv)
{
  const struct verify_corner *corner = run->corner;
  g_autofree char *words = corner->linux_driver ? linux_words (run) : guest_words (run);

  add (argv, run->setup->qemu, "-accel", "tcg,thread=multi", "-smp", "1,maxcpus=2", "-m", QEMU_MIB,
       "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-append", words, NULL);
  add_format (argv, "-machine", "%s%s",
              !corner->mmio          ? "q35"
              : corner->linux_driver ? "microvm,acpi=on"
                                     : "microvm,acpi=off",
              corner->qemu_device ? "" : ",memory-backend=m");
  if (corner->mmio)
    add (argv, "-global", "virtio-mmio.force-legacy=false", NULL);
  if (corner->linux_driver)
    add (argv, "-cpu", "max", "-kernel", run->setup->kernel, "-initrd", run->setup->initrd, NULL);
  else
    add (argv, "-kernel", run->setup->testguest, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", NULL);
  if (corner->qemu_device)
    qemu_devices (run, argv);
  else
    our_devices (run, argv);
}

GPtrArray *
verify_run_machine (const struct verify_run *run)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

  if (run->own)
    own_machine (run, argv);
  else
    qemu (run, argv);
  g_ptr_array_add (argv, NULL);
  return argv;
}

const char *
verify_run_lane (const struct verify_run *run)
{
  if (run->own)
    return "pvtools-vmm run on KVM, six kinds of device";
  return run->corner->qemu_device ? "QEMU, TCG: five kinds of device"
                                  : "vhost-user to QEMU, TCG: disk, entropy, network, sockets";
}
