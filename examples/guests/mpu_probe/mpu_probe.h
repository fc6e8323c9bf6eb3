/* What the parts of the MPU probe share. */
#pragma once
#include "kit.h"

/* Arm DDI 0600, "System registers": PRENR, PRSELR, PRBAR, PRLAR and MPUIR of EL1, by encoding. */
#define PRENR S3_0_C6_C1_1
#define PRSELR S3_0_C6_C2_1
#define PRBAR S3_0_C6_C8_0
#define PRLAR S3_0_C6_C8_1
#define MPUIR S3_0_C0_C0_4

/* Through a macro level, so that the names above become encodings first. */
#define READ_REGISTER(name) READ(name)
#define WRITE_REGISTER(name, value) WRITE(name, value)

#define GRANULE 64ul
#define ADDRESS_BITS 0xffffffffffc0ul

/* PRBAR's low bits: XN, AP, SH. */
enum { XN = 2, AP_EL1 = 0 << 2, AP_ALL = 1 << 2, AP_READ_ONLY = 2 << 2, INNER_SHAREABLE = 3 << 4 };
/* AttrIndx into our MAIR_EL1. */
enum { NORMAL = 0, DEVICE = 1 };
#define MAIR 0x00fful /* 0: Normal, Write-Back; 1: Device-nGnRnE */

/* Of SCTLR_EL1. */
#define SCTLR_M (1ul << 0)
#define SCTLR_C (1ul << 2)
#define SCTLR_I (1ul << 12)
#define SCTLR_BR (1ul << 17)
#define SCTLR_WXN (1ul << 19)

extern char __bss_start[], __arena[], _end[];
#define ARENA ((uint64_t)__arena)

/* mpu.c */
extern unsigned region_count;
/* `limit` is the first address behind the region. */
void set_region(unsigned region, uint64_t base, uint64_t limit, unsigned flags, unsigned attribute);
void clear_region(unsigned region);
void select_region(unsigned region);
/* PRBAR<n> and PRLAR<n>, n from 1 to 15, of the bank that is selected. */
uint64_t read_direct(unsigned n, bool limit);
void write_direct(unsigned n, bool limit, uint64_t value);
void start_mpu(void);
void set_control(uint64_t set, uint64_t clear);
/* The first region that start_mpu left free. */
extern unsigned first_free;

/* access.c: an access and what came of it. */
enum access { LOAD, STORE, EXECUTE, LOAD_WIDE, ZERO };
enum { DATA_ABORT = 0x24, INSTRUCTION_ABORT = 0x20 };
enum { TRANSLATION = 0x04, PERMISSION = 0x0c, EXTERNAL = 0x10, ALIGNMENT = 0x21 };
/* Its ESR_EL1, 0 when it succeeds. FAR_EL1 is in `fault_address`. */
uint64_t attempt(unsigned el, enum access access, uint64_t address);
/* ESR_EL1 of such an access that ends with a fault status. */
uint64_t syndrome(unsigned el, enum access access, unsigned status);
extern volatile uint64_t fault_address;

/* mpu_probe.c: the first thing that isn't as expected makes a check fail. `step` tells which. */
void expect(uint64_t step, uint64_t got, uint64_t wanted);
void expect_access(uint64_t step, unsigned el, enum access access, uint64_t address, unsigned status);
void verdict(const char *name);

/* The checks. */
void check_registers(void);
void check_protection(void);
void check_preemption(void);
extern unsigned interrupted_sequences, sequences;
/* Until somebody else has run on this CPU; not for long when there is nobody. */
void await_others(void);

/* options.c: a number behind `name` in the device tree blob, from the n-th place on; false when there is none. */
bool option(uint64_t device_tree, const char *name, unsigned nth, uint64_t *value);
