/*
 * Runs the kernel that the command line names: `bench=NAME:REPEATS`. One run of it
 * warms up, then REPEATS of them lie between the lines "begin" and "end". The host
 * takes the time: the guest's own clock may count instructions.
 */
#include <stdint.h>

#define UART (*(volatile uint32_t *)0x09000000)

/*
 * 8 MiB each, clear of this image. Not a power of two apart: equal offsets would share
 * an entry of every direct-mapped TLB, which tlbmiss is there to measure.
 */
#define BUFFER_A 0x41000000ul
#define BUFFER_B 0x41813000ul

typedef uint64_t kernel(uint64_t a, uint64_t b);
extern kernel kernel_loop, kernel_alu, kernel_loadstore, kernel_callreturn, kernel_fp, kernel_memcpy, kernel_memset,
	kernel_tlbmiss,
	kernel_syscall, kernel_mixed, kernel_matmul, kernel_matmulneon, kernel_list, kernel_matrix, kernel_state;

static void print(const char *text)
{
	while (*text)
		UART = (unsigned char)*text++;
}

static void print_hex(uint64_t value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		UART = (unsigned char)"0123456789abcdef"[value >> shift & 15];
}

void report_fault(uint64_t esr, uint64_t elr, uint64_t far)
{
	print("FAULT esr ");
	print_hex(esr);
	print(" elr ");
	print_hex(elr);
	print(" far ");
	print_hex(far);
	print("\n");
}

/* What follows `prefix` in text, or 0. */
static const char *after(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return 0;
	return text;
}

/* A device tree's strings stand in it as they are: the first `bench=` is the command line's. */
static const char *find_request(const char *tree)
{
	uint32_t size = __builtin_bswap32(*(const uint32_t *)(tree + 4));
	for (uint32_t i = 0; i + 8 < size; i++) {
		const char *found = after(tree + i, "bench=");
		if (found)
			return found;
	}
	return 0;
}

static kernel *choose(const char *request, const char **rest)
{
#define CHOICE(name)                                \
	if ((*rest = after(request, #name ":")))    \
		return kernel_##name;
	CHOICE(loop)
	CHOICE(alu)
	CHOICE(loadstore)
	CHOICE(callreturn)
	CHOICE(fp)
	CHOICE(memcpy)
	CHOICE(memset)
	CHOICE(tlbmiss)
	CHOICE(syscall)
	CHOICE(mixed)
	CHOICE(matmul)
	CHOICE(matmulneon)
	CHOICE(list)
	CHOICE(matrix)
	CHOICE(state)
	return 0;
}

void main(const char *tree)
{
	const char *request = find_request(tree), *rest = 0;
	kernel *run = request ? choose(request, &rest) : 0;
	uint64_t repeats = 0;
	if (!run) {
		print("bench: no kernel asked for; append bench=NAME:REPEATS\n");
		return;
	}
	while (*rest >= '0' && *rest <= '9')
		repeats = repeats * 10 + (*rest++ - '0');
	run(BUFFER_A, BUFFER_B);
	print("begin\n");
	while (repeats--)
		run(BUFFER_A, BUFFER_B);
	print("end\n");
}
