/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PVH guest of some hundred instructions: looks at the board as a kernel would,
 * says what it found on the serial port, and powers off. For a KVM that only
 * interprets it is small enough. A failed check says its letter in lower case
 * and resets.
 *
 *   A  start_info has its magic, and the command line begins with "check"
 *   B  the RSDP it names begins with its signature and adds up
 *   C  the serial port answers in its loop
 *   D  the first virtio-mmio slot has magic, version and device id 4 (rng)
 *   E  an address nobody has reads as ones
 *   F  the device resets, takes features, and refuses FEATURES_OK without VERSION_1
 *   G  the rng writes 32 bytes into a ring made here, and says so
 *   H  an available index that jumps sets NEEDS_RESET, and a reset clears it
 */
        .code32
        .section .note.Xen, "a", @note
        .long 4, 4, 18
        .asciz "Xen"
        .long entry

        .set COM1, 0x3f8
        .set MMIO, 0xd0000000

        .macro check code, condition
        j\condition 1f
        movb $(\code + 32), %al
        jmp fail
1:      movb $\code, %al
        call say
        .endm

        .text
        .globl entry
entry:  movl $stack, %esp
        cmpl $0x336ec578, (%ebx)
        jne 2f
        movl 24(%ebx), %esi             /* cmdline */
        cmpl $0x63656863, (%esi)        /* "chec" */
2:      check 0x41, e   /* A */

        movl 32(%ebx), %esi             /* rsdp */
        cmpl $0x20445352, (%esi)        /* "RSD " */
        jne 2f
        movl $20, %ecx
        xorb %al, %al
3:      addb (%esi), %al
        incl %esi
        loop 3b
        testb %al, %al
2:      check 0x42, z   /* B */

        movw $COM1 + 4, %dx             /* MCR: loop */
        movb $0x10, %al
        outb %al, %dx
        movw $COM1, %dx
        movb $0x5a, %al
        outb %al, %dx
        xorb %al, %al
        inb %dx, %al
        movb %al, %cl
        movw $COM1 + 4, %dx
        xorb %al, %al
        outb %al, %dx
        cmpb $0x5a, %cl
        check 0x43, e   /* C */

        movl $MMIO, %edi
        cmpl $0x74726976, (%edi)
        jne 2f
        cmpl $2, 4(%edi)
        jne 2f
        cmpl $4, 8(%edi)
2:      check 0x44, e   /* D */

        movl 0xd8000000, %eax
        cmpl $-1, %eax
        check 0x45, e   /* E */

        movl $0, 0x70(%edi)
        movl $3, 0x70(%edi)             /* ACKNOWLEDGE, DRIVER */
        movl $11, 0x70(%edi)            /* FEATURES_OK with no features */
        cmpl $3, 0x70(%edi)
        jne 2f
        movl $0, 0x70(%edi)
        movl $3, 0x70(%edi)
        movl $1, 0x24(%edi)
        movl $1, 0x20(%edi)             /* VERSION_1 */
        movl $11, 0x70(%edi)
        cmpl $11, 0x70(%edi)
2:      check 0x46, e   /* F */

        call start_queue
        movl $data, desc
        movl $32, desc + 8
        movw $2, desc + 12              /* WRITE */
        movw $1, avail + 2
        movl $0, 0x50(%edi)             /* the doorbell */
4:      pause
        cmpw $1, used + 2
        jne 4b
        cmpl $32, used + 8
        jne 2f
        movl data, %eax                 /* 64 bits of zero by chance? no */
        orl data + 4, %eax
        testl %eax, %eax
        setz %al
        testb %al, %al
2:      check 0x47, z   /* G */

        movw $200, avail + 2
        movl $0, 0x50(%edi)
5:      pause
        testl $0x40, 0x70(%edi)
        jz 5b
        movl $0, 0x70(%edi)
        cmpl $0, 0x70(%edi)
        check 0x48, e   /* H */

        movb $10, %al
        call say
        movw $0x600, %dx                /* S5 */
        movb $0x34, %al
        outb %al, %dx
6:      hlt
        jmp 6b

start_queue:
        movl $0, 0x30(%edi)
        movl $8, 0x38(%edi)
        movl $desc, 0x80(%edi)
        movl $0, 0x84(%edi)
        movl $avail, 0x90(%edi)
        movl $0, 0x94(%edi)
        movl $used, 0xa0(%edi)
        movl $0, 0xa4(%edi)
        movl $1, 0x44(%edi)
        movl $15, 0x70(%edi)            /* DRIVER_OK */
        ret

say:    movw $COM1, %dx
        outb %al, %dx
        ret

fail:   call say
        movb $10, %al
        call say
        movw $0x601, %dx
        movb $1, %al
        outb %al, %dx
        jmp 6b

        .bss
        .balign 16
desc:   .skip 128
avail:  .skip 64
        .balign 16
used:   .skip 128
data:   .skip 64
        .skip 1024
stack:
