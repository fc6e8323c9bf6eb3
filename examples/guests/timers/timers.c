/*
 * What a guest may expect of its timers. Each check prints one line with its
 * verdict, and where it measures something the number, in microseconds.
 */
#include "kit.h"

#define PPI_PHYSICAL_TIMER 30
#define GICR_FRAMES 0x20000
#define GICR_TYPER 0x0008
#define GICR_ISENABLER0 0x10100
#define GICR_ISPENDR0 0x10200
#define ENABLE 1
#define IMASK 2
#define ISTATUS 4

/* One of the two timers, by its registers. */
struct timer {
	const char *name;
	unsigned intid;
	uint64_t (*count)(void), (*control)(void), (*compare)(void), (*value)(void);
	void (*set_control)(uint64_t), (*set_compare)(uint64_t), (*set_value)(uint64_t);
};

#define ACCESSORS(name, counter)                                                                   \
	static uint64_t name##_count(void) { ISB(); return READ(counter); }                        \
	static uint64_t name##_control(void) { ISB(); return READ(name##_ctl_el0); }               \
	static uint64_t name##_compare(void) { return READ(name##_cval_el0); }                     \
	static uint64_t name##_value(void) { ISB(); return READ(name##_tval_el0); }                \
	static void name##_set_control(uint64_t v) { WRITE(name##_ctl_el0, v); ISB(); }            \
	static void name##_set_compare(uint64_t v) { WRITE(name##_cval_el0, v); ISB(); }           \
	static void name##_set_value(uint64_t v) { WRITE(name##_tval_el0, v); ISB(); }
ACCESSORS(cntv, cntvct_el0)
ACCESSORS(cntp, cntpct_el0)

/* Filled in at run time: initialised data would hold addresses. */
static struct timer timers[2];
#define FILL(at, text, number, prefix)                                                             \
	(at)->name = text, (at)->intid = number, (at)->count = prefix##_count,                     \
	(at)->control = prefix##_control, (at)->compare = prefix##_compare, (at)->value = prefix##_value, \
	(at)->set_control = prefix##_set_control, (at)->set_compare = prefix##_set_compare,        \
	(at)->set_value = prefix##_set_value

/* What the handler saw. */
static volatile uint64_t fired_at, fired_compare;
static volatile uint32_t fired, early, stray;
/* Shared by the CPUs; each field has one writer at a time, and there is no MMU. */
static volatile uint64_t latest, backwards, laps, kernel_control;
static volatile uint32_t spin, second_is_up, second_done;
static uint64_t redistributor;
static unsigned failures;

static uint64_t hz(void) { return READ(cntfrq_el0); }

static void verdict(const struct timer *timer, const char *what, bool good)
{
	print(good ? "PASS " : "FAIL ");
	if (timer) {
		print(timer->name);
		print(": ");
	}
	print(what);
	if (!good)
		failures++;
}

static void check(const struct timer *timer, const char *what, bool good)
{
	verdict(timer, what, good);
	print("\n");
}

static void measured(const struct timer *timer, const char *what, bool good, uint64_t counts)
{
	verdict(timer, what, good);
	print(" (");
	print_decimal(microseconds(counts));
	print(" us)\n");
}

void interrupt(void)
{
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == 1023)
		return;
	stray++;
	for (unsigned n = 0; n < 2; n++) {
		struct timer *timer = &timers[n];
		if (timer->intid != intid)
			continue;
		fired_at = timer->count();
		fired_compare = timer->compare();
		if (fired_at < fired_compare || !(timer->control() & ISTATUS))
			early++;
		fired++;
		stray--;
		timer->set_control(0); /* the level drops before the interrupt is ended */
	}
	WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
}

/* Takes what is pending, and only that. */
static void take(void)
{
	__asm__ volatile("msr daifclr, #2\n isb\n nop\n msr daifset, #2" : : : "memory");
}

/* Sleeps with interrupts masked until the handler has run: a pending one wakes all the same. */
static void sleep(void)
{
	while (!fired) {
		__asm__ volatile("wfi" : : : "memory");
		take();
	}
}

static bool pending(const struct timer *timer)
{
	DSB();
	return REGISTER32(redistributor + GICR_ISPENDR0) >> timer->intid & 1;
}

static void on_time(const struct timer *timer)
{
	fired = 0;
	uint64_t began = timer->count();
	timer->set_compare(began + hz() / 100);
	timer->set_control(ENABLE);
	check(timer, "10 ms ahead, nothing is pending yet", !pending(timer) && !(timer->control() & ISTATUS));
	sleep();
	measured(timer, "a compare value 10 ms ahead fires, and less than 10 ms late", fired == 1 && fired_at - began < hz() / 50,
		 fired_at - began - hz() / 100);
}

static void never_early(const struct timer *timer)
{
	uint64_t latest_yet = 0;
	early = 0;
	for (unsigned n = 1; n <= 200; n++) {
		uint64_t ahead = n * n * 7 % 5000 + (n & 3);
		fired = 0;
		if (n & 1)
			timer->set_value(ahead);
		else
			timer->set_compare(timer->count() + ahead);
		timer->set_control(ENABLE);
		if (n % 3)
			sleep();
		else
			while (!fired)
				take();
		if (fired_at - fired_compare > latest_yet)
			latest_yet = fired_at - fired_compare;
	}
	measured(timer, "200 deadlines, none early", early == 0, latest_yet);
}

static void values(const struct timer *timer)
{
	fired = 0;
	timer->set_value(hz() / 100);
	timer->set_control(ENABLE);
	sleep();
	check(timer, "10 ms by TVAL, asleep in WFI: TVAL is zero or below at the end", fired == 1 && (int32_t)timer->value() <= 0);
	fired = 0;
	timer->set_value(-1);
	timer->set_control(ENABLE);
	sleep();
	check(timer, "a negative TVAL fires at once", fired == 1 && fired_at - fired_compare < hz() / 100);
	fired = 0;
	timer->set_compare(timer->count() - hz() / 1000000);
	timer->set_control(ENABLE);
	check(timer, "a compare value in the past is pending at once", pending(timer) && timer->control() == (ENABLE | ISTATUS));
	sleep();
	check(timer, "and fires", fired == 1);
	fired = 0;
	timer->set_compare(0);
	timer->set_control(ENABLE);
	sleep();
	check(timer, "so does zero", fired == 1);
	fired = 0;
	timer->set_compare(-1);
	timer->set_control(ENABLE);
	for (uint64_t began = timer->count(); timer->count() - began < hz() / 500;)
		take();
	check(timer, "2^64 - 1 doesn't, within 2 ms", fired == 0 && !pending(timer) && timer->control() == ENABLE);
	timer->set_control(0);
	timer->set_compare(0x123456789abcdef0);
	check(timer, "the compare value reads back", timer->compare() == 0x123456789abcdef0);
}

static void level(const struct timer *timer)
{
	bool good = true;
	fired = 0;
	timer->set_compare(timer->count());
	for (unsigned n = 0; n < 20; n++) {
		timer->set_control(ENABLE);
		good &= pending(timer);
		timer->set_control(ENABLE | IMASK);
		good &= !pending(timer) && timer->control() == (ENABLE | IMASK | ISTATUS);
		timer->set_control(ENABLE);
		good &= pending(timer);
		timer->set_control(0);
		good &= !pending(timer);
		timer->set_control(ENABLE);
		timer->set_compare(-1);
		good &= !pending(timer);
		timer->set_compare(timer->count());
		good &= pending(timer);
	}
	timer->set_control(0);
	take();
	check(timer, "pending follows ENABLE, IMASK and the compare value, like a level", good && fired == 0);
}

/* WFE with the event stream on, every 2^9 counts: nobody sends an event. */
static void event_stream(void)
{
	WRITE(cntkctl_el1, 1 << 2 | 8 << 4);
	ISB();
	uint64_t began = timers[0].count();
	for (unsigned n = 0; n < 100; n++)
		__asm__ volatile("wfe");
	uint64_t took = timers[0].count() - began;
	WRITE(cntkctl_el1, 0);
	measured(0, "100 waits for an event end by the event stream", took < hz() / 10, took);
}

/* Both CPUs pass the latest count that anyone has seen on to each other. */
static void lap(unsigned rounds)
{
	while (rounds--) {
		uint64_t seen = latest;
		DSB();
		uint64_t now = timers[0].count();
		if (now < seen)
			backwards++;
		latest = now;
		laps++;
	}
}

void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	WRITE(cntkctl_el1, 0x300 | index);
	WRITE(cntv_cval_el0, 77);
	ISB();
	second_is_up = 1;
	while (spin == 0)
		lap(1);
	/* Busy while CPU 0 sleeps. */
	while (spin == 1)
		;
	kernel_control = READ(cntkctl_el1);
	DSB();
	second_done = 1;
	for (;;)
		__asm__ volatile("wfi");
}

static void two_cpus(void)
{
	if (machine.cpus < 2)
		return;
	WRITE(cntkctl_el1, 0xf0);
	ISB();
	if (psci(PSCI_CPU_ON, machine.mpidr[1], (uintptr_t)secondary, 1) != 0) {
		check(0, "CPU_ON", false);
		return;
	}
	while (!second_is_up)
		;
	lap(20000);
	check(0, "the virtual counter goes forward, whoever reads it", backwards == 0 && laps > 20000);
	spin = 1;
	DSB();
	fired = 0;
	timers[0].set_value(hz() / 100);
	timers[0].set_control(ENABLE);
	sleep();
	measured(0, "asleep while the other CPU is busy: awake in time", fired == 1 && fired_at - fired_compare < hz() / 10, fired_at - fired_compare);
	spin = 2;
	while (!second_done)
		;
	check(0, "CNTKCTL_EL1 is each CPU's own", READ(cntkctl_el1) == 0xf0 && kernel_control == 0x301);
	WRITE(cntkctl_el1, 0);
}

/* The redistributor of CPU 0, and its physical timer's interrupt. */
static void find_redistributor(void)
{
	redistributor = machine.redistributors;
	while (REGISTER64(redistributor + GICR_TYPER) >> 32 != (READ(mpidr_el1) & 0xffffff))
		redistributor += GICR_FRAMES;
	REGISTER32(redistributor + GICR_ISENABLER0) = 1u << PPI_PHYSICAL_TIMER;
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	if (!read_device_tree(device_tree))
		power_off();
	FILL(&timers[0], "CNTV", PPI_VIRTUAL_TIMER, cntv);
	FILL(&timers[1], "CNTP", PPI_PHYSICAL_TIMER, cntp);
	gic_init_distributor();
	if (!gic_init_cpu()) {
		check(0, "no redistributor", false);
		power_off();
	}
	find_redistributor();
	print("\nTimers at ");
	print_decimal(hz());
	print(" Hz\n");
	for (unsigned n = 0; n < 2; n++) {
		on_time(&timers[n]);
		never_early(&timers[n]);
		values(&timers[n]);
		level(&timers[n]);
	}
	event_stream();
	two_cpus();
	check(0, "no interrupt that nobody asked for", stray == 0);
	print(failures ? "Timers FAILED\n" : "Timers complete\n");
	power_off();
}
