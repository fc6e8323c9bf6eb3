/* Random translation tables behind TTBR1_EL1, and accesses through them. */
#pragma once
#include "kit.h"

/* The guest's RAM is 64 MiB from 0x40000000. What tables describe: data, and code that returns at once, at EL1 and at EL0. */
#define RAM 0x40000000ul
#define POOL (RAM + 0x2000000)
#define DATA (RAM + 0x3000000)
#define CODE (DATA + 0x800000)
#define CODE_SIZE 0x200000

/* A number below another, of a sequence that the seed says. */
unsigned below(unsigned limit);
uint64_t random64(void);

/* How VAs of TTBR1_EL1 translate in this round. */
struct regime {
	unsigned page_bits, index_bits; /* 12 and 9, 16 and 13 */
	unsigned va_bits, start_level, ips_bits;
	bool ignores_tag, several_spaces;
};
extern struct regime regime;

struct space {
	uint64_t root, asid;
};
extern struct space spaces[2];

/* Draws a regime's tables. */
void build_spaces(void);
/* An address that tables translate, most of the time. */
uint64_t random_address(void);
/* Changes an entry of a table, with the TLB maintenance that it takes. */
void change_entry(void);
