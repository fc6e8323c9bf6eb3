/* What compilers make of everyday code: a CRC with its table, and a sort with calls. */
#include <stddef.h>
#include <stdint.h>

enum { WORDS = 1 << 15 };

static uint32_t table[256];

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? 0xedb88320u ^ crc >> 1 : crc >> 1;
		table[i] = crc;
	}
}

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
	uint32_t crc = ~0u;
	while (size--)
		crc = table[(crc ^ *bytes++) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void sort(uint32_t *first, uint32_t *last)
{
	while (last - first > 1) {
		uint32_t pivot = first[(last - first) / 2], *low = first, *high = last - 1;
		while (low <= high) {
			while (*low < pivot)
				low++;
			while (*high > pivot)
				high--;
			if (low <= high) {
				uint32_t word = *low;
				*low++ = *high;
				*high-- = word;
			}
		}
		sort(first, high + 1);
		first = low;
	}
}

/* The result depends on every step, so that none can be left out. */
uint32_t kernel_mixed(uint32_t *words)
{
	uint32_t random = 1;
	fill_table();
	for (int i = 0; i < WORDS; i++)
		words[i] = random = random * 1664525 + 1013904223;
	sort(words, words + WORDS);
	return crc32((const uint8_t *)words, WORDS * sizeof *words);
}
