/* The EL1 MPU's registers. */
#include "mpu_probe.h"

unsigned region_count, first_free;

void select_region(unsigned region)
{
	WRITE_REGISTER(PRSELR, region);
	ISB();
}

void set_region(unsigned region, uint64_t base, uint64_t limit, unsigned flags, unsigned attribute)
{
	clear_region(region); /* never half of the old and half of the new */
	WRITE_REGISTER(PRBAR, base | flags);
	WRITE_REGISTER(PRLAR, (limit - GRANULE) | attribute << 1 | 1);
	DSB();
	ISB();
}

void clear_region(unsigned region)
{
	select_region(region);
	WRITE_REGISTER(PRLAR, 0);
	DSB();
	ISB();
}

/* n, CRm and op2: Arm DDI 0600, "PRBAR<n>_EL1". */
#define EACH(do) \
	do(1, 8, 4) do(2, 9, 0) do(3, 9, 4) do(4, 10, 0) do(5, 10, 4) do(6, 11, 0) do(7, 11, 4) do(8, 12, 0) do(9, 12, 4) \
	do(10, 13, 0) do(11, 13, 4) do(12, 14, 0) do(13, 14, 4) do(14, 15, 0) do(15, 15, 4)

uint64_t read_direct(unsigned n, bool limit)
{
	switch (n * 2 + limit) {
#define TAKE(n, crm, op2) \
	case n * 2: return READ(S3_0_C6_C##crm##_##op2); \
	case n * 2 + 1: return READ_LIMIT_##op2(crm);
#define READ_LIMIT_0(crm) READ(S3_0_C6_C##crm##_1)
#define READ_LIMIT_4(crm) READ(S3_0_C6_C##crm##_5)
	EACH(TAKE)
	}
	return 0;
}

void write_direct(unsigned n, bool limit, uint64_t value)
{
	switch (n * 2 + limit) {
#define GIVE(n, crm, op2) \
	case n * 2: WRITE(S3_0_C6_C##crm##_##op2, value); break; \
	case n * 2 + 1: WRITE_LIMIT_##op2(crm); break;
#define WRITE_LIMIT_0(crm) WRITE(S3_0_C6_C##crm##_1, value)
#define WRITE_LIMIT_4(crm) WRITE(S3_0_C6_C##crm##_5, value)
	EACH(GIVE)
	}
	ISB();
}

void set_control(uint64_t set, uint64_t clear)
{
	DSB();
	WRITE(sctlr_el1, (READ(sctlr_el1) & ~clear) | set);
	ISB();
}

void start_mpu(void)
{
	uint64_t start, data = (uint64_t)__bss_start;
	__asm__("adrp %0, _start" : "=r"(start));
	for (unsigned region = 0; region < region_count; region++)
		clear_region(region);
	WRITE(mair_el1, MAIR);
	unsigned next = 0;
	set_region(next++, start, data, AP_ALL | AP_READ_ONLY | INNER_SHAREABLE, NORMAL); /* EL0's accesses are in the text */
	set_region(next++, data, ARENA, XN | AP_EL1 | INNER_SHAREABLE, NORMAL);
	set_region(next++, machine.uart, machine.uart + 0x1000, XN | AP_EL1, DEVICE);
	set_region(next++, machine.distributor, machine.distributor + 0x10000, XN | AP_EL1, DEVICE);
	set_region(next++, machine.redistributors, machine.redistributors + 0x20000, XN | AP_EL1, DEVICE);
	first_free = next;
	set_control(SCTLR_M | SCTLR_C | SCTLR_I, SCTLR_BR | SCTLR_WXN);
}
