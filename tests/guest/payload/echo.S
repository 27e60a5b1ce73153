/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PVH guest that says on the serial port what it hears there, letters in the other case,
 * and powers off at a line's end. */
        .code32
        .section .note.Xen, "a", @note
        .long 4, 4, 18
        .asciz "Xen"
        .long entry

        .set COM1, 0x3f8

        .text
        .globl entry
entry:  movb $'>', %al
        jmp say
next:   movw $COM1 + 5, %dx             /* LSR: is there something? */
        inb %dx, %al
        testb $1, %al
        jz next
        movw $COM1, %dx
        inb %dx, %al
        cmpb $10, %al
        je off
        xorb $0x20, %al
say:    movw $COM1, %dx
        outb %al, %dx
        jmp next
off:    outb %al, %dx
        movw $0x600, %dx                /* S5 */
        movb $0x34, %al
        outb %al, %dx
1:      hlt
        jmp 1b
