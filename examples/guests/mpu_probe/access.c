/* Single accesses at EL1 and EL0, and the exceptions that they take to EL1. */
#include "mpu_probe.h"

extern void kernel_read(uint64_t), kernel_write(uint64_t), kernel_execute(uint64_t), kernel_read_wide(uint64_t), kernel_zero(uint64_t);
extern char user_read[], user_write[], user_execute[];
extern void run_at_el0(void *entry, uint64_t argument);
extern void fault(uint64_t vector) __attribute__((noreturn));

enum { SVC = 0x15 };

volatile uint64_t fault_address;
static volatile uint64_t fault_syndrome;
static volatile bool expecting;

/* From the vectors. True: EL0 is done. */
bool synchronous(const uint64_t *saved)
{
	uint64_t esr = READ(esr_el1);
	unsigned class = esr >> 26;
	if (class == SVC)
		return true;
	if (!expecting || fault_syndrome)
		fault(4);
	fault_syndrome = esr;
	fault_address = READ(far_el1);
	/* Back behind the access: a fetch's address is that of what was called. */
	WRITE(elr_el1, (class & ~1u) == INSTRUCTION_ABORT ? saved[20] : READ(elr_el1) + 4);
	return false;
}

uint64_t attempt(unsigned el, enum access access, uint64_t address)
{
	fault_syndrome = 0;
	fault_address = 0;
	expecting = true;
	if (el == 0)
		run_at_el0(access == LOAD ? user_read : access == STORE ? user_write : user_execute, address);
	else if (access == LOAD)
		kernel_read(address);
	else if (access == STORE)
		kernel_write(address);
	else if (access == EXECUTE)
		kernel_execute(address);
	else if (access == LOAD_WIDE)
		kernel_read_wide(address);
	else
		kernel_zero(address);
	expecting = false;
	return fault_syndrome;
}

uint64_t syndrome(unsigned el, enum access access, unsigned status)
{
	uint64_t class = (access == EXECUTE ? INSTRUCTION_ABORT : DATA_ABORT) + el;
	uint64_t write = access == STORE || access == ZERO;
	return class << 26 | 1ul << 25 | write << 6 | status;
}
