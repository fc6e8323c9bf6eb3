/* The CPU we run on, and what the firmware does with CPUs. */
#include "kit.h"

extern uint64_t psci_hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
extern uint64_t psci_smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

uint64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
	return (machine.smc ? psci_smc : psci_hvc)(function, a, b, c);
}

void __attribute__((noreturn)) power_off(void)
{
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

unsigned this_cpu(void)
{
	uint64_t mpidr = READ(mpidr_el1) & 0xff00ffffff;
	for (unsigned index = 0; index < machine.cpus; index++)
		if (machine.mpidr[index] == mpidr)
			return index;
	return 0;
}

uint64_t microseconds(uint64_t counts)
{
	return counts * 1000000 / READ(cntfrq_el0);
}

void __attribute__((noreturn)) fault(uint64_t vector)
{
	print("\nFAIL unexpected exception: vector ");
	print_decimal(vector);
	print(", ESR_EL1 ");
	print_hex(READ(esr_el1));
	print(", ELR_EL1 ");
	print_hex(READ(elr_el1));
	print(", FAR_EL1 ");
	print_hex(READ(far_el1));
	print("\n");
	power_off();
}
