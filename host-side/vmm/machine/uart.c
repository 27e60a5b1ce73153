/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After the data sheet of the PC16550D; transmission takes no time. */
#include "uart.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RX 0x01
#define IER_THRE 0x02
#define IIR_NONE 0x01
#define IIR_THRE 0x02
#define IIR_RX 0x04
#define IIR_FIFOS 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DLAB 0x80
#define MCR_LOOP 0x10
#define LSR_DATA 0x01
#define LSR_EMPTY 0x60
#define MSR_READY 0xb0 /* carrier, data set, clear to send */

#define LOOK_MS 100 /* how often it is seen that the machine is to stop */

static uint8_t
pending (const struct uart *uart)
{
  if (uart->ier & IER_RX && uart->n > 0)
    return IIR_RX;
  if (uart->ier & IER_THRE && uart->thre_pending)
    return IIR_THRE;
  return IIR_NONE;
}

/* The line is an edge: raised whenever there may be something new. */
static void
raise_if_pending (const struct uart *uart)
{
  if (pending (uart) != IIR_NONE)
    eventfd_write (uart->irq_fd, 1);
}

static void
tell_room (struct uart *uart)
{
  if (!uart->starved || uart->n > 0)
    return;
  uart->starved = false;
  if (uart->room_fd >= 0)
    eventfd_write (uart->room_fd, 1);
}

static unsigned
put (struct uart *uart, uint8_t byte)
{
  if (uart->n == UART_FIFO)
    return 0;
  uart->fifo[(uart->head + uart->n++) % UART_FIFO] = byte;
  return 1;
}

static uint8_t
get (struct uart *uart)
{
  uint8_t byte;

  if (uart->n == 0)
    return 0;
  byte = uart->fifo[uart->head];
  uart->head = (uart->head + 1) % UART_FIFO;
  uart->n--;
  return byte;
}

/* A reader that has stopped reading stops the guest, but nobody who wants the machine to
 * stop or to end: then the byte is lost. The signal that says so may have come just before
 * we wait, so this looks again and again. */
static void
print (const struct uart *uart, uint8_t byte)
{
  struct pollfd out = { .fd = uart->out_fd, .events = POLLOUT };

  while (uart->waits && poll (&out, 1, LOOK_MS) < 1)
    if (atomic_load (&uart->vm->stop_requested))
      return;
  while (write (uart->out_fd, &byte, 1) < 0 && errno == EINTR)
    continue;
}

static void
transmit (struct uart *uart, uint8_t byte)
{
  if (uart->mcr & MCR_LOOP)
    put (uart, byte);
  else if (uart->out_fd >= 0)
    print (uart, byte);
  uart->thre_pending = true;
}

static void
write_register (struct uart *uart, unsigned reg, uint8_t value)
{
  bool divisor = uart->lcr & LCR_DLAB;

  switch (reg)
    {
    case RBR_THR:
      if (divisor)
        uart->divisor[0] = value;
      else
        transmit (uart, value);
      break;
    case IER:
      if (divisor)
        uart->divisor[1] = value;
      else
        {
          uart->thre_pending = uart->thre_pending || (value & ~uart->ier & IER_THRE);
          uart->ier = value & 0xf;
        }
      break;
    case IIR_FCR:
      uart->fcr = value;
      if (value & FCR_CLEAR_RX)
        uart->n = 0;
      break;
    case LCR:
      uart->lcr = value;
      break;
    case MCR:
      uart->mcr = value & 0x1f;
      break;
    case SCR:
      uart->scr = value;
      break;
    default:
      break;
    }
}

static uint8_t
modem_status (const struct uart *uart)
{
  if (!(uart->mcr & MCR_LOOP))
    return MSR_READY;
  /* In the loop the four outputs are the four inputs: DTR RTS OUT1 OUT2 to DSR CTS RI DCD. */
  return (uint8_t) ((uart->mcr & 1) << 5 | (uart->mcr & 2) << 3 | (uart->mcr & 4) << 4
                    | (uart->mcr & 8) << 4);
}

static uint8_t
read_register (struct uart *uart, unsigned reg)
{
  uint8_t value;

  switch (reg)
    {
    case RBR_THR:
      return uart->lcr & LCR_DLAB ? uart->divisor[0] : get (uart);
    case IER:
      return uart->lcr & LCR_DLAB ? uart->divisor[1] : uart->ier;
    case IIR_FCR:
      value = pending (uart);
      if (value == IIR_THRE)
        uart->thre_pending = false;
      return value | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
    case LCR:
      return uart->lcr;
    case MCR:
      return uart->mcr;
    case LSR:
      return LSR_EMPTY | (uart->n > 0 ? LSR_DATA : 0);
    case MSR:
      return modem_status (uart);
    default:
      return uart->scr;
    }
}

static void
access_registers (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct uart *uart = device;
  uint8_t *byte = bytes;

  if (len != 1)
    return;
  pthread_mutex_lock (&uart->lock);
  if (write)
    write_register (uart, (unsigned) offset, *byte);
  else
    *byte = read_register (uart, (unsigned) offset);
  tell_room (uart);
  raise_if_pending (uart);
  pthread_mutex_unlock (&uart->lock);
}

/* A file always has: one system call a byte less. */
static bool
may_wait (int fd)
{
  struct stat st;

  return fstat (fd, &st) < 0 || !S_ISREG (st.st_mode);
}

int
uart_init (struct uart *uart, struct vm *vm, int out_fd, int irq_fd)
{
  *uart = (struct uart){ .vm = vm, .out_fd = out_fd, .irq_fd = irq_fd, .room_fd = -1,
                         .waits = may_wait (out_fd), .thre_pending = true };
  pthread_mutex_init (&uart->lock, NULL);
  return bus_add (&vm->ports, PORT_SERIAL, 8, access_registers, uart);
}

void
uart_reset (struct uart *uart)
{
  pthread_mutex_lock (&uart->lock);
  uart->ier = uart->lcr = uart->mcr = uart->scr = uart->fcr = 0;
  uart->divisor[0] = uart->divisor[1] = 0;
  uart->n = uart->head = 0;
  tell_room (uart);
  uart->thre_pending = true;
  pthread_mutex_unlock (&uart->lock);
}

unsigned
uart_feed (struct uart *uart, const uint8_t *data, unsigned len)
{
  unsigned done = 0;

  pthread_mutex_lock (&uart->lock);
  while (done < len && put (uart, data[done]))
    done++;
  uart->starved = done < len;
  raise_if_pending (uart);
  pthread_mutex_unlock (&uart->lock);
  return done;
}

void
uart_tell_room (struct uart *uart, int fd)
{
  pthread_mutex_lock (&uart->lock);
  uart->room_fd = fd;
  pthread_mutex_unlock (&uart->lock);
}
