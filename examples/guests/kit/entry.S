/*
 * Entry points, exception vectors and conduits of a guest at EL1: main() on
 * the first CPU, secondary_main() on those that PSCI CPU_ON sends to
 * `secondary`, interrupt() and fault(). The MMU stays off.
 */
#include "kit.inc"

#define STACK_SHIFT 12 /* 4 KiB for each CPU */

	image_header primary
primary:
	mov	x19, x0			/* the device tree */
	mov	x20, #0			/* our index */
	adr	x21, main
	clear_bss
	b	common

	/* PSCI CPU_ON comes here with the CPU's index in X0. */
	.global secondary
secondary:
	mov	x19, x0
	mov	x20, x0
	adr	x21, secondary_main

common:
	mrs	x0, CurrentEL
	cmp	x0, #(2 << 2)
	b.ne	at_el1
	/* Loaders may start us at EL2: hand the timer and the GIC to EL1, and go there. */
	mov	x0, #(1 << 31)		/* HCR_EL2.RW */
	msr	hcr_el2, x0
	mov	x0, #3			/* CNTHCTL_EL2.EL1PCTEN, EL1PCEN */
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr
	mov	x0, #9			/* ICC_SRE_EL2.SRE, Enable */
	msr	S3_4_C12_C9_5, x0
	mrs	x0, midr_el1
	msr	vpidr_el2, x0
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0
	mov	x0, #0x3c5		/* EL1h, DAIF masked */
	msr	spsr_el2, x0
	adr	x0, at_el1
	msr	elr_el2, x0
	eret
at_el1:
	/* Res1 bits of SCTLR_EL1; MMU, caches and alignment checks off. */
	movz	x0, #0x30d0, lsl #16
	movk	x0, #0x0800
	msr	sctlr_el1, x0
	adr	x0, vectors
	msr	vbar_el1, x0
	isb
	adrp	x0, stacks
	add	x0, x0, :lo12:stacks
	add	x1, x20, #1
	add	x0, x0, x1, lsl #STACK_SHIFT
	mov	sp, x0
	mov	x0, x19
	blr	x21
	/* Neither of them returns. */
1:	wfi
	b	1b

	/* unsigned long psci_hvc(function, a, b, c), and the same by SMC. */
	.global psci_hvc
psci_hvc:
	hvc	#0
	ret
	.global psci_smc
psci_smc:
	smc	#0
	ret

/* Everything but an IRQ at EL1 is a mistake of ours. */
	.balign 0x800
vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4
	.balign 0x80		/* current EL with SP_ELx: IRQ */
	save_registers
	bl	interrupt
	b	restore
	unexpected 6
	unexpected 7
	unexpected 8
	unexpected 9
	unexpected 10
	unexpected 11
	unexpected 12
	unexpected 13
	unexpected 14
	unexpected 15

restore:
	return_from_exception

	.bss
	.balign 16
stacks:
	.space	8 << STACK_SHIFT
