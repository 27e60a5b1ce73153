/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the 32-bit entry of PVH (xen/include/public/arch-x86/hvm/start_info.h: flat
 * protected mode, paging off, EBX the start info) to C in 64-bit mode, with the
 * first 4 GiB mapped one to one by pages of 2 MiB. */

        .section .note.pvh, "a", @note
        .align 4
        .long 4                 /* "Xen" */
        .long 8                 /* QEMU reads 64 bits from a 64-bit ELF */
        .long 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long start, 0

#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define PRESENT_WRITE 3
#define LARGE 0x80

        .section .text.start, "ax"
        .code32
        .globl start
start:
        cli
        cld
        movl    $stack_end, %esp
        movl    %ebx, %esi

        movl    $page_directories, %edi /* 2048 pages of 2 MiB */
        movl    $(PRESENT_WRITE | LARGE), %eax
        movl    $2048, %ecx
1:      movl    %eax, (%edi)
        movl    $0, 4(%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        decl    %ecx
        jnz     1b

        movl    $page_pointers, %edi
        movl    $page_directories, %eax
        orl     $PRESENT_WRITE, %eax
        movl    $4, %ecx
2:      movl    %eax, (%edi)
        addl    $0x1000, %eax
        addl    $8, %edi
        decl    %ecx
        jnz     2b

        movl    $page_pointers, %eax
        orl     $PRESENT_WRITE, %eax
        movl    %eax, page_root

        movl    %cr4, %eax
        orl     $CR4_PAE, %eax
        movl    %eax, %cr4
        movl    $page_root, %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     $EFER_LME, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $CR0_PG, %eax
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $long_mode

        .code64
long_mode:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $stack_end, %esp
        movl    %esi, %edi
        call    guest_main
3:      hlt
        jmp     3b

        .section .rodata
        .align 8
gdt:
        .quad 0
        .quad 0x00af9b000000ffff /* code, 64 bit */
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt

        .section .bss
        .align 4096
page_root:
        .skip 4096
page_pointers:
        .skip 4096
page_directories:
        .skip 4 * 4096
stack:
        .skip 65536
stack_end:

        .section .note.GNU-stack, "", @progbits
