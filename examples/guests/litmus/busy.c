/* Two CPUs that compute, each by itself: what a second thread of the host is worth. */
#include "memory.h"

#define WORDS 2048u
#define PASSES 150000u

static struct {
	uint64_t words[WORDS] __attribute__((aligned(64)));
	uint64_t result;
	uint32_t is_done;
} work[2];

static uint32_t started;

/* Loads, stores and arithmetic, with what was computed before: some ten instructions a word. */
static void compute(unsigned me)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_ACQ_REL);
	while (LOAD_ACQUIRE(&started) < 2)
		__asm__ volatile("yield");
	uint64_t sum = me + 1;
	for (unsigned pass = 0; pass < PASSES; pass++)
		for (unsigned n = 0; n < WORDS; n++) {
			sum = (sum ^ work[me].words[n]) * 6364136223846793005ul + 1442695040888963407ul;
			work[me].words[n] = sum >> 32 ^ n;
		}
	work[me].result = sum;
	STORE_RELEASE(&work[me].is_done, 1);
}

void second(void)
{
	compute(1);
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	start_second(device_tree);
	print("busy\n");
	compute(0);
	while (!LOAD_ACQUIRE(&work[1].is_done))
		__asm__ volatile("yield");
	print_hex(work[0].result);
	print(" ");
	print_hex(work[1].result);
	print("\ndone\n");
	power_off();
}
