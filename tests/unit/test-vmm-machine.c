/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the board that a guest can lean on, without a processor. */
#include "tap-main.h"

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/machine/layout.h"
#include "host-side/vmm/machine/power.h"
#include "host-side/vmm/machine/uart.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static struct vm vm;

static void
write_port (uint16_t port, uint8_t byte)
{
  bus_do (&vm.ports, port, &byte, 1, true);
}

static void *
write_many (void *data)
{
  for (unsigned i = 0; i < 3; i++)
    write_port (PORT_SERIAL, 'x');
  return NULL;
}

/* Nobody reads what the guest prints: who wants to stop the machine is not kept waiting. */
static void
test_serial_that_nobody_reads (void **state)
{
  static const char zeroes[4096];
  static struct uart uart;
  struct timespec until;
  pthread_t vcpu;
  int fds[2], irq = eventfd (0, EFD_NONBLOCK);

  assert_int_equal (pipe (fds), 0);
  fcntl (fds[1], F_SETFL, O_NONBLOCK);
  while (write (fds[1], zeroes, sizeof zeroes) > 0)
    continue;
  fcntl (fds[1], F_SETFL, 0);
  assert_int_equal (uart_init (&uart, &vm, fds[1], irq), 0);
  assert_int_equal (pthread_create (&vcpu, NULL, write_many, NULL), 0);
  g_usleep (10000);
  atomic_store (&vm.stop_requested, true);
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  assert_int_equal (pthread_timedjoin_np (vcpu, NULL, &until), 0);
  /* And when there is a reader nothing is lost, even then. */
  assert_int_equal (read (fds[0], (char[4096]){ 0 }, 4096), 4096);
  write_port (PORT_SERIAL, 'y');
  fcntl (fds[0], F_SETFL, O_NONBLOCK);
  for (char last = 0; last != 'y';)
    assert_int_equal (read (fds[0], &last, 1), 1);
  close (fds[0]);
  write_port (PORT_SERIAL, 'z');
  close (fds[1]);
  close (irq);
  atomic_store (&vm.stop_requested, false);
}

static uint8_t
read_port (uint16_t port)
{
  uint8_t byte;

  bus_do (&vm.ports, port, &byte, 1, false);
  return byte;
}

/* What is typed waits for the guest, and whoever brings it is told once when there is room. */
static void
test_serial_input (void **state)
{
  static const uint8_t text[] = "0123456789abcdefgh";
  struct bus ports = vm.ports;
  static struct uart uart;
  int irq = eventfd (0, EFD_NONBLOCK), room = eventfd (0, EFD_NONBLOCK);
  eventfd_t times;

  vm.ports.n = 0;
  assert_int_equal (uart_init (&uart, &vm, -1, irq), 0);
  uart_tell_room (&uart, room);
  write_port (PORT_SERIAL + 1, 1); /* IER: tell of what is there */
  assert_int_equal (uart_feed (&uart, text, 3), 3);
  assert_int_equal (eventfd_read (irq, &times), 0);
  assert_int_equal (read_port (PORT_SERIAL + 2) & 0xf, 4); /* IIR: there is something */
  assert_int_equal (uart_feed (&uart, text + 3, 15), UART_FIFO - 3);
  for (unsigned i = 0; i < UART_FIFO; i++)
    {
      assert_int_equal (read_port (PORT_SERIAL + 5) & 1, 1); /* LSR */
      assert_int_equal (eventfd_read (room, &times), -1);
      assert_int_equal (read_port (PORT_SERIAL), text[i]);
    }
  assert_int_equal (read_port (PORT_SERIAL + 5) & 1, 0);
  assert_int_equal (eventfd_read (room, &times), 0);
  assert_int_equal (times, 1);
  assert_int_equal (uart_feed (&uart, text + 16, 2), 2); /* enough for that: nobody is told */
  assert_int_equal (read_port (PORT_SERIAL), 'g');
  assert_int_equal (read_port (PORT_SERIAL), 'h');
  assert_int_equal (eventfd_read (room, &times), -1);
  /* A reset forgets what was there; more may come. */
  assert_int_equal (uart_feed (&uart, text, 18), UART_FIFO);
  uart_reset (&uart);
  assert_int_equal (eventfd_read (room, &times), 0);
  assert_int_equal (read_port (PORT_SERIAL + 5) & 1, 0);
  vm.ports = ports;
  close (room);
  close (irq);
}

/* A guest cannot fill a disk with what we say of it. */
static void
test_lines_a_guest_causes (void **state)
{
  int fds[2], out = dup (STDERR_FILENO);
  unsigned lines = 0;
  char byte;

  assert_int_equal (pipe (fds), 0);
  fcntl (fds[0], F_SETFL, O_NONBLOCK);
  dup2 (fds[1], STDERR_FILENO);
  for (unsigned i = 0; i < 500; i++)
    vmm_log_guest ("line %u", i);
  vmm_log ("the last");
  dup2 (out, STDERR_FILENO);
  while (read (fds[0], &byte, 1) == 1)
    lines += byte == '\n';
  assert_int_equal (lines, LOG_GUEST_MAX + 1);
  close (fds[0]);
  close (fds[1]);
  close (out);
}

static void
count (void *data)
{
  ++*(unsigned *) data;
}

/* One panic is news; a string of them is written to the port by one instruction. */
static void
test_panics (void **state)
{
  unsigned panics = 0;
  struct power power = { .vm = &vm, .panicked = count, .data = &panics };
  uint8_t byte = 0;

  power_access_pvpanic (&power, &byte, false);
  assert_int_equal (byte, 1);
  byte = 2; /* of no meaning */
  power_access_pvpanic (&power, &byte, true);
  assert_int_equal (vm_ended (&vm), VM_RUNS);
  byte = 1;
  for (unsigned i = 0; i < 100; i++)
    power_access_pvpanic (&power, &byte, true);
  assert_int_equal (vm_ended (&vm), VM_PANICKED);
  assert_int_equal (panics, 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_serial_that_nobody_reads),
    cmocka_unit_test (test_serial_input),
    cmocka_unit_test (test_lines_a_guest_causes),
    cmocka_unit_test (test_panics),
  };

  signal (SIGPIPE, SIG_IGN); /* as the program has it */
  pthread_mutex_init (&vm.lock, NULL);
  pthread_cond_init (&vm.changed, NULL);
  vm.end_fd = eventfd (0, EFD_NONBLOCK);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
