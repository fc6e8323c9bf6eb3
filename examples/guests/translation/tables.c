/* Tables of random descriptors. Arm ARM DDI 0487, "VMSAv8-64 translation table format descriptors". */
#include "translation.h"

enum { VALID = 1, TABLE = 3, PAGE = 3, BLOCK = 1, TABLES = 40, INDICES = 8 };
#define AF (1ul << 10)
#define NOT_GLOBAL (1ul << 11)

struct table {
	uint64_t at, va;
	unsigned level, space;
};

struct regime regime;
struct space spaces[2];
static struct table tables[TABLES];
static unsigned table_count;

static unsigned shift_of(unsigned level)
{
	return regime.page_bits + (3 - level) * regime.index_bits;
}

/* Where entries lie that are used: blocks of any size lead to the data by the same address bits. */
static unsigned index_in(unsigned level, unsigned n)
{
	unsigned shift = shift_of(level);
	if (shift >= 29)
		return n & 3;
	if (shift == 21)
		return 0x18 + n % 5;
	if (regime.page_bits == 16)
		return n < 6 ? 0x300 + n : 0x37a + n;
	return n == 7 ? 511 : n == 6 ? 510 : n;
}

static uint64_t leaf(unsigned level)
{
	unsigned shift = shift_of(level);
	uint64_t to = RAM;
	if (level == 3 && regime.page_bits == 12)
		to = below(4) ? DATA + below(16) * 0x1000 : CODE + below(4) * 0x1000;
	else if (level == 3)
		to = below(4) ? DATA + below(8) * 0x10000 : CODE + below(2) * 0x10000;
	else if (shift == 21)
		to = DATA + below(5) * 0x200000;
	if (!below(24))
		to |= 1ul << (regime.ips_bits + below(48 - regime.ips_bits));
	uint64_t entry = to | (level == 3 ? PAGE : BLOCK) | 3 << 8 | (1 + below(2)) << 2 | below(4) << 6;
	if (below(8))
		entry |= AF;
	if (regime.several_spaces || below(2))
		entry |= NOT_GLOBAL;
	if (!below(3))
		entry |= 1ul << 53; /* PXN */
	if (!below(3))
		entry |= 1ul << 54; /* UXN */
	return entry | (uint64_t)below(16) << 55;
}

static uint64_t new_table(unsigned level, unsigned space, uint64_t va);

static uint64_t entry_of(unsigned level, unsigned space, uint64_t va)
{
	unsigned kind = below(16);
	if (kind == 0)
		return random64() & ~1ul;
	/* A block where there are pages is invalid. */
	if (kind == 1 && level == 3)
		return leaf(level) & ~2ul;
	if (level == 3 || (kind < 6 && shift_of(level) <= 30))
		return leaf(level);
	uint64_t next = table_count < TABLES ? new_table(level + 1, space, va) : 0;
	if (!next)
		return 0;
	if (!below(6))
		next |= 1ul << (59 + below(4)); /* PXNTable, UXNTable, APTable */
	if (!below(32))
		next |= 1ul << (regime.ips_bits + below(48 - regime.ips_bits));
	return next | TABLE;
}

static uint64_t new_table(unsigned level, unsigned space, uint64_t va)
{
	unsigned number = table_count++;
	uint64_t at = POOL + ((uint64_t)number << regime.page_bits);
	tables[number] = (struct table){ at, va, level, space };
	for (uint64_t n = 0; n < 1ul << regime.page_bits; n += 8)
		REGISTER64(at + n) = 0;
	for (unsigned n = 0; n < INDICES; n++) {
		unsigned index = index_in(level, n);
		if (index >> regime.index_bits || (level == regime.start_level && index >> (regime.va_bits - shift_of(level))))
			continue;
		if (REGISTER64(at + index * 8) == 0)
			REGISTER64(at + index * 8) = entry_of(level, space, va | (uint64_t)index << shift_of(level));
	}
	return at;
}

void build_spaces(void)
{
	table_count = 0;
	for (unsigned space = 0; space < (regime.several_spaces ? 2 : 1); space++)
		spaces[space].root = new_table(regime.start_level, space, ~0ul << regime.va_bits);
	if (!regime.several_spaces)
		spaces[1].root = spaces[0].root;
}

uint64_t random_address(void)
{
	uint64_t va = ~0ul << regime.va_bits;
	for (unsigned level = regime.start_level; level <= 3; level++) {
		uint64_t index = below(40) ? index_in(level, below(INDICES)) : below(1u << regime.index_bits);
		va |= index << shift_of(level) & ~(~0ul << regime.va_bits);
	}
	uint64_t page = 1ul << regime.page_bits;
	va |= below(3) ? below(16) * 16 : below(2) ? page - 1 - below(32) : below(page);
	if (!below(4))
		va &= ~15ul;
	if (regime.ignores_tag ? below(2) : !below(48))
		va ^= (uint64_t)below(256) << 56;
	/* In no table's reach. */
	if (!below(48) && regime.va_bits < 48)
		va ^= 1ul << (regime.va_bits + below(55 - regime.va_bits));
	return va;
}

static void invalidate(const struct table *table, uint64_t entry, uint64_t va)
{
	bool is_leaf = table->level == 3 || (entry & TABLE) == BLOCK;
	uint64_t asid = regime.several_spaces || entry & NOT_GLOBAL ? spaces[table->space].asid : below(256);
	va += random64() & ((1ul << shift_of(table->level)) - 1);
	uint64_t page = va << 8 >> 20 & ~((1ul << (regime.page_bits - 12)) - 1);
	uint64_t own = asid << 48 | page;
	switch (is_leaf ? below(12) : below(3)) {
	case 0:
		__asm__ volatile("tlbi vmalle1");
		break;
	case 1:
		__asm__ volatile("tlbi vmalle1is");
		break;
	case 2:
		if (regime.several_spaces)
			__asm__ volatile("tlbi aside1, %0" : : "r"(asid << 48));
		else
			__asm__ volatile("tlbi vmalle1");
		break;
	case 3:
		__asm__ volatile("tlbi vaae1, %0" : : "r"(page));
		break;
	case 4:
		__asm__ volatile("tlbi vaae1is, %0" : : "r"(page));
		break;
	case 5:
		__asm__ volatile("tlbi vale1, %0" : : "r"(own));
		break;
	case 6:
		__asm__ volatile("tlbi vale1is, %0" : : "r"(own));
		break;
	case 7:
		__asm__ volatile("tlbi vaale1is, %0" : : "r"(page));
		break;
	case 8:
		__asm__ volatile("tlbi vae1is, %0" : : "r"(own));
		break;
	default:
		__asm__ volatile("tlbi vae1, %0" : : "r"(own));
	}
}

void change_entry(void)
{
	const struct table *table = &tables[below(table_count)];
	unsigned index = index_in(table->level, below(INDICES));
	if (index >> regime.index_bits || (table->level == regime.start_level && index >> (regime.va_bits - shift_of(table->level))))
		return;
	volatile uint64_t *entry = &REGISTER64(table->at + index * 8);
	uint64_t va = table->va | (uint64_t)index << shift_of(table->level);
	uint64_t old = *entry, next = entry_of(table->level, table->space, va);
	bool cached = old & VALID && (old & AF || (table->level < 3 && (old & TABLE) == TABLE));
	if (cached) {
		*entry = 0;
		DSB();
		invalidate(table, old, va);
		DSB();
	}
	*entry = next;
	DSB();
	ISB();
}
