/*
 * What two CPUs may see of each other's accesses: locks and counters by exclusives and, where the CPU has them, by atomics of 64 and 128
 * bits; the usual litmus tests, which are named as in the literature; code that one CPU writes and the other executes; a page that one maps
 * anew and the other reads. Each test prints a line with what it counted; a line with "FAIL" is a behaviour that the architecture forbids.
 */
#include "memory.h"

#define COUNTS 20000u
#define BATCH 1000u
#define BATCHES 100u
#define HANDOVERS 200u

static uint32_t arrived; /* CPUs that are at the meeting, ever */
static unsigned meetings[MAX_CPUS];

/* Nobody goes on before both are here. */
static void meet(unsigned me)
{
	unsigned wanted = 2 * ++meetings[me * (MAX_CPUS / 2)];
	__atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
	while ((int)(LOAD_ACQUIRE(&arrived) - wanted) < 0)
		__asm__ volatile("yield");
}

static void say(const char *what, uint64_t value, uint64_t wanted)
{
	print(what);
	print(": ");
	print_decimal(value);
	print(value == wanted ? "\n" : " FAIL\n");
}

/* ---- counters */

static struct {
	uint32_t lock __attribute__((aligned(64)));
	uint64_t locked, exclusive, atomic __attribute__((aligned(64)));
	uint64_t pair[2] __attribute__((aligned(64)));
	uint64_t exclusive_pair[2] __attribute__((aligned(16)));
} shared;

static bool has_atomics(void)
{
	return (READ(id_aa64isar0_el1) >> 20 & 15) >= 2;
}

static void count(unsigned me)
{
	for (unsigned n = 0; n < COUNTS; n++) {
		while (__atomic_exchange_n(&shared.lock, 1, __ATOMIC_ACQUIRE))
			while (LOAD(&shared.lock))
				__asm__ volatile("yield");
		STORE(&shared.locked, LOAD(&shared.locked) + 1);
		STORE_RELEASE(&shared.lock, 0);
		__atomic_fetch_add(&shared.exclusive, 1, __ATOMIC_RELAXED);
		uint64_t low, high;
		uint32_t failed;
		do
			__asm__ volatile(
				"ldxp %0, %1, [%3]\n add %0, %0, #1\n sub %1, %1, #1\n stxp %w2, %0, %1, [%3]"
				: "=&r"(low), "=&r"(high), "=&r"(failed) : "r"(shared.exclusive_pair) : "memory");
		while (failed);
	}
	meet(me);
	if (me == 0) {
		say("lock", shared.locked, 2 * COUNTS);
		say("exclusives", shared.exclusive, 2 * COUNTS);
		say("exclusive pairs", shared.exclusive_pair[0], 2 * COUNTS);
		say("exclusive pairs, other half", shared.exclusive_pair[0] + shared.exclusive_pair[1], 0);
	}
	if (!has_atomics())
		return;
	for (unsigned n = 0; n < COUNTS; n++) {
		__asm__ volatile(".arch_extension lse\n ldadd %0, xzr, [%1]" : : "r"(1ul), "r"(&shared.atomic) : "memory");
		register uint64_t x0 __asm__("x0") = shared.pair[0];
		register uint64_t x1 __asm__("x1") = shared.pair[1];
		for (;;) {
			uint64_t low = x0, high = x1;
			register uint64_t x2 __asm__("x2") = low + 1;
			register uint64_t x3 __asm__("x3") = high - 1;
			__asm__ volatile(".arch_extension lse\n caspal x0, x1, x2, x3, [%4]"
				: "+r"(x0), "+r"(x1) : "r"(x2), "r"(x3), "r"(shared.pair) : "memory");
			if (x0 == low && x1 == high)
				break;
		}
	}
	meet(me);
	if (me == 0) {
		say("atomics", shared.atomic, 2 * COUNTS);
		say("atomic pairs", shared.pair[0], 2 * COUNTS);
		say("atomic pairs, other half", shared.pair[0] + shared.pair[1], 0);
	}
}

/* ---- litmus tests: each round has its own two places, and what each CPU has read */

static struct round {
	uint64_t x __attribute__((aligned(64)));
	uint64_t y __attribute__((aligned(64)));
	uint64_t read[2][2] __attribute__((aligned(64)));
} rounds[BATCH];

static void message_passing(unsigned me, struct round *r)
{
	if (me == 0) {
		STORE(&r->x, 1);
		STORE_RELEASE(&r->y, 1);
	} else {
		r->read[1][0] = LOAD_ACQUIRE(&r->y);
		r->read[1][1] = LOAD(&r->x);
	}
}

static void message_passing_by_barriers(unsigned me, struct round *r)
{
	if (me == 0) {
		STORE(&r->x, 1);
		__asm__ volatile("dmb ishst" : : : "memory");
		STORE(&r->y, 1);
	} else {
		r->read[1][0] = LOAD(&r->y);
		__asm__ volatile("dmb ishld" : : : "memory");
		r->read[1][1] = LOAD(&r->x);
	}
}

static bool is_stale(const struct round *r)
{
	return r->read[1][0] == 1 && r->read[1][1] == 0;
}

static void store_buffering(unsigned me, struct round *r)
{
	STORE(me ? &r->y : &r->x, 1);
	r->read[me][0] = LOAD(me ? &r->x : &r->y);
}

static void store_buffering_by_barriers(unsigned me, struct round *r)
{
	STORE(me ? &r->y : &r->x, 1);
	DMB();
	r->read[me][0] = LOAD(me ? &r->x : &r->y);
}

static void store_buffering_by_acquire(unsigned me, struct round *r)
{
	STORE_RELEASE(me ? &r->y : &r->x, 1);
	r->read[me][0] = LOAD_ACQUIRE(me ? &r->x : &r->y);
}

static bool both_before(const struct round *r)
{
	return r->read[0][0] == 0 && r->read[1][0] == 0;
}

static void load_buffering(unsigned me, struct round *r)
{
	r->read[me][0] = LOAD(me ? &r->y : &r->x);
	DMB();
	STORE(me ? &r->x : &r->y, 1);
}

static bool both_after(const struct round *r)
{
	return r->read[0][0] == 1 && r->read[1][0] == 1;
}

static void coherence(unsigned me, struct round *r)
{
	if (me == 0) {
		STORE(&r->x, 1);
	} else {
		r->read[1][0] = LOAD(&r->x);
		r->read[1][1] = LOAD(&r->x);
	}
}

static void litmus(unsigned me, const char *name, void (*run)(unsigned, struct round *), bool (*is_seen)(const struct round *),
	bool is_forbidden)
{
	static uint64_t seen;
	if (me == 0)
		seen = 0;
	for (unsigned batch = 0; batch < BATCHES; batch++) {
		meet(me);
		for (unsigned n = 0; n < BATCH; n++)
			run(me, &rounds[n]);
		meet(me);
		if (me)
			continue;
		for (unsigned n = 0; n < BATCH; n++) {
			seen += is_seen(&rounds[n]);
			rounds[n] = (struct round){ 0 };
		}
	}
	meet(me);
	if (me)
		return;
	print(name);
	print(": seen ");
	print_decimal(seen);
	print(" times in ");
	print_decimal(BATCH * BATCHES);
	print(is_forbidden && seen ? " FAIL\n" : "\n");
}

/* ---- code and translations */

static uint32_t code[1024] __attribute__((aligned(4096)));
static uint64_t pages[2][512] __attribute__((aligned(4096)));
static unsigned turn, wrong;

static void take_turns(unsigned me, const char *name, void (*change)(unsigned), unsigned (*look)(void))
{
	if (me == 0)
		turn = wrong = 0;
	meet(me);
	for (unsigned n = 1; n <= HANDOVERS; n++) {
		if (me == 0) {
			change(n);
			STORE_RELEASE(&turn, 2 * n);
			while (LOAD_ACQUIRE(&turn) != 2 * n + 1)
				__asm__ volatile("yield");
		} else {
			while (LOAD_ACQUIRE(&turn) != 2 * n)
				__asm__ volatile("yield");
			ISB();
			wrong += look() != n;
			STORE_RELEASE(&turn, 2 * n + 1);
		}
	}
	meet(me);
	if (me == 0)
		say(name, wrong, 0);
}

static void write_code(unsigned n)
{
	code[0] = 0x52800000 | n << 5; /* mov w0, #n */
	code[1] = 0xd65f03c0; /* ret */
	code_written(code, 8);
}

static unsigned run_code(void)
{
	return ((unsigned (*)(void))code)();
}

static void map_page(unsigned n)
{
	pages[n & 1][0] = n;
	remap(pages[n & 1]);
}

static unsigned read_page(void)
{
	return *(volatile uint64_t *)WINDOW;
}

/* ---- */

static void all(unsigned me)
{
	count(me);
	litmus(me, "MP, release and acquire", message_passing, is_stale, true);
	litmus(me, "MP, barriers", message_passing_by_barriers, is_stale, true);
	litmus(me, "SB, barriers", store_buffering_by_barriers, both_before, true);
	litmus(me, "SB, release and acquire", store_buffering_by_acquire, both_before, true);
	litmus(me, "LB, barriers", load_buffering, both_after, true);
	litmus(me, "CoRR", coherence, is_stale, true);
	litmus(me, "SB, which is allowed", store_buffering, both_before, false);
	take_turns(me, "stale code", write_code, run_code);
	take_turns(me, "stale translations", map_page, read_page);
}

static unsigned awake;

void second(void)
{
	STORE_RELEASE(&awake, 1);
	__asm__ volatile("sev");
	all(1);
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	start_second(device_tree);
	while (!LOAD_ACQUIRE(&awake))
		__asm__ volatile("wfe");
	all(0);
	print("litmus complete\n");
	power_off();
}
