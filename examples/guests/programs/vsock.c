// vsock connect|listen PORT: a connection of AF_VSOCK, to the host or from it, with its input and output as this program's. No library:
// Debian's socat wants half a dozen of them in the initramfs.

#include "system_call.h"

enum { READ = 63, WRITE = 64, SOCKET = 198, BIND = 200, LISTEN = 201, ACCEPT = 202, CONNECT = 203, SHUTDOWN = 210, CLONE = 220, WAIT4 = 260 };
enum { AF_VSOCK = 40, SOCK_STREAM = 1, SHUT_WR = 1, SIGCHLD = 17 };

struct address {
	u16 family;
	u16 reserved;
	u32 port;
	u32 cid;
	u32 zero;
};

static char buffer[65536];

static void relay(int from, int to)
{
	long count;
	while ((count = check(call(READ, from, (long)buffer, sizeof buffer, 0, 0, 0))) > 0)
		for (long done = 0; done < count;) done += check(call(WRITE, to, (long)(buffer + done), count - done, 0, 0, 0));
}

static u32 number(const char *text)
{
	u32 value = 0;
	while (*text) value = value * 10 + (*text++ - '0');
	return value;
}

__attribute__((used)) static void run(long count, char **arguments)
{
	if (count != 3) call(SYSTEM_EXIT, 64, 0, 0, 0, 0, 0);
	int listens = arguments[1][0] == 'l';
	struct address address = { AF_VSOCK, 0, number(arguments[2]), listens ? ~0u : 2, 0 };
	long socket = check(call(SOCKET, AF_VSOCK, SOCK_STREAM, 0, 0, 0, 0));
	if (listens) {
		check(call(BIND, socket, (long)&address, sizeof address, 0, 0, 0));
		check(call(LISTEN, socket, 1, 0, 0, 0, 0));
		socket = check(call(ACCEPT, socket, 0, 0, 0, 0, 0));
	} else {
		check(call(CONNECT, socket, (long)&address, sizeof address, 0, 0, 0));
	}
	// Each direction has a process of its own: neither waits for the other.
	if (check(call(CLONE, SIGCHLD, 0, 0, 0, 0, 0)) == 0) {
		relay(0, socket);
		check(call(SHUTDOWN, socket, SHUT_WR, 0, 0, 0, 0));
		call(SYSTEM_EXIT, 0, 0, 0, 0, 0, 0);
	}
	relay(socket, 1);
	int status = 0;
	call(WAIT4, -1, (long)&status, 0, 0, 0, 0);
	call(SYSTEM_EXIT, status >> 8 & 0xff, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: ldr x0, [sp]; add x1, sp, #8; bl run");
