/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-VNNI for a CPU with AVX2 alone: a library for LD_PRELOAD that translates the products which the CPU refuses, of one thread.
 *
 * The library that is tested asks for the CPU's features with `cpuid`; both places are overwritten by an instruction that no CPU has, and
 * answered with the bit of AVX-VNNI set. Where a product is refused, a jump to code of AVX2 takes its place, which computes the same sums
 * (Intel's manual, volume 2: VPDPBUSD, VPDPWSSD) and jumps back. Its scratch registers are kept below the 128 bytes that functions may use
 * below the stack pointer; no other signal is there to write to them. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { cpuid_places = 2, page_size = 4096, code_size = 1 << 20, jump_size = 5, longest_translation = 192 };
enum { prefix_66 = 1, prefix_f3 = 2, map_0f = 1 };
static uint8_t *places[cpuid_places], *library_end, *code, *code_start;
static int place_count;

static void refuse(const char *text) {
  fprintf(stderr, "avxvnni: %s\n", text);
  abort();
}

static void put(int byte) { *code++ = (uint8_t)byte; }

/* VEX.256 in three bytes and an opcode. `rxb` are the fourth bits of the instruction's three numbers, inverted, as in its first byte. */
static void vex(int rxb, int first, int prefix, int opcode) {
  put(0xc4);
  put((rxb & 0xe0) | map_0f);
  put((~first & 15) << 3 | 4 | prefix);
  put(opcode);
}
static int high_bits(int target, int other) { return (target & 8 ? 0 : 0x80) | 0x40 | (other & 8 ? 0 : 0x20); }
/* target = first · second, of registers. */
static void three(int opcode, int target, int first, int second) {
  vex(high_bits(target, second), first, prefix_66, opcode);
  put(0xc0 | (target & 7) << 3 | (second & 7));
}
/* target = source shifted by 8 bits within each 16: vpsrlw (2), vpsraw (4), vpsllw (6). */
static void shift(int kind, int target, int source) {
  vex(high_bits(0, source), target, prefix_66, 0x71);
  put(0xc0 | kind << 3 | (source & 7));
  put(8);
}
/* vmovdqu between a register and its place below the stack pointer: 0x7f stores, 0x6f loads. */
static void scratch(int opcode, int vector, int place) {
  int32_t offset = -192 - 32 * place;
  vex(high_bits(vector, 0), 0, prefix_f3, opcode);
  put(0x84 | (vector & 7) << 3);
  put(0x24);
  memcpy(code, &offset, 4);
  code += 4;
}
static void jump(uint8_t *at, const uint8_t *to) {
  int32_t far = (int32_t)(to - (at + jump_size));
  at[0] = 0xe9;
  memcpy(at + 1, &far, 4);
}
static void protect(uint8_t *from, size_t count, int access) {
  uintptr_t page = (uintptr_t)from & ~(uintptr_t)(page_size - 1);
  if (mprotect((void *)page, (uintptr_t)from + count - page, access)) refuse("a page whose access cannot be changed");
}

/* VEX.256.66.0F38.W0 50 or 52 /r: C4, then R X B (inverted) and map 2, then 0 vvvv (inverted) 1 01, then the opcode, ModR/M, SIB, offset. */
static void translate(uint8_t *at) {
  enum { add = 0xfe, multiply_pairs = 0xf5, shift_right = 2, shift_right_signed = 4, shift_left = 6, load = 0x6f, store = 0x7f };
  if (at[0] != 0xc4 || (at[1] & 31) != 2 || (at[2] & 0x87) != 5 || (at[3] != 0x50 && at[3] != 0x52)) refuse("an instruction that it does not know");
  int mode = at[4] >> 6, low = at[4] & 7, relative = mode == 0 && low == 5, length = 5;
  int target = (at[4] >> 3 & 7) | (at[1] & 0x80 ? 0 : 8), first = (~at[2] >> 3) & 15, second = mode == 3 ? low | (at[1] & 0x20 ? 0 : 8) : -1;
  if (mode != 3) {
    if (low == 4) length++;
    if (mode == 1) length += 1;
    if (mode == 2 || relative || (mode == 0 && low == 4 && (at[5] & 7) == 5)) length += 4;
  }
  int free[3], found = 0;
  for (int i = 0; found < 3; i++)
    if (i != target && i != first && i != second) free[found++] = i;
  int a = free[0], b = free[1], c = free[2];
  if (code + longest_translation > code_start + code_size) refuse("more products than it has room for");
  uint8_t *start = code;
  for (int i = 0; i < 3; i++) scratch(store, free[i], i);
  /* c = the second factor: the same operand, of another instruction. */
  vex((at[1] & 0x60) | (c & 8 ? 0 : 0x80), 0, prefix_f3, load);
  put((at[4] & 0xc7) | (c & 7) << 3);
  memcpy(code, at + 5, (size_t)length - 5);
  code += length - 5;
  if (relative) {
    int32_t offset;
    memcpy(&offset, at + 5, 4);
    offset += (int32_t)(at + length - code);
    memcpy(code - 4, &offset, 4);
  }
  if (at[3] == 0x52) {
    three(multiply_pairs, a, first, c);
  } else {
    /* Bytes 0 and 2 of each four, then 1 and 3; the first factor's have no sign. */
    shift(shift_left, b, c);
    shift(shift_right_signed, b, b);
    shift(shift_left, a, first);
    shift(shift_right, a, a);
    three(multiply_pairs, a, a, b);
    shift(shift_right_signed, b, c);
    shift(shift_right, c, first);
    three(multiply_pairs, b, b, c);
    three(add, a, a, b);
  }
  three(add, target, target, a);
  for (int i = 0; i < 3; i++) scratch(load, free[i], i);
  jump(code, at + length);
  code += jump_size;
  protect(at, jump_size, PROT_READ | PROT_WRITE | PROT_EXEC);
  jump(at, start);
  protect(at, jump_size, PROT_READ | PROT_EXEC);
}

static void answer_cpuid(greg_t *registers) {
  uint32_t leaf = (uint32_t)registers[REG_RAX], subleaf = (uint32_t)registers[REG_RCX], a, b, c, d;
  __cpuid_count(leaf, subleaf, a, b, c, d);
  if (leaf == 7 && subleaf == 0 && a < 1) a = 1;
  if (leaf == 7 && subleaf == 1) a |= 1u << 4;
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

static void refused(int signal, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  uint8_t *at = (uint8_t *)registers[REG_RIP];
  (void)signal, (void)info;
  for (int i = 0; i < place_count; i++)
    if (places[i] == at) {
      answer_cpuid(registers);
      return;
    }
  translate(at);
}

static int find(struct dl_phdr_info *library, size_t size, void *nothing) {
  (void)size, (void)nothing;
  if (strstr(library->dlpi_name, "libfovea.so") == NULL) return 0;
  for (int i = 0; i < library->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
    uint8_t *from = (uint8_t *)(library->dlpi_addr + segment->p_vaddr), *end = from + segment->p_filesz;
    if (segment->p_type != PT_LOAD) continue;
    if (from + segment->p_memsz > library_end) library_end = from + segment->p_memsz;
    if (!(segment->p_flags & PF_X)) continue;
    for (uint8_t *p = from; p + 1 < end; p++) {
      if (p[0] != 0x0f || p[1] != 0xa2) continue;
      if (place_count == cpuid_places) refuse("more places than two look like cpuid");
      places[place_count++] = p;
    }
  }
  return 1;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};
  if (!dl_iterate_phdr(find, NULL)) return;
  if (place_count != cpuid_places) refuse("no two places where cpuid is asked");
  /* Within the 2 GB that a jump reaches. */
  uint8_t *hint = (uint8_t *)(((uintptr_t)library_end + page_size - 1) & ~(uintptr_t)(page_size - 1));
  for (int i = 0; i < 1024; i++, hint += code_size) {
    code = mmap(hint, code_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code == hint) break;
    if (code != MAP_FAILED) munmap(code, code_size);
    code = NULL;
  }
  if (!code) refuse("no room for code beside the library");
  code_start = code;
  for (int i = 0; i < place_count; i++) {
    protect(places[i], 2, PROT_READ | PROT_WRITE);
    places[i][1] = 0x0b; /* ud2 */
    protect(places[i], 2, PROT_READ | PROT_EXEC);
  }
  sigaction(SIGILL, &action, NULL);
}
