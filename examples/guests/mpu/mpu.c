/*
 * A guest with an MPU at EL1: it tries the rules of PMSAv8-64 on itself, reaches for memory that isn't its own, and then
 * rewrites regions for a while, to see that nobody else's come to light when it shares its CPU.
 * The addresses are the board's: boards/fvp-baser.yaml.
 */
#include <stdbool.h>
#include <stdint.h>

#define UART 0x9c0a0000
/* Linux's, there. */
#define FOREIGN 0x00100000

#define READ(name) ({ uint64_t value_; __asm__ volatile("mrs %0, " #name : "=r"(value_)); value_; })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0\n\tisb" : : "r"((uint64_t)(value)) : "memory")
/* By encoding: Arm DDI 0600, "System registers". */
#define MPUIR S3_0_C0_C0_4
#define PRENR S3_0_C6_C1_1
#define PRSELR S3_0_C6_C2_1
#define PRBAR S3_0_C6_C8_0
#define PRLAR S3_0_C6_C8_1
#define PRBAR1 S3_0_C6_C8_4
#define PRLAR15 S3_0_C6_C15_5
#define READ_(name) READ(name)
#define WRITE_(name, value) WRITE(name, value)

enum { READ_WRITE = 0 << 2, READ_ONLY = 2 << 2, NEVER_EXECUTE = 2, INNER = 3 << 4 };
enum { NORMAL = 0, DEVICE = 1 };
enum { TRANSLATION = 0x04, PERMISSION = 0x0c, EXTERNAL = 0x10, ALIGNMENT = 0x21 };
enum { DATA_ABORT = 0x25, INSTRUCTION_ABORT = 0x21 };

struct fault {
	uint64_t esr, far;
};
extern struct fault try_read8(uint64_t), try_read64(uint64_t), try_write8(uint64_t), try_execute(uint64_t);
extern uint64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
extern char _image[], _end[], _scratch[];

static unsigned passed, failed;

static void print(const char *text)
{
	for (; *text; text++) {
		while (*(volatile uint32_t *)(UART + 0x18) & 1 << 5)
			;
		if (*text == '\n')
			*(volatile uint32_t *)UART = '\r';
		*(volatile uint32_t *)UART = *text;
	}
}

static void print_number(uint64_t value, unsigned base)
{
	char digit[2] = { "0123456789abcdef"[value % base], 0 };
	if (value >= base)
		print_number(value / base, base);
	print(digit);
}

static void region(unsigned index, uint64_t from, uint64_t end, uint64_t flags, uint64_t attributes)
{
	WRITE_(PRSELR, index);
	WRITE_(PRLAR, 0);
	WRITE_(PRBAR, from | flags | INNER);
	WRITE_(PRLAR, ((end - 1) & ~63ull) | attributes << 1 | 1);
}

static void check(const char *what, bool holds, uint64_t value)
{
	if (holds) {
		passed++;
		return;
	}
	failed++;
	print("  failed: ");
	print(what);
	print(": 0x");
	print_number(value, 16);
	print("\n");
}

static void allowed(const char *what, struct fault fault)
{
	check(what, fault.esr == 0, fault.esr);
}

static void denied(const char *what, struct fault fault, uint64_t at, unsigned class, unsigned status)
{
	check(what, fault.esr >> 26 == class && (fault.esr & 63) == status && fault.far == at, fault.esr);
}

static void registers(void)
{
	check("ID_AA64MMFR0_EL1.MSA", (READ(id_aa64mmfr0_el1) >> 48 & 15) == 15, READ(id_aa64mmfr0_el1));
	check("MPUIR_EL1", READ_(MPUIR) >= 16, READ_(MPUIR));
	/* PRBAR<n> is region (PRSELR[7:4] << 4) | n; base and limit have 64-byte granules. */
	WRITE_(PRSELR, 0x10);
	WRITE_(PRBAR1, 0x1234567f);
	WRITE_(PRLAR15, 0x1234567e);
	WRITE_(PRSELR, 0x11);
	check("PRBAR1 is PRBAR of region 17", READ_(PRBAR) == 0x1234567e, READ_(PRBAR));
	WRITE_(PRSELR, 0x1f);
	check("PRLAR15 is PRLAR of region 31", READ_(PRLAR) == 0x1234565e, READ_(PRLAR));
	WRITE_(PRENR, READ_(PRENR) | 1u << 31);
	check("PRENR sets EN", (READ_(PRLAR) & 1) == 1, READ_(PRLAR));
	WRITE_(PRLAR, 0);
	check("EN clears PRENR", (READ_(PRENR) >> 31) == 0, READ_(PRENR));
}

static void protection(void)
{
	uint64_t page = (uint64_t)_scratch;

	allowed("own memory", try_read8((uint64_t)_image));
	denied("no region", try_read8(page), page, DATA_ABORT, TRANSLATION);

	region(2, page, page + 64, READ_WRITE | NEVER_EXECUTE, NORMAL);
	allowed("first byte of a granule", try_write8(page));
	allowed("last byte of a granule", try_write8(page + 63));
	denied("the byte after it", try_write8(page + 64), page + 64, DATA_ABORT, TRANSLATION);
	denied("half outside", try_read64(page + 60), page + 64, DATA_ABORT, TRANSLATION);
	denied("execute-never", try_execute(page), page, INSTRUCTION_ABORT, PERMISSION);

	region(2, page, page + 4096, READ_WRITE | NEVER_EXECUTE, NORMAL);
	*(volatile uint32_t *)page = 0xd65f03c0; /* RET */
	__asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");
	region(2, page, page + 4096, READ_ONLY, NORMAL);
	allowed("execute", try_execute(page));
	allowed("read of read-only", try_read8(page));
	denied("write to read-only", try_write8(page + 8), page + 8, DATA_ABORT, PERMISSION);

	region(3, page + 4096 - 64, page + 8192, READ_WRITE | NEVER_EXECUTE, NORMAL);
	allowed("below an overlap", try_read8(page + 4096 - 65));
	denied("in an overlap", try_read8(page + 4096 - 64), page + 4096 - 64, DATA_ABORT, TRANSLATION);
	allowed("above an overlap", try_read8(page + 4096));
	WRITE_(PRENR, READ_(PRENR) & ~(1u << 2));
	allowed("no overlap any more", try_read8(page + 4096 - 64));

	region(4, page + 8192, page + 12288, READ_WRITE | NEVER_EXECUTE, DEVICE);
	allowed("aligned access to Device memory", try_read64(page + 8192));
	denied("unaligned access to Device memory", try_read64(page + 8193), page + 8193, DATA_ABORT, ALIGNMENT);

	/* This MPU allows it. The hypervisor's doesn't, and makes an external abort of it. */
	region(5, FOREIGN, FOREIGN + 4096, READ_WRITE | NEVER_EXECUTE, NORMAL);
	denied("another guest's memory, read", try_read8(FOREIGN), FOREIGN, DATA_ABORT, EXTERNAL);
	denied("another guest's memory, written", try_write8(FOREIGN + 8), FOREIGN + 8, DATA_ABORT, EXTERNAL);
	WRITE_(PRENR, READ_(PRENR) & 3);
}

static uint64_t pattern(uint64_t round, unsigned index)
{
	return (round * 0x9e3779b97f4aull + index * 0x1000) & 0xffffffffffc0;
}

/*
 * Regions 16 to 31 hold a pattern that nobody else has, for a millisecond at a time, with the selector wherever it happens to be.
 * A round that took much longer: somebody else had the CPU.
 */
static void soak(void)
{
	uint64_t ms = READ(cntfrq_el0) / 1000, end = READ(cntvct_el0) + 100 * ms;
	unsigned gaps = 0, wrong = 0;
	for (uint64_t round = 1, start; (start = READ(cntvct_el0)) < end; round++) {
		for (unsigned index = 16; index < 32; index++) {
			WRITE_(PRSELR, index);
			WRITE_(PRBAR, pattern(round, index));
			WRITE_(PRLAR, pattern(round, index));
		}
		WRITE_(PRSELR, round & 31);
		while (READ(cntvct_el0) < start + ms)
			for (volatile unsigned spin = 0; spin < 1000; spin++)
				;
		wrong += READ_(PRSELR) != (round & 31);
		for (unsigned index = 16; index < 32; index++) {
			WRITE_(PRSELR, index);
			wrong += READ_(PRBAR) != pattern(round, index) || READ_(PRLAR) != pattern(round, index);
		}
		gaps += READ(cntvct_el0) - start > 2 * ms;
	}
	check("regions kept their values", wrong == 0, wrong);
	print(gaps > 5 ? "  shared its CPU\n" : "  had its CPU to itself\n");
}

void main(void)
{
	print("MPU guest: ");
	print_number(READ_(MPUIR), 10);
	print(" regions at EL1\n");
	registers();
	WRITE(mair_el1, 0x04ff);
	region(0, (uint64_t)_image, (uint64_t)_end, READ_WRITE, NORMAL);
	region(1, UART, UART + 4096, READ_WRITE | NEVER_EXECUTE, DEVICE);
	WRITE(sctlr_el1, READ(sctlr_el1) | 1 | 1 << 2 | 1 << 12);
	protection();
	soak();
	print("MPU guest: ");
	print_number(passed, 10);
	print(" checks passed, ");
	print_number(failed, 10);
	print(" failed\n");
	hvc(0x84000008, 0, 0, 0); /* PSCI SYSTEM_OFF */
}
