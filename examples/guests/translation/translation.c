/*
 * Translation under test: each round draws a regime and tables behind TTBR1_EL1, and tries accesses of all kinds at EL1 and EL0, while entries,
 * address spaces and SCTLR_EL1 change as the architecture allows. What came of each (syndrome, address, value, PAR_EL1) goes into a digest a
 * round, so that two implementations can be compared; one round can be told in full. Nothing is done that the architecture leaves open.
 */
#include "translation.h"

extern const volatile struct {
	char name[8];
	uint64_t seed, rounds, told;
} parameters;

enum { TRIES = 400, STUBS = 26, BRANCH = 13, FIRST_STORE = 14, STORE_PAIR = 18, STORE_VECTOR = 24, ZERO = 25, SVC = 0x15, INSTRUCTION_ABORT = 0x20 };

extern char translation_vectors[], kernel_stubs[], user_stubs[], __bss_start[];
extern uint64_t try_el1(const char *stub, uint64_t address, uint64_t value), try_el0(const char *stub, uint64_t address, uint64_t value);
extern volatile struct {
	uint64_t esr, far, elr, spsr;
} caught_exception;

static uint64_t level1[512] __attribute__((aligned(4096))), level2[512] __attribute__((aligned(4096)));
static uint64_t user_level2[512] __attribute__((aligned(4096))), level3[512] __attribute__((aligned(4096)));
static uint64_t nothing[512] __attribute__((aligned(4096)));
static uint64_t sequence, digest, sctlr;
static unsigned space;
static bool asid_in_ttbr1, told;

uint64_t random64(void)
{
	sequence ^= sequence << 13;
	sequence ^= sequence >> 7;
	sequence ^= sequence << 17;
	return sequence * 0x2545f4914f6cdd1d;
}

unsigned below(unsigned limit)
{
	return (random64() >> 33) % limit;
}

void interrupt(void)
{
	fault(5);
}

void secondary_main(void)
{
	fault(16);
}

/* The first GiB is devices, the second RAM: code read-only, all else never executed, so that WXN may be on. The third is the code for EL0. */
static void map_kernel(void)
{
	const uint64_t normal = 3 << 8 | 1 << 2 | 1 << 10, never = 3ul << 53, read_only = 1 << 7;
	uint64_t block = (uint64_t)kernel_stubs & ~0x1ffffful, end = (uint64_t)__bss_start;
	level1[0] = 1 << 10 | never | 1;
	level1[1] = (uint64_t)level2 | 3;
	level1[2] = (uint64_t)user_level2 | 3;
	for (unsigned n = 0; n < 512; n++) {
		level2[n] = (RAM + n * 0x200000ul) | normal | never | 1;
		uint64_t page = block + n * 0x1000ul;
		level3[n] = page | normal | (page < end ? read_only : never) | 3;
	}
	level2[(block - RAM) >> 21] = (uint64_t)level3 | 3;
	user_level2[(block - RAM) >> 21] = block | normal | 3 << 6 | 1;
}

static void switch_space(unsigned to)
{
	space = to;
	uint64_t asid = spaces[to].asid << 48;
	WRITE(ttbr1_el1, spaces[to].root | (asid_in_ttbr1 ? asid : 0x77ul << 48));
	WRITE(ttbr0_el1, (uint64_t)level1 | (asid_in_ttbr1 ? 0x55ul << 48 : asid));
	ISB();
}

/* RES1 bits; EL0's DC ZVA; I, C, M. */
#define SCTLR 0x30d05805
/* 39 bits of address, walks of write-back memory; EPD1. */
#define KERNEL_TCR (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)

static void set_sctlr(uint64_t value)
{
	sctlr = value;
	WRITE(sctlr_el1, value);
	ISB();
}

static void invalidate_all(void)
{
	DSB();
	__asm__ volatile("tlbi vmalle1");
	DSB();
	ISB();
}

static void draw_regime(void)
{
	static const unsigned char ips_bits[] = { 32, 36, 40, 42, 44 };
	bool wide = !below(4);
	unsigned ips = below(5), tsz = 16 + below(24);
	bool wide_asid = below(2);
	regime.page_bits = wide ? 16 : 12;
	regime.index_bits = wide ? 13 : 9;
	regime.va_bits = 64 - tsz;
	regime.start_level = 3 - (regime.va_bits - regime.page_bits - 1) / regime.index_bits;
	regime.ips_bits = ips_bits[ips];
	regime.ignores_tag = below(2);
	regime.several_spaces = below(2);
	asid_in_ttbr1 = below(2);
	for (unsigned n = 0; n < 2; n++)
		spaces[n].asid = below(wide_asid ? 0x10000 : 0x100);
	spaces[1].asid ^= spaces[0].asid == spaces[1].asid;
	/* Nobody walks what isn't finished. */
	WRITE(tcr_el1, KERNEL_TCR);
	WRITE(ttbr1_el1, nothing);
	ISB();
	invalidate_all();
	build_spaces();
	uint64_t tcr = (KERNEL_TCR & ~(!!below(24) << 23)) | (uint64_t)tsz << 16 | (uint64_t)asid_in_ttbr1 << 22 | 1ul << 24 | 1ul << 26 | 3ul << 28 | (wide ? 3ul : 2ul) << 30 | (uint64_t)ips << 32 | (uint64_t)wide_asid << 36 | (uint64_t)below(2) << 37 |
		(uint64_t)regime.ignores_tag << 38;
	switch_space(0);
	WRITE(tcr_el1, tcr);
	invalidate_all();
}

static void add(uint64_t value)
{
	digest = (digest ^ value) * 0x9e3779b97f4a7c15;
	digest ^= digest >> 29;
	if (told) {
		print(" ");
		print_hex(value);
	}
}

/* What AT finds. */
static uint64_t look(unsigned kind, uint64_t va)
{
	switch (kind) {
	case 0:
		__asm__ volatile("at s1e1r, %0" : : "r"(va));
		break;
	case 1:
		__asm__ volatile("at s1e1w, %0" : : "r"(va));
		break;
	case 2:
		__asm__ volatile("at s1e0r, %0" : : "r"(va));
		break;
	default:
		__asm__ volatile("at s1e0w, %0" : : "r"(va));
	}
	ISB();
	return READ(par_el1);
}

/* Whether an access leads nowhere, or to where it may. */
static bool harmless(uint64_t va, uint64_t from, uint64_t to)
{
	uint64_t par = look(0, va);
	uint64_t pa = par & 0xfffffffff000;
	return par & 1 || (pa >= from && pa < to);
}

static void try(unsigned kind, bool user, uint64_t va)
{
	bool stores = kind >= FIRST_STORE, branches = kind == BRANCH;
	if (branches)
		va = (va & ~15ul) + (user ? 4 : 0);
	/* Of a pair of stores that faults, one may have been made. */
	if ((kind == STORE_PAIR || kind == STORE_VECTOR) && (va & 0xfff) > 0xff0)
		va &= ~15ul;
	uint64_t from = branches ? CODE : DATA, to = stores ? CODE : CODE + CODE_SIZE;
	if (!harmless(va, from, to) || !harmless(va + 31, from, to) || (kind == ZERO && !harmless(va & ~63ul, from, to)))
		return;
	uint64_t value = random64();
	caught_exception.esr = caught_exception.far = caught_exception.elr = caught_exception.spsr = 0;
	const char *stub = (user ? user_stubs : kernel_stubs) + kind * 16;
	uint64_t result = (user ? try_el0 : try_el1)(stub, va, value);
	unsigned class = caught_exception.esr >> 26;
	add(kind | user << 8);
	add(va);
	if (class != SVC) {
		add(caught_exception.esr);
		if (caught_exception.esr) {
			add(caught_exception.far);
			/* Where the stub lies is the loader's choice. */
			add(class >> 1 == INSTRUCTION_ABORT >> 1 || class == 0x22 ? caught_exception.elr : caught_exception.elr - (uint64_t)stub);
			add(caught_exception.spsr & ~0xf0000000ul);
		}
	}
	add(result);
}

static void step(void)
{
	uint64_t va = random_address();
	switch (below(32)) {
	case 0:
	case 1:
	case 2:
	case 3:
		change_entry();
		break;
	case 4:
		if (regime.several_spaces)
			switch_space(!space);
		break;
	case 5:
		set_sctlr(sctlr ^ 1 << 1); /* A */
		break;
	case 6:
		if (!below(4)) {
			set_sctlr(sctlr ^ 1 << 19); /* WXN */
			invalidate_all();
		}
		break;
	case 7:
	case 8:
	case 9: {
		unsigned kind = below(4);
		add(0x1000 | kind);
		add(va);
		uint64_t par = look(kind, va);
		/* Non-cacheable memory may be told as shareable as it is, or as the descriptor has it. */
		add(par & 1 || par >> 56 == 0xff ? par : par & ~0x180ul);
		break;
	}
	default:
		try(below(STUBS), below(2), va);
		/* Again and at once, as what is in the TLB now. */
		if (!below(3))
			try(below(STUBS), below(2), va);
	}
	if (told)
		print("\n");
}

void main(uint64_t tree)
{
	if (!read_device_tree(tree))
		fault(17);
	WRITE(tpidr_el1, 0);
	WRITE(vbar_el1, translation_vectors);
	WRITE(cpacr_el1, 3 << 20);
	map_kernel();
	for (uint64_t at = DATA; at < CODE; at += 8)
		REGISTER64(at) = at * 0x9e3779b97f4a7c15;
	for (uint64_t at = CODE; at < CODE + CODE_SIZE; at += 8)
		REGISTER64(at) = 0xd4000001d65f03c0; /* RET; SVC */
	WRITE(mair_el1, 0x44ff00); /* Device-nGnRnE, write-back, non-cacheable */
	WRITE(tcr_el1, KERNEL_TCR);
	WRITE(ttbr0_el1, level1);
	invalidate_all();
	__asm__ volatile("ic iallu");
	DSB();
	for (uint64_t round = 0; round < parameters.rounds; round++) {
		sequence = 0x853c49e6748fea9b ^ (parameters.seed << 32 | round) * 0x9e3779b97f4a7c15;
		digest = 0;
		told = round == parameters.told;
		set_sctlr(SCTLR);
		draw_regime();
		for (unsigned n = 0; n < TRIES; n++)
			step();
		print("round ");
		print_decimal(round);
		print(" ");
		print_hex(digest);
		print("\n");
	}
	print("done\n");
	power_off();
}
