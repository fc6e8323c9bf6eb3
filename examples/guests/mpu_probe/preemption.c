/*
 * Sequences of PRSELR, PRBAR and PRLAR with time between the writes: whoever else runs on this CPU meanwhile, with an MPU of its own,
 * must leave no trace. Regions stay disabled, or lie in the arena where they don't meet.
 */
#include "mpu_probe.h"

/* Patience of await_others. */
#define ATTEMPTS 64
/* Counter ticks of 16 ns that no wait here takes, unless somebody else ran. */
#define INTERRUPTED 250

unsigned interrupted_sequences, sequences;

static uint64_t state;

static uint64_t random_number(void)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return state >> 16;
}

/* Some time; true when it took more than it should. */
static bool linger(void)
{
	uint64_t began = READ(cntvct_el0);
	for (unsigned turns = random_number() % 256; turns > 0; turns--)
		__asm__ volatile("");
	ISB();
	return READ(cntvct_el0) - began > INTERRUPTED;
}

void await_others(void)
{
	for (unsigned attempt = 0; attempt < ATTEMPTS && !linger(); attempt++)
		;
}

void check_preemption(void)
{
	unsigned last = region_count - 1;
	/* Seeded by where we are: neighbours write other values. */
	state = ARENA * 2862933555777941757ul + 3037000493ul;
	set_region(last, ARENA, ARENA + GRANULE, AP_ALL, NORMAL);
	uint64_t enabled = READ_REGISTER(PRENR), control = READ(sctlr_el1);
	for (unsigned sequence = 0; sequence < sequences; sequence++) {
		unsigned region = first_free + random_number() % (last - first_free);
		uint64_t base = (random_number() & ADDRESS_BITS) | XN, limit = (random_number() & ADDRESS_BITS) | DEVICE << 1;
		WRITE_REGISTER(PRSELR, region); /* no ISB: some software leaves it out */
		bool interrupted = linger();
		WRITE_REGISTER(PRBAR, base);
		interrupted |= linger();
		WRITE_REGISTER(PRLAR, limit);
		interrupted |= linger();
		expect(sequence << 4, READ_REGISTER(PRSELR), region);
		select_region(region & 0xf0);
		bool direct = region & 15;
		expect(sequence << 4 | 1, direct ? read_direct(region & 15, false) : READ_REGISTER(PRBAR), base);
		expect(sequence << 4 | 2, direct ? read_direct(region & 15, true) : READ_REGISTER(PRLAR), limit);
		expect(sequence << 4 | 3, READ_REGISTER(PRENR), enabled);
		expect(sequence << 4 | 4, READ(mair_el1), MAIR);
		expect(sequence << 4 | 5, READ(sctlr_el1), control);
		if (sequence % 16 == 0) {
			/* A change that counts: whatever was concluded from the old regions is looked up again, perhaps while others wait. */
			set_region(last, ARENA, ARENA + GRANULE, AP_ALL, NORMAL);
			expect_access(sequence << 4 | 6, 1, LOAD, ARENA + GRANULE - 1, 0);
			expect_access(sequence << 4 | 7, 1, LOAD, ARENA + GRANULE, TRANSLATION);
		}
		interrupted_sequences += interrupted;
	}
	for (unsigned region = first_free; region < region_count; region++)
		clear_region(region);
}
