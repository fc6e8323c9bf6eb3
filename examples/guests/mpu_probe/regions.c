/* What the registers hold: identification, the windows on regions and their banks, PRENR. With the MPU off. */
#include "mpu_probe.h"

#define REGION_BASE(n) (0x100000000ul + (n) * 0x100000ul)

static void check_identification(void)
{
	expect(0, READ(id_aa64mmfr0_el1) >> 48 & 0xf, 0xf);
	expect(1, region_count >= 16, 1);
	expect(2, READ_REGISTER(MPUIR) >> 8, 0);
	verdict("identification");
}

/* Everything is written through the selector and read through the numbered registers of each bank, then the other way round. */
static void check_banks(void)
{
	for (unsigned n = 0; n < region_count; n++) {
		select_region(n);
		WRITE_REGISTER(PRBAR, REGION_BASE(n) | XN);
		WRITE_REGISTER(PRLAR, REGION_BASE(n) | DEVICE << 1);
	}
	for (unsigned n = 0; n < region_count; n++) {
		if (n % 16 == 0)
			continue;
		/* Only the selector's upper part counts here. */
		select_region(n - n % 16 + (n * 7) % 16);
		expect(n * 2, read_direct(n % 16, false), REGION_BASE(n) | XN);
		expect(n * 2 + 1, read_direct(n % 16, true), REGION_BASE(n) | DEVICE << 1);
		write_direct(n % 16, false, REGION_BASE(n) + GRANULE);
		write_direct(n % 16, true, REGION_BASE(n) + 2 * GRANULE);
	}
	for (unsigned n = 0; n < region_count; n++) {
		bool written = n % 16 != 0;
		select_region(n);
		expect(0x1000 + n, READ_REGISTER(PRBAR), REGION_BASE(n) + (written ? GRANULE : XN));
		expect(0x2000 + n, READ_REGISTER(PRLAR), REGION_BASE(n) + (written ? 2 * GRANULE : DEVICE << 1));
	}
	verdict("PRSELR's banks");
}

static void check_reserved_bits(void)
{
	select_region(region_count - 1);
	WRITE_REGISTER(PRBAR, ~0ul);
	expect(0, READ_REGISTER(PRBAR), ADDRESS_BITS | 0x3e);
	WRITE_REGISTER(PRLAR, ~1ul);
	expect(1, READ_REGISTER(PRLAR), ADDRESS_BITS | 0x1e);
	WRITE_REGISTER(PRSELR, ~0ul);
	expect(2, READ_REGISTER(PRSELR), 0xff);
	verdict("reserved bits");
}

static void check_enables(void)
{
	unsigned aliased = region_count < 32 ? region_count : 32;
	uint64_t all = (1ul << aliased) - 1;
	for (unsigned n = 0; n < region_count; n++)
		clear_region(n);
	WRITE_REGISTER(PRENR, ~0ul);
	ISB();
	expect(0, READ_REGISTER(PRENR), all);
	for (unsigned n = 0; n < region_count; n++) {
		select_region(n);
		expect(0x100 + n, READ_REGISTER(PRLAR) & 1, n < 32);
	}
	WRITE_REGISTER(PRENR, 0x5ul);
	ISB();
	for (unsigned n = 0; n < region_count; n++) {
		select_region(n);
		expect(0x200 + n, READ_REGISTER(PRLAR) & 1, n == 0 || n == 2);
		WRITE_REGISTER(PRLAR, 1);
		ISB();
		expect(0x300 + n, READ_REGISTER(PRENR) >> n & 1, n < aliased);
		WRITE_REGISTER(PRLAR, 0);
	}
	verdict("PRENR");
}

void check_registers(void)
{
	region_count = READ_REGISTER(MPUIR) & 0xff;
	check_identification();
	check_banks();
	check_reserved_bits();
	check_enables();
}
