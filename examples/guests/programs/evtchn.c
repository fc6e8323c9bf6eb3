// Xen's event channels from user space, by /dev/xen/evtchn (Linux's xen/evtchn.h). No library.
//   evtchn offer DOMID          a port that DOMID may bind: prints it, waits for the events after binding's own, prints each, ends
//   evtchn ring DOMID PORT      binds a port of DOMID, and sends one event

#include "system_call.h"

enum { OPENAT = 56, READ = 63, WRITE = 64, IOCTL = 29, O_RDWR = 2, AT_FDCWD = -100 };

// _IOC(_IOC_NONE, 'E', number, size).
#define REQUEST(number, size) (('E' << 8) | (number) | (size) << 16)
#define BIND_INTERDOMAIN REQUEST(1, 8)
#define BIND_UNBOUND_PORT REQUEST(2, 4)
#define NOTIFY REQUEST(4, 4)

static void print(const char *text, u32 number)
{
	char line[64];
	u32 length = 0, digits = 1;
	for (; text[length]; length++) line[length] = text[length];
	for (u32 rest = number; rest >= 10; rest /= 10) digits++;
	for (u32 at = digits; at-- > 0; number /= 10) line[length + at] = '0' + number % 10;
	length += digits;
	line[length++] = '\n';
	call(WRITE, 1, (long)line, length, 0, 0, 0);
}

static u32 number(const char *text)
{
	u32 value = 0;
	for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + *text - '0';
	return value;
}

void __attribute__((noreturn, used)) begin(long *stack)
{
	char **arguments = (char **)(stack + 1);
	long file = check(call(OPENAT, AT_FDCWD, (long)"/dev/xen/evtchn", O_RDWR, 0, 0, 0));
	if (stack[0] == 3) {
		u32 remote = number(arguments[2]);
		u32 port = check(call(IOCTL, file, BIND_UNBOUND_PORT, (long)&remote, 0, 0, 0));
		print("offered port ", port);
		u32 fired;
		check(call(READ, file, (long)&fired, 4, 0, 0, 0));
		print("event at port ", fired);
	} else if (stack[0] == 4) {
		u32 remote[2] = { number(arguments[2]), number(arguments[3]) };
		u32 port = check(call(IOCTL, file, BIND_INTERDOMAIN, (long)remote, 0, 0, 0));
		print("bound port ", port);
		check(call(IOCTL, file, NOTIFY, (long)&port, 0, 0, 0));
	}
	call(SYSTEM_EXIT, 0, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

__asm__(".global _start; _start: mov x0, sp; b begin");
