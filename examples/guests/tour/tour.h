/* What the parts of the tour guest share. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS 8

/* Registers are memory that changes by itself; with the MMU off every access is to Device memory. */
#define REGISTER32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REGISTER64(address) (*(volatile uint64_t *)(uintptr_t)(address))

#define READ(name) ({ uint64_t value_; __asm__ volatile("mrs %0, " #name : "=r"(value_)); value_; })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")
#define ISB() __asm__ volatile("isb" : : : "memory")
#define DSB() __asm__ volatile("dsb sy" : : : "memory")

/* What the device tree says of the machine. */
struct machine {
	unsigned cpus;
	uint64_t mpidr[MAX_CPUS];
	uint64_t uart, distributor, redistributors;
	uint64_t ram_base, ram_size;
	bool smc; /* PSCI's conduit; HVC unless the tree says otherwise */
};

extern struct machine machine;

/* Reads the tree; false when there is none. */
bool read_device_tree(uint64_t address);

void print(const char *text);
void print_decimal(uint64_t value);
void print_hex(uint64_t value);

/* INTIDs that the tour uses. */
enum { SGI_PING = 1, SGI_PONG = 2, PPI_VIRTUAL_TIMER = 27 };

void gic_init_distributor(void);
/* Of the calling CPU; false when no redistributor has its affinity. */
bool gic_init_cpu(void);
void gic_send(unsigned sgi, uint64_t mpidr);
