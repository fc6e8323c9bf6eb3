/* Options on the command line: `name` followed by a hexadecimal number, anywhere in the blob. No property's name looks like that. */
#include "mpu_probe.h"

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool option(uint64_t device_tree, const char *name, unsigned nth, uint64_t *value)
{
	const volatile char *at = (const volatile char *)device_tree;
	const volatile char *end = at + __builtin_bswap32(REGISTER32(device_tree + 4));
	for (; at < end; at++) {
		const volatile char *from = at;
		const char *wanted = name;
		while (*wanted && from < end && *from == *wanted)
			from++, wanted++;
		if (*wanted || nth-- > 0)
			continue;
		*value = 0;
		for (; from < end && digit(*from) >= 0; from++)
			*value = *value << 4 | (uint64_t)digit(*from);
		return true;
	}
	return false;
}
