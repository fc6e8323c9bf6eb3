/*
 * Measures what its scheduler gives it: counts loops for a fifth of a second.
 * Where the system counter jumps between two of them, others had the CPU; so
 * the loops fall into runs. At the end it prints when each of them began, how
 * long it was and how many loops it had, and switches the machine off.
 */
#include "kit.h"

#define DURATION_MS 200
/* A shorter absence goes unnoticed: physical CPUs take turns of 50 us. */
#define ABSENCE_US 60
#define MAX_RUNS 1024
/* Makes a loop longer: reading the counter takes its time. */
#define SPINS 30

static struct run {
	uint64_t began, ended, loops;
} runs[MAX_RUNS];

void interrupt(void)
{
}

void __attribute__((noreturn)) secondary_main(void)
{
	power_off();
}

/* Registers only: with the MMU off, each access to memory would be one to a device. Returns the number of runs. */
static unsigned count(uint64_t absence, uint64_t end)
{
	unsigned number = 0;
	uint64_t now = READ(cntvct_el0), began = now, loops = 0;
	for (;;) {
		uint64_t last = now;
		now = READ(cntvct_el0);
		if (now - last > absence || now >= end) {
			if (number < MAX_RUNS)
				runs[number++] = (struct run){ began, last, loops };
			if (now >= end)
				return number;
			began = now;
			loops = 0;
		}
		loops++;
		for (unsigned spin = 0; spin < SPINS; spin++)
			__asm__ volatile("nop");
	}
}

static void print_nanoseconds(uint64_t counts)
{
	print_decimal(counts * 1000000000 / READ(cntfrq_el0));
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	if (!read_device_tree(device_tree))
		power_off();
	uint64_t hz = READ(cntfrq_el0), total = 0;
	unsigned number = count(hz * ABSENCE_US / 1000000, hz / 1000 * DURATION_MS);
	for (unsigned index = 0; index < number; index++) {
		total += runs[index].loops;
		print("run at ");
		print_nanoseconds(runs[index].began);
		print(" ns, ");
		print_nanoseconds(runs[index].ended - runs[index].began);
		print(" ns: ");
		print_decimal(runs[index].loops);
		print(" loops\n");
	}
	print("counted ");
	print_decimal(total);
	print(" loops in ");
	print_decimal(number);
	print(number == MAX_RUNS ? " runs, or more\n" : " runs\n");
	power_off();
}
