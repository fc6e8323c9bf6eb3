/* What the MPU lets through, and what it says of the rest. */
#include "mpu_probe.h"

extern char probe_vectors[];
#define RET_INSTRUCTION 0xd65f03c0u
#define PAGE 0x1000ul
/* In the part of the arena that no region covers. */
#define NOWHERE (ARENA + 3 * PAGE)

/* A subroutine wherever a check may jump. Before any region keeps us from it. */
static void fill_arena(void)
{
	unsigned last = region_count - 1;
	set_region(last, ARENA, ARENA + 4 * PAGE, XN | AP_EL1 | INNER_SHAREABLE, NORMAL);
	for (uint64_t at = ARENA; at < ARENA + 4 * PAGE; at += 4)
		*(volatile uint32_t *)at = RET_INSTRUCTION;
	clear_region(last);
	__asm__ volatile("ic iallu\n dsb sy\n isb" : : : "memory");
}

static void check_own_regions(void)
{
	uint64_t text = (uint64_t)probe_vectors, data = (uint64_t)&region_count;
	expect_access(0, 1, LOAD, text, 0);
	expect_access(1, 1, STORE, text, PERMISSION);
	expect_access(2, 0, LOAD, text, 0);
	expect_access(3, 0, STORE, text, PERMISSION);
	expect_access(4, 1, EXECUTE, data & ~3ul, PERMISSION);
	expect_access(5, 0, LOAD, data, PERMISSION);
	expect_access(6, 0, STORE, data, PERMISSION);
	expect_access(7, 1, EXECUTE, machine.uart, PERMISSION);
	expect_access(8, 0, LOAD, machine.uart, PERMISSION);
	verdict("text, data and devices");
}

/* AP, XN, Exception level and kind of access, in a region of every bank. */
static void check_permissions(unsigned region)
{
	for (unsigned combination = 0; combination < 8; combination++) {
		unsigned ap = combination & 3, never = combination >> 2;
		set_region(region, ARENA, ARENA + PAGE, ap << 2 | (never ? XN : 0) | INNER_SHAREABLE, NORMAL);
		for (unsigned el = 0; el < 2; el++) {
			bool reads = el == 1 || (ap & 1), writes = reads && !(ap & 2), executes = reads && !never;
			uint64_t step = region << 8 | combination << 4 | el << 2;
			expect_access(step, el, LOAD, ARENA + 8, reads ? 0 : PERMISSION);
			expect_access(step + 1, el, STORE, ARENA + 12, writes ? 0 : PERMISSION);
			expect_access(step + 2, el, EXECUTE, ARENA + 16, executes ? 0 : PERMISSION);
		}
	}
	set_region(region, ARENA, ARENA + PAGE, AP_EL1 | INNER_SHAREABLE, NORMAL);
	set_control(SCTLR_WXN, 0);
	expect_access(0x10000, 1, EXECUTE, ARENA, PERMISSION);
	set_control(0, SCTLR_WXN);
	expect_access(0x10001, 1, EXECUTE, ARENA, 0);
	clear_region(region);
}

static void check_no_region(void)
{
	for (enum access access = LOAD; access <= EXECUTE; access++) {
		expect_access(access, 1, access, NOWHERE, TRANSLATION);
		expect_access(access + 4, 0, access, NOWHERE, TRANSLATION);
	}
	set_control(SCTLR_BR, 0);
	expect_access(0x10, 1, LOAD, NOWHERE, 0);
	expect_access(0x11, 0, LOAD, NOWHERE, TRANSLATION);
	expect_access(0x12, 1, STORE, (uint64_t)probe_vectors, PERMISSION);
	set_control(0, SCTLR_BR);
	expect_access(0x13, 1, LOAD, NOWHERE, TRANSLATION);
	verdict("no region, and the background");
}

/* Two regions share one granule: legal until somebody touches it. */
static void check_overlap(void)
{
	unsigned one = first_free, other = region_count - 1;
	uint64_t shared = ARENA + PAGE;
	set_region(one, ARENA, shared + GRANULE, AP_ALL, NORMAL);
	set_region(other, shared, shared + PAGE, AP_ALL, NORMAL);
	for (unsigned el = 0; el < 2; el++)
		for (enum access access = LOAD; access <= EXECUTE; access++) {
			uint64_t step = el << 8 | access << 4;
			expect_access(step, el, access, shared - 4, 0);
			expect_access(step + 1, el, access, shared, TRANSLATION);
			expect_access(step + 2, el, access, shared + GRANULE - 4, TRANSLATION);
			expect_access(step + 3, el, access, shared + GRANULE, 0);
		}
	WRITE_REGISTER(PRENR, READ_REGISTER(PRENR) & ~(1ul << one));
	ISB();
	expect_access(0x1000, 1, LOAD, shared, 0);
	expect_access(0x1001, 1, LOAD, shared - 4, TRANSLATION);
	clear_region(one);
	clear_region(other);
	verdict("overlap");
}

static void check_granule(void)
{
	unsigned region = first_free;
	uint64_t base = ARENA + 5 * GRANULE;
	set_region(region, base, base + GRANULE, AP_ALL | XN, NORMAL);
	expect_access(0, 1, LOAD, base - 1, TRANSLATION);
	expect_access(1, 1, LOAD, base, 0);
	expect_access(2, 1, LOAD, base + GRANULE - 1, 0);
	expect_access(3, 1, LOAD, base + GRANULE, TRANSLATION);
	expect_access(4, 1, LOAD_WIDE, base + GRANULE - 8, 0);
	/* Across the border: the part that faults is behind it. */
	expect(5, attempt(1, LOAD_WIDE, base + GRANULE - 4), syndrome(1, LOAD_WIDE, TRANSLATION));
	expect(6, fault_address == base + GRANULE || fault_address == base + GRANULE - 4, 1);
	/* Grown by a granule, moved on by one, while it is enabled. */
	select_region(region);
	WRITE_REGISTER(PRLAR, (base + GRANULE) | NORMAL << 1 | 1);
	ISB();
	expect_access(7, 1, LOAD, base + GRANULE, 0);
	WRITE_REGISTER(PRBAR, (base + GRANULE) | AP_ALL | XN);
	ISB();
	expect_access(8, 1, LOAD, base, TRANSLATION);
	expect_access(9, 1, LOAD, base + GRANULE, 0);
	/* A region that ends below its base holds nothing. */
	WRITE_REGISTER(PRLAR, base | NORMAL << 1 | 1);
	ISB();
	expect_access(10, 1, LOAD, base + GRANULE, TRANSLATION);
	clear_region(region);
	verdict("64-byte borders");
}

static void check_types(void)
{
	unsigned region = first_free;
	set_region(region, ARENA, ARENA + PAGE, AP_ALL | XN, DEVICE);
	expect_access(0, 1, LOAD_WIDE, ARENA, 0);
	expect_access(1, 1, LOAD_WIDE, ARENA + 1, ALIGNMENT);
	expect_access(2, 1, ZERO, ARENA, ALIGNMENT);
	set_region(region, ARENA, ARENA + PAGE, AP_ALL | XN, NORMAL);
	expect_access(3, 1, LOAD_WIDE, ARENA + 1, 0);
	expect_access(4, 1, ZERO, ARENA, 0);
	clear_region(region);
	verdict("Normal and Device");
}

void check_protection(void)
{
	fill_arena();
	check_own_regions();
	check_permissions(first_free);
	for (unsigned region = 15; region < region_count; region += 16)
		check_permissions(region);
	check_permissions(region_count - 1);
	verdict("permissions");
	check_no_region();
	check_overlap();
	check_granule();
	check_types();
}
