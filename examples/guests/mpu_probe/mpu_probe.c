/*
 * MPU probe: a guest for an Armv8-R CPU that programs its EL1 MPU, asks it everything that it promises, and says what came out, one line
 * each. Then it looks where its command line says: at memory that is its own (`touch=<hex>`) and, as a guest would that wants more, at what
 * isn't (`peek=<hex>`; up to eight of each). `sequences=<hex>` is how often it rewrites regions. It powers off; with `ticking` it stays,
 * prints a line every tenth of a second, and powers off when somebody types q.
 */
#include "mpu_probe.h"

#define MAX_ADDRESSES 8
#define SEQUENCES 2000
#define TICKS 5
#define TICK_HZ 100
#define TICKING_HZ 10

extern char probe_vectors[];

static unsigned passed, failed, mismatches;
static uint64_t first_step, first_got, first_wanted;
static volatile uint32_t ticks, stray, intervals;
static volatile uint64_t tick_start;

void expect(uint64_t step, uint64_t got, uint64_t wanted)
{
	if (got == wanted || mismatches++ > 0)
		return;
	first_step = step;
	first_got = got;
	first_wanted = wanted;
}

void expect_access(uint64_t step, unsigned el, enum access access, uint64_t address, unsigned status)
{
	expect(step, attempt(el, access, address), status ? syndrome(el, access, status) : 0);
	expect(step, fault_address, status ? address : 0);
}

void verdict(const char *name)
{
	print(mismatches ? "FAIL " : "PASS ");
	print(name);
	if (mismatches) {
		print(": step ");
		print_hex(first_step);
		print(" gives ");
		print_hex(first_got);
		print(", expected ");
		print_hex(first_wanted);
		print("; mismatches: ");
		print_decimal(mismatches);
		failed++;
	} else {
		passed++;
	}
	print("\n");
	mismatches = 0;
}

/* There is one CPU. */
void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	fault(index);
}

void interrupt(void)
{
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == 1023)
		return;
	if (intid == PPI_VIRTUAL_TIMER)
		WRITE(cntv_cval_el0, tick_start + (++ticks + 1) * (READ(cntfrq_el0) / intervals));
	else
		stray++;
	ISB();
	WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
}

static void start_ticking(uint32_t hz)
{
	ticks = 0;
	intervals = hz;
	ISB();
	tick_start = READ(cntvct_el0);
	WRITE(cntv_cval_el0, tick_start + READ(cntfrq_el0) / hz);
	WRITE(cntv_ctl_el0, 1);
}

static void wait_for_tick(uint32_t wanted)
{
	while (ticks < wanted)
		__asm__ volatile("wfi\n msr daifclr, #2\n isb\n msr daifset, #2" : : : "memory");
}

static void check_timer(void)
{
	start_ticking(TICK_HZ);
	wait_for_tick(TICKS);
	WRITE(cntv_ctl_el0, 0);
	uint64_t took = (READ(cntvct_el0) - tick_start) * 1000 / READ(cntfrq_el0);
	expect(0, took >= TICKS * 1000 / TICK_HZ, 1);
	expect(1, took < 2 * TICKS * 1000 / TICK_HZ, 1);
	expect(2, stray, 0);
	verdict("timer ticks");
}

/* Our own MPU allows it: what refuses is beneath us. */
static void peek(uint64_t address)
{
	static const char names[][12] = { ": read ", ", write ", ", execute " };
	set_region(first_free, address & ADDRESS_BITS, (address & ADDRESS_BITS) + GRANULE, AP_ALL, NORMAL);
	print("peek ");
	print_hex(address);
	for (enum access access = LOAD; access <= EXECUTE; access++) {
		print(names[access]);
		await_others();
		print_hex(attempt(1, access, address));
		print(" at ");
		print_hex(fault_address);
		expect_access(access, 1, access, address, EXTERNAL);
	}
	print("\n");
	clear_region(first_free);
	verdict("peek is refused");
}

/* Memory that the device tree gives us. */
static void touch(uint64_t address)
{
	set_region(first_free, address & ADDRESS_BITS, (address & ADDRESS_BITS) + GRANULE, AP_ALL | XN, NORMAL);
	volatile uint64_t *memory = (volatile uint64_t *)address;
	expect_access(0, 1, LOAD, address, 0);
	expect_access(1, 0, STORE, address, 0);
	*memory = ~address;
	expect(2, *memory, ~address);
	clear_region(first_free);
}

/* The numbers that follow an option's name on the command line. */
static unsigned addresses(uint64_t device_tree, const char *name, uint64_t *values)
{
	unsigned count = 0;
	while (count < MAX_ADDRESSES && option(device_tree, name, count, &values[count]))
		count++;
	return count;
}

static bool is_q_typed(void)
{
	bool typed = false;
	while (!(REGISTER32(machine.uart + 0x18) & 1u << 4)) /* FR.RXFE */
		typed |= (REGISTER32(machine.uart) & 0xff) == 'q';
	return typed;
}

/* What is most easily lost to others, checked on and on. */
static void keep_ticking(void)
{
	REGISTER32(machine.uart + 0x30) = 0x301; /* CR.RXE, TXE, UARTEN: what is typed arrives */
	REGISTER32(machine.uart + 0x38) = 1u << 4; /* IMSC.RXIM: we are listening; the GIC doesn't let the interrupt through */
	start_ticking(TICKING_HZ);
	for (uint32_t tick = 1; !is_q_typed(); tick++) {
		wait_for_tick(tick);
		check_preemption();
		expect_access(tick, 1, STORE, (uint64_t)probe_vectors, PERMISSION);
		print(mismatches ? "FAIL tick " : "tick ");
		print_decimal(tick);
		print("\n");
	}
	verdict("ticking");
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	uint64_t peeks[MAX_ADDRESSES], touches[MAX_ADDRESSES], value = 0;
	bool has_tree = read_device_tree(device_tree);
	bool ticking = has_tree && option(device_tree, "ticking", 0, &value);
	sequences = has_tree && option(device_tree, "sequences=", 0, &value) ? value : SEQUENCES;
	unsigned peek_count = has_tree ? addresses(device_tree, "peek=", peeks) : 0;
	unsigned touch_count = has_tree ? addresses(device_tree, "touch=", touches) : 0;
	WRITE(vbar_el1, probe_vectors);
	ISB();
	print("MPU probe at ");
	print_hex(machine.ram_base);
	print(", regions: ");
	print_decimal(READ_REGISTER(MPUIR));
	print("\n");
	expect(0, has_tree, 1);
	expect(1, gic_init_cpu(), 1);
	gic_init_distributor();
	check_registers();
	start_mpu();
	check_protection();
	check_timer();
	check_preemption();
	verdict("interrupted sequences");
	for (unsigned n = 0; n < touch_count; n++)
		touch(touches[n]);
	if (touch_count > 0)
		verdict("memory of our own");
	for (unsigned n = 0; n < peek_count; n++)
		peek(peeks[n]);
	if (ticking)
		keep_ticking();
	print("MPU probe complete: ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed, sequences interrupted: ");
	print_decimal(interrupted_sequences);
	print("\n");
	power_off();
}
