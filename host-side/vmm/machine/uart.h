/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A 16550A serial port for the guest's console. */
#pragma once

#include <pthread.h>

#include "vm.h"

#define UART_FIFO 16u

struct uart
{
  pthread_mutex_t lock; /* vCPUs write, the input's thread fills */
  struct vm *vm;
  int out_fd;           /* what the guest sends; -1: dropped */
  int irq_fd;
  int room_fd;          /* an eventfd that is written when the guest has read all; -1: none */
  bool waits;           /* @out_fd may have no room */
  bool starved;         /* somebody had more for the guest than there was room for */
  uint8_t ier, lcr, mcr, scr, fcr;
  uint8_t divisor[2];
  bool thre_pending; /* "transmitter empty" has not been read from IIR yet */
  uint8_t fifo[UART_FIFO];
  unsigned n, head;
};

/* Puts it on the machine's ports. Both descriptors stay the caller's. */
int uart_init (struct uart *uart, struct vm *vm, int out_fd, int irq_fd);
/* As after power-on. */
void uart_reset (struct uart *uart);
/* Bytes for the guest; how many there was room for. */
unsigned uart_feed (struct uart *uart, const uint8_t *data, unsigned len);
/* Has @fd, an eventfd that stays the caller's, written when there was no room and the guest
 * has read all; -1: no more. */
void uart_tell_room (struct uart *uart, int fd);
