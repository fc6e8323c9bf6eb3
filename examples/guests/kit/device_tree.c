/* The few facts that the tour needs, from a flattened device tree (Devicetree Specification, "Flattened Devicetree (DTB) Format"). */
#include "kit.h"

struct machine machine;

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

static uint32_t big32(uint64_t address)
{
	return __builtin_bswap32(REGISTER32(address));
}

/* One or two cells, by the property's length. */
static uint64_t cells(uint64_t address, uint32_t count)
{
	return count == 1 ? big32(address) : (uint64_t)big32(address) << 32 | big32(address + 4);
}

/* True when the string at an address is, or starts with, `text`. */
static bool starts(uint64_t address, const char *text, bool whole)
{
	const volatile char *at = (const volatile char *)(uintptr_t)address;
	for (; *text; text++, at++)
		if (*at != *text)
			return false;
	return !whole || *at == 0;
}

static bool is(uint64_t address, const char *text)
{
	return starts(address, text, true);
}

/* What the node in hand has said so far; its properties come in any order. */
struct node {
	uint64_t reg, reg_length, compatible, method;
	bool cpu, memory;
};

static void take(const struct node *node)
{
	if (node->cpu && node->reg && machine.cpus < MAX_CPUS)
		machine.mpidr[machine.cpus++] = cells(node->reg, node->reg_length / 4);
	if (node->memory && node->reg && machine.ram_size == 0) {
		machine.ram_base = cells(node->reg, 2);
		machine.ram_size = cells(node->reg + 8, 2);
	}
	if (node->method)
		machine.smc = is(node->method, "smc");
	if (!node->compatible || !node->reg)
		return;
	if (is(node->compatible, "arm,pl011"))
		machine.uart = cells(node->reg, 2);
	if (is(node->compatible, "arm,gic-v3")) {
		machine.distributor = cells(node->reg, 2);
		machine.redistributors = cells(node->reg + 16, 2);
	}
}

bool read_device_tree(uint64_t address)
{
	machine.uart = 0x09000000;
	machine.distributor = 0x08000000;
	machine.redistributors = 0x080a0000;
	if (address == 0 || big32(address) != 0xd00dfeed)
		return false;
	uint64_t at = address + big32(address + 8), strings = address + big32(address + 12), end = address + big32(address + 4);
	struct node node = { 0 };
	while (at < end) {
		uint32_t token = big32(at);
		at += 4;
		if (token == BEGIN_NODE) {
			take(&node); /* properties precede children */
			node = (struct node){ 0 };
			while (*(volatile char *)(uintptr_t)at++)
				;
			at = (at + 3) & ~3ul;
		} else if (token == PROP) {
			uint32_t length = big32(at);
			uint64_t name = strings + big32(at + 4), value = at + 8;
			at = (value + length + 3) & ~3ul;
			if (is(name, "reg")) {
				node.reg = value;
				node.reg_length = length;
			} else if (is(name, "compatible")) {
				node.compatible = value;
			} else if (is(name, "device_type")) {
				node.cpu = is(value, "cpu");
				node.memory = is(value, "memory");
			} else if (is(name, "method")) {
				node.method = value;
			}
		} else if (token == END_NODE) {
			take(&node);
			node = (struct node){ 0 };
		} else if (token != NOP) {
			break;
		}
	}
	return true;
}
