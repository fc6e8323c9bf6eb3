/*
 * A mailbox: waits for events at a doorbell, reads a message from a page that
 * domains share, writes it back in capitals, and rings whoever sent it.
 *
 * Whoever has port N of ours writes a text, at most 255 characters and a zero,
 * at N * 512 of the page, and finds the answer 256 bytes further. The text
 * "quit" switches the mailbox off.
 */
#include "kit.h"

/* As boards/dom0less.yaml has them. */
#define SHARED_PAGE 0x3a000000
#define DOORBELL 0x090b0000
#define DOORBELL_INTID 46

#define SEND 0x00
#define NEXT 0x04

#define SLOT 512
#define TEXT 256
#define PORTS 8

#define GICD_IGROUPR 0x0080
#define GICD_ISENABLER 0x0100
#define GICD_IPRIORITYR 0x0400
#define GICD_IROUTER 0x6000

static volatile uint32_t rung;
static bool closed;

static void enable_spi(unsigned intid)
{
	uint64_t base = machine.distributor;
	REGISTER32(base + GICD_IGROUPR + intid / 32 * 4) |= 1u << intid % 32;
	*(volatile uint8_t *)(uintptr_t)(base + GICD_IPRIORITYR + intid) = 0xa0;
	REGISTER64(base + GICD_IROUTER + intid * 8) = machine.mpidr[0];
	REGISTER32(base + GICD_ISENABLER + intid / 32 * 4) = 1u << intid % 32;
}

static void answer(unsigned port)
{
	volatile char *text = (volatile char *)(uintptr_t)(SHARED_PAGE + port * SLOT), *reply = text + TEXT;
	char line[TEXT];
	unsigned length = 0;
	for (; length < TEXT - 1 && text[length]; length++)
		line[length] = text[length];
	line[length] = 0;
	print("mailbox: port ");
	print_decimal(port);
	print(" says ");
	print(line);
	print("\n");
	if (line[0] == 'q' && line[1] == 'u' && line[2] == 'i' && line[3] == 't' && line[4] == 0)
		closed = true;
	for (unsigned at = 0; at <= length; at++)
		reply[at] = line[at] >= 'a' && line[at] <= 'z' ? line[at] - 'a' + 'A' : line[at];
	DSB();
	REGISTER32(DOORBELL + SEND) = port;
}

void interrupt(void)
{
	uint32_t intid = READ(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	if (intid == DOORBELL_INTID) {
		for (uint32_t port; (port = REGISTER32(DOORBELL + NEXT)) != 0;)
			rung |= port < PORTS ? 1u << port : 0;
	}
	if (intid != 1023)
		WRITE(S3_0_C12_C12_1, intid); /* ICC_EOIR1_EL1 */
	ISB();
}

void __attribute__((noreturn)) secondary_main(uint64_t index)
{
	(void)index;
	for (;;)
		__asm__ volatile("wfi");
}

void __attribute__((noreturn)) main(uint64_t device_tree)
{
	read_device_tree(device_tree);
	gic_init_distributor();
	gic_init_cpu();
	enable_spi(DOORBELL_INTID);
	print("mailbox: ready\n");
	while (!closed) {
		/* Interrupts are taken while asleep only, so none slips in between. */
		while (rung == 0)
			__asm__ volatile("wfi\n msr daifclr, #2\n isb\n msr daifset, #2" : : : "memory");
		for (unsigned port = 1; port < PORTS; port++) {
			if (!(rung & 1u << port))
				continue;
			rung &= ~(1u << port);
			/* A channel rings when it is bound: no text is no message. */
			if (REGISTER32(SHARED_PAGE + port * SLOT) & 0xff)
				answer(port);
		}
	}
	print("mailbox: closed\n");
	power_off();
}
