/* Normal memory, shared by all CPUs, and a page that can be mapped anew. */
#include "memory.h"

#define TABLE 3ul
#define BLOCK 1ul
#define PAGE 3ul
#define NORMAL (1ul << 10 | 3ul << 8 | 0ul << 2) /* AF, Inner Shareable, AttrIndx 0 */
#define DEVICE (1ul << 10 | 1ul << 54 | 1ul << 2) /* AF, UXN, AttrIndx 1 */

static uint64_t level1[512] __attribute__((aligned(4096)));
static uint64_t level2[512] __attribute__((aligned(4096)));
static uint64_t level3[512] __attribute__((aligned(4096)));

void mmu_on(void)
{
	level1[0] = DEVICE | BLOCK;
	level1[1] = 0x40000000 | NORMAL | BLOCK;
	level1[2] = (uint64_t)level2 | TABLE;
	level2[0] = (uint64_t)level3 | TABLE;
	DSB();
	WRITE(mair_el1, 0x00ff);
	/* 39 bits of address by TTBR0 alone; write-back, Inner Shareable, 4 KiB. */
	WRITE(tcr_el1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1ul << 23 | 2ul << 32);
	WRITE(ttbr0_el1, level1);
	ISB();
	__asm__ volatile("tlbi vmalle1\n dsb nsh\n isb" : : : "memory");
	WRITE(sctlr_el1, READ(sctlr_el1) | 1 | 1 << 2 | 1 << 12);
	ISB();
}

void remap(const void *page)
{
	STORE(&level3[0], 0ul);
	__asm__ volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish" : : "r"(WINDOW >> 12) : "memory");
	STORE(&level3[0], (uint64_t)page | NORMAL | PAGE);
	__asm__ volatile("dsb ishst\n isb" : : : "memory");
}

void code_written(const void *code, unsigned size)
{
	for (uint64_t at = (uint64_t)code & ~63ul; at < (uint64_t)code + size; at += 64)
		__asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb ish" : : : "memory");
	for (uint64_t at = (uint64_t)code & ~63ul; at < (uint64_t)code + size; at += 64)
		__asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb ish\n isb" : : : "memory");
}

void __attribute__((noreturn)) secondary_main(void)
{
	mmu_on();
	second();
	for (;;)
		__asm__ volatile("wfi");
}

void start_second(uint64_t device_tree)
{
	if (!read_device_tree(device_tree) || machine.cpus < 2)
		power_off();
	mmu_on();
	psci(PSCI_CPU_ON, machine.mpidr[1], (uint64_t)secondary, 1);
}

void interrupt(void)
{
}
