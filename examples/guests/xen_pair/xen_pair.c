/*
 * Two domains that know Xen's interface and nothing else: the first lends two
 * pages to the second, which writes into the one and may only read the other;
 * an event each way, by the upcall's interrupt. Names of Xen's public headers.
 */
#include "kit.h"

long hypercall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t number);

enum { MEMORY_OP = 12, XEN_VERSION = 17, CONSOLE_IO = 18, GRANT_TABLE_OP = 20, VCPU_OP = 24, SCHED_OP = 29, EVENT_CHANNEL_OP = 32 };
#define DOMID_SELF 0x7ff0
#define PPI_UPCALL 31
#define GRANT_TABLE 0x38000000ul
#define MAPPED 0x50000000ul
#define PAGE 4096ul
#define REFERENCE 8

/* The first free port: console and xenstore have the two before it. */
#define PORT 3

struct shared_info {
	uint8_t upcall_pending, pad[7];
	uint64_t pending_sel, time[4];
	uint64_t pending[64], mask[64];
};

static struct {
	struct shared_info shared;
	uint8_t rest[PAGE - sizeof(struct shared_info)];
} shared_page __attribute__((aligned(PAGE)));
static volatile char writable[PAGE] __attribute__((aligned(PAGE))), readable[PAGE] __attribute__((aligned(PAGE)));
static volatile uint64_t events;

static unsigned length(const char *text)
{
	unsigned count = 0;
	while (text[count])
		count++;
	return count;
}

/* Whatever the kit has to say goes to the Xen console. */
void print(const char *text)
{
	hypercall(0, length(text), (uintptr_t)text, 0, 0, CONSOLE_IO);
}

void print_hex(uint64_t value)
{
	char digit[2] = { 0, 0 };
	print("0x");
	for (int shift = 60; shift >= 0; shift -= 4) {
		digit[0] = "0123456789abcdef"[value >> shift & 15];
		print(digit);
	}
}

void print_decimal(uint64_t value)
{
	char digits[21];
	int at = 20;
	digits[at] = 0;
	do
		digits[--at] = '0' + value % 10;
	while ((value /= 10) != 0);
	print(digits + at);
}

static void check(const char *what, long result)
{
	if (result >= 0)
		return;
	print("FAIL ");
	print(what);
	print(": -");
	print_decimal(-result);
	print("\n");
	power_off();
}

static long event_op(unsigned op, void *argument)
{
	return hypercall(op, (uintptr_t)argument, 0, 0, 0, EVENT_CHANNEL_OP);
}

static void add_to_physmap(unsigned space, uint64_t index, uint64_t frame)
{
	struct { uint16_t domid, size; uint32_t space; uint64_t index, frame; } argument = { DOMID_SELF, 0, space, index, frame };
	check("add_to_physmap", hypercall(7, (uintptr_t)&argument, 0, 0, 0, MEMORY_OP));
}

void interrupt(void)
{
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == PPI_UPCALL) {
		volatile struct shared_info *info = &shared_page.shared;
		info->upcall_pending = 0; /* the level drops with it */
		info->pending_sel = 0;
		events |= info->pending[0];
		info->pending[0] = 0;
		DSB();
	}
	if (intid != 1023)
		WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
}

/* Sleeps until an event has come at the port. */
static void wait_for(unsigned port)
{
	while (!(events & 1ul << port)) {
		hypercall(1, 0, 0, 0, 0, SCHED_OP); /* block */
		__asm__ volatile("msr daifclr, #2\n isb\n msr daifset, #2" : : : "memory");
	}
	events &= ~(1ul << port);
}

static void send(unsigned port)
{
	uint32_t argument = port;
	check("send", event_op(4, &argument));
}

static void __attribute__((noreturn)) finish(void)
{
	uint32_t reason = 0; /* SHUTDOWN_poweroff */
	hypercall(2, (uintptr_t)&reason, 0, 0, 0, SCHED_OP);
	power_off();
}

static void copy(volatile char *to, const char *from)
{
	/* Else the difference of both would be a constant, with an address in it. */
	__asm__("" : "+r"(to), "+r"(from));
	do
		*to++ = *from;
	while (*from++);
}

static void lend(void)
{
	copy(readable, "for your eyes only");
	copy(writable, "yours to write");
	add_to_physmap(1, 0, GRANT_TABLE / PAGE);
	struct entry { uint16_t flags, domid; uint32_t frame; };
	volatile struct entry *table = (struct entry *)GRANT_TABLE;
	volatile char *pages[] = { writable, readable };
	for (unsigned n = 0; n < 2; n++) {
		table[REFERENCE + n].domid = 2;
		table[REFERENCE + n].frame = (uintptr_t)pages[n] / PAGE;
		DSB();
		table[REFERENCE + n].flags = n == 0 ? 1 : 5; /* GTF_permit_access, GTF_readonly */
	}
	struct { uint16_t domid, remote; uint32_t port; } offer = { DOMID_SELF, 2, 0 };
	check("alloc_unbound", event_op(6, &offer));
	if (offer.port != PORT)
		check("the port that was offered", -(long)offer.port);
	wait_for(PORT);
	print("lender: ");
	print((const char *)writable);
	print(", ");
	print((const char *)readable);
	print("\n");
	print((table[REFERENCE].flags & 0x10) != 0 ? "lender: in use\n" : "FAIL lender: GTF_writing is clear\n");
	send(PORT);
	finish();
}

static uint64_t map(unsigned reference, uint64_t address, unsigned flags)
{
	struct { uint64_t address; uint32_t flags, reference; uint16_t domid; int16_t status; uint32_t handle; uint64_t bus; } argument =
		{ address, 2 | flags, reference, 1, 0, 0, 0 };
	check("grant_table_op", hypercall(0, (uintptr_t)&argument, 1, 0, 0, GRANT_TABLE_OP));
	check("map_grant_ref", argument.status);
	return argument.handle;
}

static void borrow(void)
{
	struct { uint16_t remote, pad; uint32_t remote_port, port; } bind = { 1, 0, PORT, 0 };
	while (event_op(0, &bind) < 0)
		hypercall(0, 0, 0, 0, 0, SCHED_OP); /* yield: the lender isn't there yet */
	events = 0;
	map(REFERENCE, MAPPED, 0);
	map(REFERENCE + 1, MAPPED + PAGE, 4);
	print("borrower: ");
	print_decimal(length((const char *)MAPPED));
	print(" and ");
	print_decimal(length((const char *)MAPPED + PAGE));
	print(" characters\n");
	copy((volatile char *)MAPPED, "written by two");
	DSB();
	send(bind.port);
	wait_for(bind.port);
	print("borrower: answered\n");
	/* The report of the fault that this is ends the domain. */
	*(volatile char *)(MAPPED + PAGE) = 'X';
	print("FAIL borrower: wrote to a read-only grant\n");
	finish();
}

void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	(void)index;
	for (;;)
		;
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	read_device_tree(device_tree);
	add_to_physmap(0, 0, (uintptr_t)&shared_page / PAGE);
	gic_init_distributor();
	gic_init_cpu();
	REGISTER32(machine.redistributors + 0x10100) = 1u << PPI_UPCALL; /* GICR_ISENABLER0 */
	uint32_t handle[4];
	check("guest_handle", hypercall(8, (uintptr_t)handle, 0, 0, 0, XEN_VERSION));
	if (__builtin_bswap32(handle[3]) == 1)
		lend();
	borrow();
	finish();
}
