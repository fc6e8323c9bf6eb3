// blkbench DEVICE MEBIBYTES REQUESTS: reads and writes a disk from its start, a mebibyte at a time, and then as many blocks of 4 KiB anywhere
// in that part of it. No cache, one request at a time. It says when each begins; whoever looks from outside takes the time.

#include "system_call.h"

enum { OPENAT = 56, WRITE = 64, PREAD64 = 67, PWRITE64 = 68, FDATASYNC = 83 };
enum { AT_FDCWD = -100, O_RDWR = 2, O_DIRECT = 0200000, MEBIBYTE = 1 << 20, BLOCK = 4096 };

static char buffer[MEBIBYTE] __attribute__((aligned(4096)));

static u64 number(const char *text)
{
	u64 value = 0;
	while (*text) value = value * 10 + (*text++ - '0');
	return value;
}

static void say(const char *text)
{
	long length = 0;
	while (text[length]) length++;
	call(WRITE, 1, (long)text, length, 0, 0, 0);
}

static void transfer(long how, long disk, long size, u64 at)
{
	// An error's number is the exit code.
	long done = call(how, disk, (long)buffer, size, at, 0, 0);
	if (done != size) call(SYSTEM_EXIT, done < 0 ? -done : 5, 0, 0, 0, 0, 0);
}

__attribute__((used)) static void run(long count, char **arguments)
{
	if (count != 4) call(SYSTEM_EXIT, 64, 0, 0, 0, 0, 0);
	long disk = check(call(OPENAT, AT_FDCWD, (long)arguments[1], O_RDWR | O_DIRECT, 0, 0, 0));
	u64 mebibytes = number(arguments[2]), requests = number(arguments[3]);
	static const struct { const char *begin; long how; long size; } passes[] = {
		{ "blkbench: read\n", PREAD64, MEBIBYTE },
		{ "blkbench: write\n", PWRITE64, MEBIBYTE },
		{ "blkbench: read random\n", PREAD64, BLOCK },
		{ "blkbench: write random\n", PWRITE64, BLOCK },
	};
	for (u32 pass = 0; pass < 4; pass++) {
		u64 random = 1;
		say(passes[pass].begin);
		for (u64 n = 0; n < (passes[pass].size == BLOCK ? requests : mebibytes); n++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			u64 block = passes[pass].size == BLOCK ? (random >> 33) % (mebibytes * (MEBIBYTE / BLOCK)) : n;
			transfer(passes[pass].how, disk, passes[pass].size, block * passes[pass].size);
		}
		if (passes[pass].how == PWRITE64) call(FDATASYNC, disk, 0, 0, 0, 0, 0);
	}
	say("blkbench: done\n");
	call(SYSTEM_EXIT, 0, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: ldr x0, [sp]; add x1, sp, #8; bl run");
