/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-vmm run: a machine from the command line. */
#include "agent-view.h"
#include "commands.h"
#include "config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <virtio/device.h>

#include "host-side/vmm/control/control.h"
#include "host-side/vmm/core/copier.h"
#include "host-side/vmm/core/descriptors.h"
#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/lab.h"
#include "host-side/vmm/machine/machine.h"
#include "host-side/vmm/machine/terminal.h"
#include "host-side/vmm/virtio/balloon-device.h"
#include "host-side/vmm/virtio/devices.h"

#define MIB (UINT64_C (1) << 20)
#define MEMORY_MIN 4u
#define MEMORY_MAX (1u << 20)
#define AGENT_PORT "org.qemu.guest_agent.0"

struct run
{
  struct loader_plan plan;
  uint64_t memory; /* bytes */
  uint64_t page;   /* of huge pages, bytes; 0: ordinary ones */
  unsigned vcpus;
  struct options ports;
  unsigned n_devices;
  struct machine_slot slots[MACHINE_DEVICES_MAX];
  enum machine_transport transport; /* of what comes next */
  const char *serial_path; /* or NULL */
  bool mmio_cmdline;
  char *cmdline; /* with what we add, or NULL */
  int serial_fd;
  const char *control_path; /* or NULL */
  const char *page_path;    /* or NULL */
  bool paused, no_sandbox, no_reboot, pvpanic_pci;
  const char *generation; /* or NULL */
  bool agent;
  int n_config; /* files that were read */
  const char *agent_path; /* its port's socket */
  char own_agent_path[64];
  struct lab lab;
};

static int
take_transport (const char *text, enum machine_transport *transport)
{
  if (text == NULL)
    return 0;
  if (strcmp (text, "pci") != 0 && strcmp (text, "mmio") != 0)
    {
      vmm_log ("transport=%s: 'pci' or 'mmio' is needed", text);
      return -EINVAL;
    }
  *transport = strcmp (text, "pci") == 0 ? MACHINE_PCI : MACHINE_MMIO;
  return 0;
}

static int
add_device (struct run *run, const struct vdev_kind *kind, struct options *options)
{
  struct machine_slot *slot = &run->slots[run->n_devices];
  int ret;

  if (run->n_devices == MACHINE_DEVICES_MAX)
    {
      vmm_log ("at most %u devices", MACHINE_DEVICES_MAX);
      return -ENOSPC;
    }
  slot->transport = run->transport;
  ret = take_transport (options_take (options, "transport"), &slot->transport);
  if (ret == 0)
    ret = vdev_kind_create (kind, options, true, &slot->dev);
  if (ret == 0)
    run->n_devices++;
  return ret;
}

static int
parse_device (struct run *run, const char *kind, char *text)
{
  struct options options = { 0 };
  int ret = text ? options_parse (&options, text) : 0;

  return ret < 0 ? ret : add_device (run, vdev_kind_find (kind), &options);
}

static int
number (const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
  struct options options = { 0 };

  options_add (&options, name, text);
  return options_get_number (&options, name, min, max, value);
}

static int
take_page (struct run *run, const char *text)
{
  if (text == NULL || strcmp (text, "2M") == 0)
    run->page = 2 * MIB;
  else if (strcmp (text, "1G") == 0)
    run->page = 1024 * MIB;
  else
    {
      vmm_log ("hugepages=%s: '2M' or '1G' is needed", text);
      return -EINVAL;
    }
  return 0;
}

/* A number with or without the M of MiB, which changes nothing, or with a G. */
static int
take_memory (struct run *run, char *text)
{
  size_t len = strlen (text);
  uint64_t value, scale = 1;
  int ret;

  if (len > 1 && strchr ("mMgG", text[len - 1]))
    {
      scale = text[len - 1] == 'g' || text[len - 1] == 'G' ? 1024 : 1;
      text[len - 1] = '\0';
    }
  ret = number ("memory", text, (MEMORY_MIN + scale - 1) / scale, MEMORY_MAX / scale, &value);
  run->memory = ret == 0 ? value * scale * MIB : 0;
  return ret;
}

/* A disk's file may come first, without a word for it. */
static int
take_disk (struct run *run, char *text)
{
  size_t first = strcspn (text, "=,");
  struct options options = { 0 };
  int ret;

  if (text[first] == '=')
    return parse_device (run, "blk", text);
  ret = options_add (&options, "file", text);
  if (text[first] == ',')
    {
      text[first] = '\0';
      ret = options_parse (&options, text + first + 1);
    }
  return ret < 0 ? ret : add_device (run, vdev_kind_find ("blk"), &options);
}

static int
open_serial (struct run *run)
{
  const char *path = run->serial_path;

  if (path == NULL || strcmp (path, "stdio") == 0)
    return 0;
  if (strcmp (path, "none") == 0)
    {
      run->serial_fd = -1;
      return 0;
    }
  run->serial_fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (run->serial_fd >= 0)
    return 0;
  vmm_log ("%s: %s", path, strerror (errno));
  return -errno;
}

static int
take (struct run *run, int option, char *text)
{
  uint64_t value;
  int ret;

  switch (option)
    {
    case 'k':
      run->plan.kernel = text;
      return 0;
    case 'i':
      run->plan.initrd = text;
      return 0;
    case 'p':
      run->plan.cmdline = text;
      return 0;
    case 'm':
      return take_memory (run, text);
    case 'H':
      return take_page (run, text);
    case 'c':
      ret = number ("cpus", text, 1, VM_VCPUS_MAX, &value);
      run->vcpus = ret == 0 ? (unsigned) value : 0;
      return ret;
    case 'd':
      return take_disk (run, text);
    case 'n':
      return parse_device (run, "net", text);
    case 'r':
      return parse_device (run, "rng", text);
    case 'b':
      return parse_device (run, "balloon", text);
    case 'v':
      return parse_device (run, "vsock", text);
    case 'o':
      return options_parse (&run->ports, text);
    case 'M':
      run->mmio_cmdline = true;
      return 0;
    case 't':
      return take_transport (text, &run->transport);
    case 'q':
      run->control_path = text;
      return 0;
    case 'P':
      run->page_path = text;
      return 0;
    case 'N':
      run->no_sandbox = true;
      return 0;
    case 'G':
      run->generation = text;
      return 0;
    case 'V':
      run->pvpanic_pci = true;
      return 0;
    case 'R':
      run->no_reboot = true;
      return 0;
    case 'w':
      run->paused = true;
      return 0;
    case 'A':
      lab_audit (&run->lab, text);
      return 0;
    case 'F':
      return lab_fault (&run->lab, text);
    case 'S':
      return lab_seed (&run->lab, text);
    case 's':
      run->serial_path = text;
      return 0;
    case 'g':
      run->agent = true;
      return 0;
    case 'f': /* its lines came first */
      if (run->n_config-- > 0)
        return 0;
      vmm_log ("--config is written in full, and behind it a file");
      return -EINVAL;
    default:
      return -EINVAL;
    }
}

/* Letters and second names are those of kvmtool and QEMU. */
static const char short_options[] = "k:i:p:m:c:d:n:";
static const struct option long_options[] = {
  { "kernel", required_argument, NULL, 'k' },    { "initrd", required_argument, NULL, 'i' },
  { "append", required_argument, NULL, 'p' },    { "params", required_argument, NULL, 'p' },
  { "memory", required_argument, NULL, 'm' },    { "mem", required_argument, NULL, 'm' },
  { "cpus", required_argument, NULL, 'c' },      { "smp", required_argument, NULL, 'c' },
  { "hugepages", optional_argument, NULL, 'H' }, { "disk", required_argument, NULL, 'd' },
  { "net", required_argument, NULL, 'n' },       { "network", required_argument, NULL, 'n' },
  { "rng", optional_argument, NULL, 'r' },       { "port", required_argument, NULL, 'o' },
  { "balloon", optional_argument, NULL, 'b' },   { "vsock", required_argument, NULL, 'v' },
  { "serial", required_argument, NULL, 's' },    { "qmp", required_argument, NULL, 'q' },
  { "audit", optional_argument, NULL, 'A' },     { "fault", required_argument, NULL, 'F' },
  { "seed", required_argument, NULL, 'S' },      { "transport", required_argument, NULL, 't' },
  { "mmio-cmdline", no_argument, NULL, 'M' },    { "paused", no_argument, NULL, 'w' },
  { "no-sandbox", no_argument, NULL, 'N' },      { "shared-page", required_argument, NULL, 'P' },
  { "no-reboot", no_argument, NULL, 'R' },       { "vmgenid", required_argument, NULL, 'G' },
  { "pvpanic-pci", no_argument, NULL, 'V' },     { "config", required_argument, NULL, 'f' },
  { "agent", no_argument, NULL, 'g' },           { NULL, 0, NULL, 0 },
};

/* The agent's port, which is made when it was not asked for. */
static int
find_agent_port (struct run *run)
{
  const char *directory = getenv ("XDG_RUNTIME_DIR");

  if (!run->agent)
    return 0;
  run->agent_path = options_get (&run->ports, AGENT_PORT, NULL);
  if (run->agent_path)
    return 0;
  if (directory == NULL || strlen (directory) > 40)
    directory = "/tmp";
  snprintf (run->own_agent_path, sizeof run->own_agent_path, "%s/pvtools-vmm-%d.agent", directory,
            (int) getpid ());
  run->agent_path = run->own_agent_path;
  return options_add (&run->ports, AGENT_PORT, run->agent_path);
}

/* "-device" is not "-d evice"; "-m512" is what it looks like. */
static bool
is_letter_by_mistake (const char *word)
{
  if (optarg != word + 2 || word[0] != '-' || (*optarg >= '0' && *optarg <= '9'))
    return false;
  vmm_log ("there is no option '%s'; see pvtools-vmm run --help", word);
  return true;
}

static int
parse (int argc, char **argv, struct run *run)
{
  int option, ret = 0;

  while (ret == 0 && (option = getopt_long_only (argc, argv, short_options, long_options, NULL)) != -1)
    ret = is_letter_by_mistake (argv[optind - 1]) ? -EINVAL : take (run, option, optarg);
  if (ret == 0 && (optind < argc || run->plan.kernel == NULL))
    {
      vmm_log ("%s; see pvtools-vmm run --help",
               optind < argc ? "there are words behind the options" : "--kernel is needed");
      ret = -EINVAL;
    }
  if (ret == 0)
    ret = open_serial (run);
  if (ret == 0)
    ret = find_agent_port (run);
  if (ret == 0 && run->ports.n > 0)
    ret = add_device (run, vdev_kind_find ("console"), &run->ports);
  for (unsigned i = 0; i < run->n_devices && ret == 0; i++)
    ret = lab_add (&run->lab, run->slots[i].dev);
  return ret;
}

/* The words of --config FILE go before those of the command line, so that the latter win. */
static int
parse_with_config (int argc, char **argv, struct run *run, struct config_file *config)
{
  char **all;
  int ret = 0;

  for (int i = 1; i < argc && ret == 0; i++)
    {
      const char *path = NULL;

      if (strncmp (argv[i], "--config=", 9) == 0 || strncmp (argv[i], "-config=", 8) == 0)
        path = strchr (argv[i], '=') + 1;
      else if ((strcmp (argv[i], "--config") == 0 || strcmp (argv[i], "-config") == 0) && i + 1 < argc)
        path = argv[++i];
      run->n_config += path != NULL;
      ret = path ? config_file_read (config, path, long_options) : 0;
    }
  if (ret < 0)
    return ret;
  all = calloc ((size_t) argc + config->n + 1, sizeof *all);
  if (all == NULL)
    return -ENOMEM;
  all[0] = argv[0];
  memcpy (all + 1, config->words, config->n * sizeof *all);
  memcpy (all + 1 + config->n, argv + 1, (size_t) (argc - 1) * sizeof *all);
  ret = parse (argc + (int) config->n, all, run);
  free (all);
  return ret;
}

/* A guest's program opened or closed a port: from the console's worker. */
static void
on_port (void *data, unsigned index, bool open)
{
  char text[64];

  snprintf (text, sizeof text, "{\"open\": %s, \"id\": \"port%u\"}", open ? "true" : "false", index);
  control_event (data, "VSERPORT_CHANGE", text);
}

/* From a vCPU. */
static void
on_panic (void *data)
{
  control_event (data, "GUEST_PANICKED", "{\"action\": \"poweroff\"}");
}

/* From the balloon's worker. */
static void
on_balloon (void *data, uint64_t actual)
{
  char text[64];

  snprintf (text, sizeof text, "{\"actual\": %llu}", (unsigned long long) actual);
  control_event (data, "BALLOON_CHANGE", text);
}

static int
start_control (const struct run *run, struct machine *machine, struct control **control)
{
  int ret;

  if (run->control_path == NULL)
    return 0;
  ret = control_new (control, run->control_path, machine);
  if (ret < 0)
    return ret;
  machine->power.panicked = on_panic;
  machine->power.data = *control;
  for (unsigned i = 0; i < machine->n_devices; i++)
    if (machine->devices[i]->id == VIRTIO_ID_CONSOLE)
      console_on_change (machine->devices[i], on_port, *control);
    else if (machine->devices[i]->id == VIRTIO_ID_BALLOON)
      balloon_on_change (machine->devices[i], on_balloon, *control);
  return 0;
}

/* Until the machine ends or resets, or we are asked to end. */
static enum vm_end
wait_for_end (struct machine *machine, int signal_fd)
{
  struct pollfd fds[] = { { .fd = machine->vm->end_fd, .events = POLLIN },
                          { .fd = signal_fd, .events = POLLIN } };
  enum vm_end end;

  while ((end = vm_ended (machine->vm)) == VM_RUNS)
    {
      if (poll (fds, 2, -1) < 0)
        continue;
      if (fds[1].revents)
        vm_finish (machine->vm, VM_SHUTDOWN);
    }
  return end;
}

/* As often as the guest resets; who is told of it may ask for the next. */
static enum vm_end
run_to_end (const struct run *run, struct machine *machine, struct control *control, int signal_fd)
{
  enum vm_end end;

  while ((end = wait_for_end (machine, signal_fd)) == VM_RESET)
    {
      bool by_host = atomic_exchange (&machine->host_resets, false);

      if (!run->no_reboot && machine_reset (machine) < 0)
        return VM_FAILED;
      control_event (control, "RESET", by_host
                                         ? "{\"guest\": false, \"reason\": \"host-qmp-system-reset\"}"
                                         : "{\"guest\": true, \"reason\": \"guest-reset\"}");
      if (run->no_reboot)
        return end;
    }
  control_event (control, "SHUTDOWN", end == VM_PANICKED
                                        ? "{\"guest\": true, \"reason\": \"guest-panic\"}"
                                        : "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
  return end;
}

static int
block_signals (void)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  signal (SIGPIPE, SIG_IGN);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC);
}

/* What the board has by an option. */
static int
complete_board (struct run *run, struct machine *machine)
{
  int ret = run->generation ? generation_init (&machine->generation, run->generation) : 0;

  if (ret == 0 && run->mmio_cmdline)
    ret = machine_name_slots (machine, run->plan.cmdline, &run->cmdline);
  if (run->cmdline)
    run->plan.cmdline = run->cmdline;
  return ret == 0 && run->pvpanic_pci ? machine_add_pvpanic (machine) : ret;
}

/* Input is there when it was asked for, or when who started us sees and types at it. */
static int
start_terminal (const struct run *run, struct machine *machine, struct terminal **terminal)
{
  bool ours = terminal_is_ours (STDIN_FILENO);

  if (run->serial_path ? strcmp (run->serial_path, "stdio") != 0 || (isatty (STDIN_FILENO) && !ours)
                       : !ours || !isatty (STDOUT_FILENO))
    return 0;
  return terminal_new (terminal, machine->vm, &machine->uart, STDIN_FILENO);
}

static int
enter_sandbox (void)
{
  int ret;

  sandbox_expect (SANDBOX_MAIN);
  ret = sandbox_enter ();
  sandbox_narrow (SANDBOX_MAIN);
  if (ret < 0)
    vmm_log ("no sandbox: %s (--no-sandbox does without)", strerror (-ret));
  return ret;
}

static enum vm_end
run_machine (struct run *run, struct machine *machine, int signal_fd)
{
  struct control *control = NULL;
  struct terminal *terminal = NULL;
  enum vm_end end = VM_FAILED;

  /* Who connects finds a machine that is paused: what it is told is not undone. */
  if ((run->page_path == NULL || machine_share_page (machine, run->page_path) >= 0)
      && complete_board (run, machine) == 0
      && machine_boot (machine, &run->plan) == 0 && start_control (run, machine, &control) == 0
      && start_terminal (run, machine, &terminal) == 0
      && (run->no_sandbox || enter_sandbox () == 0))
    {
      machine_go (machine, run->paused);
      end = run_to_end (run, machine, control, signal_fd);
    }
  /* Commands use processors and devices, whose events come here: in this order. */
  control_end_commands (control);
  terminal_free (terminal);
  machine_stop (machine);
  control_free (control);
  return end;
}

int
command_run (int argc, char **argv)
{
  static const int status_of[] = {
    [VM_SHUTDOWN] = 0, [VM_RESET] = 3, [VM_PANICKED] = 4, [VM_FAILED] = 1,
  };
  struct run run = { .memory = 256 * MIB, .vcpus = 1, .serial_fd = STDOUT_FILENO };
  struct machine *machine = NULL;
  struct copier *copier = NULL;
  enum vm_end end = VM_FAILED;
  struct config_file config = { 0 };
  int signal_fd, view = -1, ret;

  if (argc > 1 && strcmp (argv[1], "--help") == 0)
    {
      fputs (run_help, stdout);
      return 0;
    }
  descriptors_inherited ();
  run.plan.cmdline = "";
  run.plan.kernel_fd = run.plan.initrd_fd = -1;
  ret = parse_with_config (argc, argv, &run, &config);
  if (ret != 0)
    {
      while (run.n_devices > 0)
        vdev_free (run.slots[--run.n_devices].dev);
      lab_finish (&run.lab);
      config_file_free (&config);
      return ret > 0 ? 0 : 2;
    }
  descriptors_drop ();
  signal_fd = block_signals ();
  /* Before there are threads. */
  if (run.control_path && copier_new (&copier, !run.no_sandbox) < 0)
    vmm_log ("no process for copies: disks cannot be copied by the control socket");
  if (run.agent)
    view = agent_view_start (run.agent_path, run.serial_fd == STDOUT_FILENO && isatty (STDOUT_FILENO));
  if (machine_new (&machine, run.memory, run.page, run.vcpus, run.slots, run.n_devices, run.serial_fd) == 0)
    {
      machine->copier = copier;
      end = run_machine (&run, machine, signal_fd);
    }
  machine_free (machine);
  agent_view_stop (view);
  loader_close (&run.plan);
  free (run.cmdline);
  copier_free (copier);
  lab_report (&run.lab);
  lab_finish (&run.lab);
  config_file_free (&config);
  return status_of[end];
}
