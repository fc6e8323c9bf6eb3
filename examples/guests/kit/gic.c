/* GICv3 with affinity routing and one security state: Arm IHI 0069, "Programmers' Model". */
#include "kit.h"

#define GICD_CTLR 0x0000
#define GICD_CTLR_ENABLE_GRP1 (1u << 1)
#define GICD_CTLR_ARE (1u << 4)
#define GICD_CTLR_RWP (1u << 31)

#define GICR_FRAMES 0x20000
#define GICR_TYPER 0x0008
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER 0x0014
#define GICR_WAKER_PROCESSOR_SLEEP (1u << 1)
#define GICR_WAKER_CHILDREN_ASLEEP (1u << 2)
#define GICR_SGI_BASE 0x10000
#define GICR_IGROUPR0 (GICR_SGI_BASE + 0x080)
#define GICR_ISENABLER0 (GICR_SGI_BASE + 0x100)
#define GICR_IPRIORITYR (GICR_SGI_BASE + 0x400)

/* Aff3 at 39:32 as MPIDR_EL1 has it, and the packed form of GICR_TYPER. */
static uint64_t affinity(uint64_t mpidr)
{
	return (mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000);
}

void gic_init_distributor(void)
{
	REGISTER32(machine.distributor + GICD_CTLR) = GICD_CTLR_ARE;
	while (REGISTER32(machine.distributor + GICD_CTLR) & GICD_CTLR_RWP)
		;
	REGISTER32(machine.distributor + GICD_CTLR) = GICD_CTLR_ARE | GICD_CTLR_ENABLE_GRP1;
	while (REGISTER32(machine.distributor + GICD_CTLR) & GICD_CTLR_RWP)
		;
}

bool gic_init_cpu(void)
{
	uint64_t base = machine.redistributors;
	for (;; base += GICR_FRAMES) {
		uint64_t typer = REGISTER64(base + GICR_TYPER);
		if (typer >> 32 == affinity(READ(mpidr_el1)))
			break;
		if (typer & GICR_TYPER_LAST)
			return false;
	}
	REGISTER32(base + GICR_WAKER) &= ~GICR_WAKER_PROCESSOR_SLEEP;
	while (REGISTER32(base + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
		;
	REGISTER32(base + GICR_IGROUPR0) = 0xffffffff;
	for (unsigned intid = 0; intid < 32; intid += 4)
		REGISTER32(base + GICR_IPRIORITYR + intid) = 0xa0a0a0a0;
	REGISTER32(base + GICR_ISENABLER0) = 1u << SGI_PING | 1u << SGI_PONG | 1u << PPI_VIRTUAL_TIMER;

	WRITE(S3_0_C12_C12_5, 1); /* ICC_SRE_EL1.SRE */
	ISB();
	WRITE(S3_0_C4_C6_0, 0xff); /* ICC_PMR_EL1: every priority */
	WRITE(S3_0_C12_C12_4, 0); /* ICC_CTLR_EL1: EOI drops and deactivates */
	WRITE(S3_0_C12_C12_7, 1); /* ICC_IGRPEN1_EL1 */
	ISB();
	return true;
}

void gic_send(unsigned sgi, uint64_t mpidr)
{
	uint64_t aff0 = mpidr & 0xff, aff1 = mpidr >> 8 & 0xff, aff2 = mpidr >> 16 & 0xff, aff3 = mpidr >> 32 & 0xff;
	DSB(); /* what the target is meant to read comes first */
	WRITE(S3_0_C12_C11_5, aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | (uint64_t)sgi << 24 | aff1 << 16 | 1u << (aff0 & 15));
	ISB(); /* ICC_SGI1R_EL1 */
}
