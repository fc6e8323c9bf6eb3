/*
 * What each memory type allows: eight pages that stage 2 maps with a type each,
 * seen through stage 1 as four types, and five kinds of access to each.
 *
 * Every row says the stage 2 type, the stage 1 type, and for each access "ok" or
 * ESR_EL1. Who took the fault first, EL1 or EL2, the guest can't see; EL2 reports it.
 */
#include <stdint.h>

#define UART 0x09000000ul
#define SRAM 0x10000000ul
#define PAGE 0x1000ul
#define GIB (1ul << 30)

#define REGISTER32(address) (*(volatile uint32_t *)(uintptr_t)(address))

void enable_mmu(uint64_t mair, uint64_t tcr, uint64_t ttbr0);
uint64_t store_word(uint64_t address, uint32_t word);
uint64_t store_unaligned(uint64_t address);
uint64_t store_pair(uint64_t address);
uint64_t exclusive(uint64_t address);
uint64_t zero_block(uint64_t address);
uint64_t fetch(uint64_t address);

/* The first level: a GiB each. Entry 1 is RAM, the others show the same first GiB. */
static uint64_t table[512] __attribute__((aligned(4096)));

/* Indexes of MAIR_EL1. */
enum { NGNRNE, WB, NC, GRE };
#define MAIR (0x00ul << 8 * NGNRNE | 0xfful << 8 * WB | 0x44ul << 8 * NC | 0x0cul << 8 * GRE)
/* 39 bits, 4 KiB granule, walks cacheable and inner shareable, no TTBR1, 40 bits of IPA. */
#define TCR (25ul | 1ul << 8 | 1ul << 10 | 3ul << 12 | 1ul << 23 | 2ul << 32)

static void put(char c)
{
	while (REGISTER32(UART + 0x18) & 1u << 5)
		;
	REGISTER32(UART) = (unsigned char)c;
}

static void print(const char *text, int width)
{
	for (; *text; text++, width--) {
		if (*text == '\n')
			put('\r');
		put(*text);
	}
	for (; width > 0; width--)
		put(' ');
}

static void print_result(uint64_t result)
{
	char text[12];
	int digit;
	if (result == 0) {
		print("ok", 10);
		return;
	}
	for (digit = 0; digit < 8; digit++)
		text[digit] = "0123456789abcdef"[result >> (28 - 4 * digit) & 15];
	text[8] = 0;
	print(text, 10);
}

static uint64_t block(uint64_t address, uint64_t attribute)
{
	/* UXN, access flag, inner shareable, EL1 reads and writes and executes. */
	return address | 1ul << 54 | 1ul << 10 | 3ul << 8 | attribute << 2 | 1;
}

static const char *stage2_name(unsigned page)
{
	switch (page) {
	case 0: return "normal-wb rwx";
	case 1: return "normal-wt rwx";
	case 2: return "normal-nc rwx";
	case 3: return "normal-wb rw";
	case 4: return "device-gre rw";
	case 5: return "device-ngre rw";
	case 6: return "device-ngnre rw";
	default: return "device-ngnrne rw";
	}
}

static void row(unsigned page, const char *stage1, uint64_t alias)
{
	uint64_t address = alias * GIB + SRAM + page * PAGE;
	print(stage2_name(page), 18);
	print(stage1, 10);
	print_result(store_unaligned(address));
	print_result(store_pair(address + 0x40));
	print_result(exclusive(address + 0x80));
	print_result(zero_block(address + 0x100));
	print_result(fetch(address + 0x800));
	print("\n", 0);
}

void main(void)
{
	unsigned page;
	table[0] = block(0, NGNRNE);
	table[1] = block(GIB, WB);
	table[2] = block(0, WB);
	table[3] = block(0, NC);
	table[4] = block(0, GRE);
	__asm__ volatile("dsb sy" : : : "memory");
	enable_mmu(MAIR, TCR, (uint64_t)(uintptr_t)table);

	/* mov x0, #0; ret: aligned words, which every type takes. */
	for (page = 0; page < 8; page++) {
		store_word(SRAM + page * PAGE + 0x800, 0xd2800000);
		store_word(SRAM + page * PAGE + 0x804, 0xd65f03c0);
	}
	__asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");

	print("\nSRAM probe: stage 2, stage 1, and what an access gives (ESR_EL1 of a fault)\n", 0);
	print("stage 2", 18);
	print("stage 1", 10);
	print("unaligned pair      exclusive zva       fetch\n", 0);
	for (page = 0; page < 8; page++) {
		row(page, "WB", 2);
		row(page, "NC", 3);
		row(page, "GRE", 4);
		row(page, "nGnRnE", 0);
	}
	print("SRAM probe: done\n", 0);
}
