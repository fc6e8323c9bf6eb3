// What programs without a library need of Linux: system calls, and an end when one fails.

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned short u16;

enum { SYSTEM_EXIT = 93 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

static long check(long result)
{
	// The error number is the exit code.
	if (result < 0) call(SYSTEM_EXIT, -result, 0, 0, 0, 0, 0);
	return result;
}
