/*
 * Takes a storm of interrupts and counts: a device raises lines of both
 * triggers and of several priorities, each routed to a CPU, while every CPU
 * takes timer ticks too. Handlers may be preempted. When the device is done,
 * CPU 0 prints what arrived and switches the machine off.
 */
#include "kit.h"

/* The device: tests/guests/storm_test.ts. */
#define DEVICE 0x0a000000
#define DEVICE_START 0x000
#define DEVICE_DONE 0x004
#define DEVICE_LINES 0x008
#define DEVICE_FIRST_INTID 0x00c
#define DEVICE_EDGE 0x100 /* one word a line */
#define DEVICE_PRIORITY 0x200
#define DEVICE_SERVE 0x300

#define GICD_IGROUPR 0x0080
#define GICD_ISENABLER 0x0100
#define GICD_IPRIORITYR 0x0400
#define GICD_ICFGR 0x0c00
#define GICD_IROUTER 0x6000

#define TICK_HZ 1000
#define MAX_LINES 32

/* Of one CPU: each field has one writer. */
struct cpu {
	uint32_t online, ticks, stray, depth, deepest;
	uint32_t taken[MAX_LINES];
};

static volatile struct cpu cpus[MAX_CPUS];
static uint32_t first, lines;

static void next_tick(void)
{
	WRITE(cntv_tval_el0, READ(cntfrq_el0) / TICK_HZ);
	WRITE(cntv_ctl_el0, 1);
	ISB();
}

void interrupt(void)
{
	volatile struct cpu *me = &cpus[this_cpu()];
	uint64_t elr = READ(elr_el1), spsr = READ(spsr_el1);
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == 1023) {
		me->stray++;
		return;
	}
	if (++me->depth > me->deepest)
		me->deepest = me->depth;
	__asm__ volatile("msr daifclr, #2" : : : "memory"); /* higher priorities may come */
	if (intid == PPI_VIRTUAL_TIMER) {
		me->ticks++;
		next_tick();
	} else if (intid - first < lines) {
		for (unsigned spin = 0; spin < 100; spin++) /* as long as it takes to be preempted */
			__asm__ volatile("");
		me->taken[intid - first]++;
		REGISTER32(DEVICE + DEVICE_SERVE + 4 * (intid - first)) = 1;
	} else {
		me->stray++;
	}
	__asm__ volatile("msr daifset, #2" : : : "memory");
	me->depth--;
	WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
	WRITE(elr_el1, elr);
	WRITE(spsr_el1, spsr);
}

static void take_until_done(bool asks)
{
	while (!asks || !REGISTER32(DEVICE + DEVICE_DONE))
		__asm__ volatile("wfi\n msr daifclr, #2\n isb\n msr daifset, #2" : : : "memory");
}

void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	gic_init_cpu();
	next_tick();
	cpus[index].online = 1;
	take_until_done(false);
	for (;;)
		__asm__ volatile("wfi");
}

/* Line n goes to CPU n modulo their number; the last one to anybody. */
static void open_line(unsigned n)
{
	uint32_t intid = first + n;
	uint64_t gicd = machine.distributor;
	if (REGISTER32(DEVICE + DEVICE_EDGE + 4 * n))
		REGISTER32(gicd + GICD_ICFGR + intid / 16 * 4) |= 2u << intid % 16 * 2;
	REGISTER32(gicd + GICD_IGROUPR + intid / 32 * 4) |= 1u << intid % 32;
	*(volatile uint8_t *)(uintptr_t)(gicd + GICD_IPRIORITYR + intid) = REGISTER32(DEVICE + DEVICE_PRIORITY + 4 * n);
	REGISTER64(gicd + GICD_IROUTER + intid * 8) = n == lines - 1 ? 1ul << 31 : machine.mpidr[n % machine.cpus];
	REGISTER32(gicd + GICD_ISENABLER + intid / 32 * 4) = 1u << intid % 32;
}

static void number(const char *name, uint64_t value)
{
	print(name);
	print_decimal(value);
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	if (!read_device_tree(device_tree))
		power_off();
	gic_init_distributor();
	gic_init_cpu();
	first = REGISTER32(DEVICE + DEVICE_FIRST_INTID);
	lines = REGISTER32(DEVICE + DEVICE_LINES);
	for (unsigned index = 1; index < machine.cpus; index++) {
		psci(PSCI_CPU_ON, machine.mpidr[index], (uintptr_t)secondary, index);
		while (!cpus[index].online)
			;
	}
	for (unsigned n = 0; n < lines; n++)
		open_line(n);
	next_tick();
	REGISTER32(DEVICE + DEVICE_START) = 1;
	take_until_done(true);
	for (unsigned n = 0; n < lines; n++) {
		uint64_t taken = 0;
		for (unsigned index = 0; index < machine.cpus; index++)
			taken += cpus[index].taken[n];
		number("line ", n);
		number(": ", taken);
		print("\n");
	}
	for (unsigned index = 0; index < machine.cpus; index++) {
		number("CPU ", index);
		number(": ticks ", cpus[index].ticks);
		number(", stray ", cpus[index].stray);
		number(", deepest ", cpus[index].deepest);
		print("\n");
	}
	print("Storm over\n");
	power_off();
}
