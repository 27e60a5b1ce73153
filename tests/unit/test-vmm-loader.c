/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels whose headers say what they like: they are loaded into the guest's memory or
 * refused, and nothing is written beside it. */
#include "tap-main.h"

#include "tests/support/kernel-file.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>

static uint8_t file[0x2000];

/* A bzImage that is right, of 5 sectors and some bytes of kernel. */
static struct setup_header *
bzimage (void)
{
  struct setup_header *header = (struct setup_header *) (file + 0x1f1);

  memset (file, 0, sizeof file);
  file[0x201] = 0x6a; /* where the header ends */
  header->setup_sects = 4;
  header->boot_flag = 0xaa55;
  header->header = 0x53726448;
  header->version = 0x20f;
  header->xloadflags = XLF_KERNEL_64;
  header->cmdline_size = 2047;
  header->init_size = 0x10000;
  header->initrd_addr_max = 0x7fffffff;
  return header;
}

static int
load (size_t initrd_len)
{
  static uint8_t initrd[0x2000];
  struct vm *vm = memory_only_new ();
  int ret = load_bytes (vm, file, sizeof file, initrd_len ? initrd : NULL, initrd_len);

  memory_only_free (vm);
  return ret;
}

static void
test_bzimage (void **state)
{
  bzimage ();
  assert_int_equal (load (0), -EBADF); /* all of it, up to the registers */
  assert_int_equal (load (4097), -EBADF);
  bzimage ()->version = 0x20b;
  assert_int_equal (load (0), -ENOTSUP);
  bzimage ()->init_size = UINT32_MAX;
  assert_int_equal (load (0), -ENOMEM);
  bzimage ()->setup_sects = 255;
  assert_int_equal (load (0), -ENOEXEC);
  bzimage ()->cmdline_size = 4;
  assert_int_equal (load (0), -E2BIG);
}

/* The header names the last byte that the initial RAM disk may have. */
static void
test_initrd_ends_with_memory (void **state)
{
  static const uint32_t ends[] = { KERNEL_RAM - 1, KERNEL_RAM, KERNEL_RAM + 1, UINT32_MAX };

  for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++)
    for (size_t len = 4095; len <= 4097; len++)
      {
        bzimage ()->initrd_addr_max = ends[i];
        assert_int_equal (load (len), -EBADF);
      }
  bzimage ()->initrd_addr_max = 0;
  assert_int_equal (load (4096), -ENOMEM);
  bzimage ()->initrd_addr_max = MAP_KERNEL + 0x10000;
  assert_int_equal (load (4096), -ENOMEM);
}

/* An ELF file with a note and one segment. */
static Elf64_Phdr *
elf (void)
{
  Elf64_Ehdr *header = (Elf64_Ehdr *) file;
  Elf64_Phdr *ph = (Elf64_Phdr *) (header + 1);
  Elf64_Nhdr *note = (Elf64_Nhdr *) (file + 0x400);

  memset (file, 0, sizeof file);
  memcpy (header->e_ident, ELFMAG, SELFMAG);
  header->e_ident[EI_CLASS] = ELFCLASS64;
  header->e_machine = EM_X86_64;
  header->e_phentsize = sizeof *ph;
  header->e_phoff = sizeof *header;
  header->e_phnum = 2;
  *note = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
  memcpy (note + 1, "Xen", 4);
  ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 0x400, .p_filesz = 20 };
  ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 0x800, .p_filesz = 0x100, .p_memsz = 0x200,
                        .p_paddr = MAP_HIGH };
  return ph;
}

static void
test_elf (void **state)
{
  Elf64_Phdr *ph = elf ();

  assert_int_equal (load (4097), -EBADF);
  ph[1].p_paddr = KERNEL_RAM - 0x200;
  assert_int_equal (load (0), -EBADF);
  assert_int_equal (load (1), -ENOMEM); /* no room behind it */
  ph[1].p_paddr++;
  assert_int_equal (load (0), -ENOMEM);
  ph[1].p_paddr = UINT64_MAX - 0xff; /* and wraps */
  assert_int_equal (load (0), -ENOMEM);
  ph = elf ();
  ph[1].p_filesz = 0x201;
  assert_int_equal (load (0), -ENOMEM);
  ph = elf ();
  ph[1].p_offset = UINT64_MAX - 0x7f;
  assert_int_equal (load (0), -ENOEXEC);
  ph = elf ();
  ((Elf64_Nhdr *) (file + 0x400))->n_namesz = UINT32_MAX;
  assert_int_equal (load (0), -ENOTSUP);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_bzimage),
    cmocka_unit_test (test_initrd_ends_with_memory),
    cmocka_unit_test (test_elf),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
