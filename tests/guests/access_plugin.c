/*
 * For trace_test.ts: tells of QEMU's guest where each instruction is and what it loads and stores, a line each. The declarations are those
 * of QEMU's interface for plugins, version 1 ("QEMU TCG Plugins").
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t Id;
typedef uint32_t MemoryInfo;
struct Block;
struct Instruction;

void qemu_plugin_register_vcpu_tb_trans_cb(Id id, void (*translated)(Id id, struct Block *block));
size_t qemu_plugin_tb_n_insns(const struct Block *block);
struct Instruction *qemu_plugin_tb_get_insn(const struct Block *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct Instruction *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct Instruction *instruction, void (*executed)(unsigned vcpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct Instruction *instruction, void (*accessed)(unsigned vcpu, MemoryInfo info, uint64_t va, void *data),
                                      int flags, int wanted, void *data);
unsigned qemu_plugin_mem_size_shift(MemoryInfo info);
bool qemu_plugin_mem_is_store(MemoryInfo info);

enum { NO_REGISTERS = 0, READS_AND_WRITES = 3 };

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
static FILE *out;

static void executed(unsigned vcpu, void *pc) {
  fprintf(out, "I %lx\n", (unsigned long)(uintptr_t)pc);
}

static void accessed(unsigned vcpu, MemoryInfo info, uint64_t va, void *data) {
  fprintf(out, "%c %u %lx\n", qemu_plugin_mem_is_store(info) ? 'W' : 'R', 1u << qemu_plugin_mem_size_shift(info), (unsigned long)va);
}

static void translated(Id id, struct Block *block) {
  for (size_t n = 0; n < qemu_plugin_tb_n_insns(block); n++) {
    struct Instruction *instruction = qemu_plugin_tb_get_insn(block, n);
    void *pc = (void *)(uintptr_t)qemu_plugin_insn_vaddr(instruction);
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, NO_REGISTERS, pc);
    qemu_plugin_register_vcpu_mem_cb(instruction, accessed, NO_REGISTERS, READS_AND_WRITES, pc);
  }
}

__attribute__((visibility("default"))) int qemu_plugin_install(Id id, const void *info, int argc, char **argv) {
  const char *path = argc > 0 ? argv[0] : "";
  for (const char *at = path; *at; at++) if (*at == '=') { path = at + 1; break; }
  out = fopen(path, "w");
  if (!out) return 1;
  setvbuf(out, NULL, _IOLBF, 0);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
