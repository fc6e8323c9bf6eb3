/*
 * A tour of the machine: every CPU comes up by PSCI, takes five timer ticks,
 * and exchanges an interrupt with CPU 0, which prints what they saw and
 * switches the machine off.
 */
#include "kit.h"

#define TICKS 5
#define TICK_HZ 100

#define AFFINITY_OFF 1

/* Of one CPU. Each field has one writer: there is no MMU, and so no atomics. */
struct cpu {
	uint64_t mpidr, tick_start, ticks_done, ping_sent, pong_seen;
	uint32_t online, ticks, ping, pong, finished, no_redistributor;
};

static volatile struct cpu cpus[MAX_CPUS];
static volatile uint32_t stray; /* interrupts that nobody asked for */

static uint64_t now(void)
{
	ISB(); /* the counter isn't read ahead of time */
	return READ(cntvct_el0);
}

static void __attribute__((noreturn)) fail(const char *what, uint64_t value)
{
	print("Tour FAILED: ");
	print(what);
	print(" ");
	print_hex(value);
	print("\n");
	power_off();
}

static void tick(volatile struct cpu *me)
{
	if (++me->ticks < TICKS) {
		WRITE(cntv_cval_el0, me->tick_start + (me->ticks + 1) * (READ(cntfrq_el0) / TICK_HZ));
	} else {
		WRITE(cntv_ctl_el0, 0);
		me->ticks_done = now();
	}
	ISB(); /* the level drops before the interrupt is ended */
}

void interrupt(void)
{
	volatile struct cpu *me = &cpus[this_cpu()];
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == 1023)
		return;
	if (intid == PPI_VIRTUAL_TIMER) {
		tick(me);
	} else if (intid == SGI_PING) {
		for (unsigned index = 1; index < machine.cpus; index++) {
			if (!cpus[index].ping || cpus[index].pong)
				continue;
			cpus[index].pong = 1;
			gic_send(SGI_PONG, cpus[index].mpidr);
		}
	} else if (intid == SGI_PONG) {
		me->pong_seen = now();
	} else {
		stray++;
	}
	WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
}

/* Sleeps until a condition holds; interrupts are taken while asleep only, so none slips in between. */
#define WAIT_UNTIL(condition) \
	do { \
		while (!(condition)) { \
			__asm__ volatile("wfi\n msr daifclr, #2\n isb\n msr daifset, #2" : : : "memory"); \
		} \
	} while (0)

static void take_ticks(volatile struct cpu *me)
{
	me->tick_start = now();
	WRITE(cntv_cval_el0, me->tick_start + READ(cntfrq_el0) / TICK_HZ);
	WRITE(cntv_ctl_el0, 1);
	WAIT_UNTIL(me->ticks == TICKS);
}

void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	volatile struct cpu *me = &cpus[index];
	me->mpidr = READ(mpidr_el1) & 0xff00ffffff;
	me->no_redistributor = !gic_init_cpu();
	DSB();
	me->online = 1;
	if (!me->no_redistributor) {
		take_ticks(me);
		me->ping_sent = now();
		me->ping = 1;
		gic_send(SGI_PING, machine.mpidr[0]);
		WAIT_UNTIL(me->pong_seen);
	}
	DSB();
	me->finished = 1;
	gic_send(SGI_PING, machine.mpidr[0]); /* wakes CPU 0, which sleeps until we are done */
	psci(PSCI_CPU_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

static const char *cpu_name(uint64_t midr)
{
	if (midr >> 24 != 0x41)
		return "CPU";
	switch (midr >> 4 & 0xfff) {
	case 0xd03: return "Cortex-A53";
	case 0xd04: return "Cortex-A35";
	case 0xd05: return "Cortex-A55";
	case 0xd07: return "Cortex-A57";
	case 0xd08: return "Cortex-A72";
	case 0xd0b: return "Cortex-A76";
	case 0xd15: return "Cortex-R82";
	default: return "Arm CPU";
	}
}

static void introduce(uint64_t device_tree)
{
	uint64_t version = psci(PSCI_VERSION, 0, 0, 0);
	print("\nPlugboard tour\n  CPU        ");
	print(cpu_name(READ(midr_el1)));
	print(", MIDR ");
	print_hex(READ(midr_el1));
	print(", at EL");
	print_decimal(READ(CurrentEL) >> 2);
	print("\n  memory     ");
	print_decimal(machine.ram_size >> 20);
	print(" MiB at ");
	print_hex(machine.ram_base);
	print(", device tree at ");
	print_hex(device_tree);
	print("\n  counter    ");
	print_decimal(READ(cntfrq_el0));
	print(" Hz\n  PSCI       ");
	print_decimal(version >> 16);
	print(".");
	print_decimal(version & 0xffff);
	print(machine.smc ? " by SMC\n" : " by HVC\n");
	print("  CPUs       ");
	print_decimal(machine.cpus);
	print("\n");
}

static void start(unsigned index)
{
	int64_t result = psci(PSCI_CPU_ON, machine.mpidr[index], (uintptr_t)secondary, index);
	if (result != 0)
		fail("CPU_ON returns", result);
	uint64_t began = now();
	while (!cpus[index].online)
		if (now() - began > READ(cntfrq_el0))
			fail("a CPU doesn't come up within a second:", index);
	if (cpus[index].no_redistributor)
		fail("no redistributor for CPU", index);
	if (cpus[index].mpidr != machine.mpidr[index])
		fail("a CPU has another MPIDR than the device tree says:", cpus[index].mpidr);
}

static void report(unsigned index)
{
	const volatile struct cpu *cpu = &cpus[index];
	print("CPU ");
	print_decimal(index);
	print(": MPIDR ");
	print_hex(machine.mpidr[index]);
	print(", ");
	print_decimal(cpu->ticks);
	print(" timer ticks in ");
	print_decimal(microseconds(cpu->ticks_done - cpu->tick_start));
	print(" us");
	if (index > 0) {
		print(", IPI to CPU 0 answered in ");
		print_decimal(microseconds(cpu->pong_seen - cpu->ping_sent));
		print(" us");
		while (psci(PSCI_AFFINITY_INFO, machine.mpidr[index], 0, 0) != AFFINITY_OFF)
			;
		print(", off again");
	}
	print("\n");
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	if (!read_device_tree(device_tree))
		fail("no device tree at", device_tree);
	introduce(device_tree);
	gic_init_distributor();
	if (!gic_init_cpu())
		fail("no redistributor for CPU", 0);
	cpus[0].mpidr = READ(mpidr_el1) & 0xff00ffffff;
	for (unsigned index = 1; index < machine.cpus; index++)
		start(index);
	take_ticks(&cpus[0]);
	for (unsigned index = 1; index < machine.cpus; index++)
		WAIT_UNTIL(cpus[index].finished);
	uint64_t ticks = 0;
	for (unsigned index = 0; index < machine.cpus; index++) {
		report(index);
		ticks += cpus[index].ticks;
	}
	if (stray)
		fail("interrupts that nobody asked for:", stray);
	print("Tour complete: ");
	print_decimal(machine.cpus);
	print(" CPUs, ");
	print_decimal(ticks);
	print(" ticks, ");
	print_decimal(machine.cpus - 1);
	print(" IPIs answered\n");
	power_off();
}
