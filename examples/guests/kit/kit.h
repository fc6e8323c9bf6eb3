/* What the guests share: registers, the machine as its device tree describes it, a console, interrupts, firmware. */
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

/* INTIDs that gic_init_cpu enables. */
enum { SGI_PING = 1, SGI_PONG = 2, PPI_VIRTUAL_TIMER = 27 };

void gic_init_distributor(void);
/* Of the calling CPU; false when no redistributor has its affinity. */
bool gic_init_cpu(void);
void gic_send(unsigned sgi, uint64_t mpidr);

/* PSCI functions, Arm DEN 0022. */
enum {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_OFF = 0x84000002,
	PSCI_SYSTEM_OFF = 0x84000008,
};
#define PSCI_CPU_ON 0xc4000003
#define PSCI_AFFINITY_INFO 0xc4000004

/* By the machine's conduit. */
uint64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
/* Where PSCI_CPU_ON sends a CPU, with its index as the context; it goes on in the guest's secondary_main. */
extern char secondary[];
void __attribute__((noreturn)) power_off(void);
/* Index in `machine.mpidr` of the CPU that asks. */
unsigned this_cpu(void);
uint64_t microseconds(uint64_t counts);
/* Where vectors lead that nobody expects: says what came, and switches the machine off. */
void __attribute__((noreturn)) fault(uint64_t vector);
