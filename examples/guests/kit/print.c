/* PL011 output. Only CPU 0 prints: without the MMU there are no exclusives to build a lock from. */
#include "kit.h"

#define UART_DR 0x00
#define UART_FR 0x18
#define FR_TXFF (1u << 5)

static void put(char c)
{
	while (REGISTER32(machine.uart + UART_FR) & FR_TXFF)
		;
	REGISTER32(machine.uart + UART_DR) = (unsigned char)c;
}

void print(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			put('\r');
		put(*text);
	}
}

void print_decimal(uint64_t value)
{
	if (value >= 10)
		print_decimal(value / 10);
	put('0' + value % 10);
}

void print_hex(uint64_t value)
{
	int shift = 60;
	print("0x");
	while (shift > 0 && (value >> shift & 15) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}
