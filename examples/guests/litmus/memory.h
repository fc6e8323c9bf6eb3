/* Normal memory, shared by all CPUs, and a page that can be mapped anew. */
#pragma once
#include "kit.h"

/* A page that remap() decides about. */
#define WINDOW 0x80000000ul

/* Each CPU turns its MMU on: RAM is Normal, Inner Shareable, executable, where it always was. */
void mmu_on(void);
/* Switches the machine off when it has one CPU alone; else both turn their MMUs on, and the second one works. */
void start_second(uint64_t device_tree);
/* What the second CPU does. */
void second(void);
/* Maps the page at WINDOW elsewhere, for all CPUs, by break-before-make. */
void remap(const void *page);
/* What was written to [code, code + size) is what every CPU executes after an ISB. */
void code_written(const void *code, unsigned size);

#define LOAD_ACQUIRE(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE_RELEASE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define DMB() __asm__ volatile("dmb ish" : : : "memory")
