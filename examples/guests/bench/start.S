/*
 * Entry point and exception vectors of the bench guest, which runs at EL1 on one CPU.
 */

#include "kit.inc"

	image_header primary
primary:
	mov	x19, x0			/* the device tree */
	/* The first sign of life: what the start-up is timed by. */
	mov	x0, #0x09000000		/* PL011: UARTDR */
	mov	w1, #'+'
	str	w1, [x0]
	clear_bss
	adr	x0, vectors
	msr	vbar_el1, x0
	mov	x0, #(3 << 20)		/* CPACR_EL1.FPEN: no traps */
	msr	cpacr_el1, x0
	isb
	adrp	x0, stack_top
	add	x0, x0, :lo12:stack_top
	mov	sp, x0
	bl	mmu_on
	mov	x0, x19
	bl	main
	/* PSCI SYSTEM_OFF, by HVC. */
	.global system_off
system_off:
	movz	x0, #0x8400, lsl #16
	movk	x0, #0x0008
	hvc	#0
1:	wfi
	b	1b

/* Anything but a system call is a mistake of ours. */
	.balign 0x800
vectors:
	.rept 8
	unexpected 0
	.endr
	.balign 0x80
	b	system_call		/* lower EL: synchronous */
	.rept 7
	unexpected 0
	.endr

	.global fault
fault:
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	bl	report_fault
	b	system_off

	.bss
	.balign 16
	.space	16384
stack_top:
