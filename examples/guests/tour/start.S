/*
 * Entry points, exception vectors and conduits of the tour guest.
 *
 * The header is the arm64 Image header of Linux's "Booting AArch64 Linux": any
 * boot loader that takes a kernel takes this guest. The MMU stays off.
 */

#define STACK_SHIFT 12 /* 4 KiB for each CPU */

	.section .head, "ax"
	.global _start
_start:
	b	primary
	.long	0
	.quad	0			/* text_offset */
	.quad	_end - _start		/* image_size, .bss included */
	.quad	0xa			/* little-endian, 4 KiB pages, placed anywhere */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

	.text
primary:
	mov	x19, x0			/* the device tree */
	mov	x20, #0			/* our index */
	adr	x21, main
	adrp	x0, __bss_start
	add	x0, x0, :lo12:__bss_start
	adrp	x1, _end
	add	x1, x1, :lo12:_end
1:	cmp	x0, x1
	b.hs	common
	str	xzr, [x0], #8
	b	1b

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

/* Everything but an IRQ at EL1 is a mistake of ours: number in X0, to a report. */
.macro unexpected number
	.balign 0x80
	mov	x0, #\number
	b	fault
.endm

	.balign 0x800
vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	unexpected 4
	.balign 0x80		/* current EL with SP_ELx: IRQ */
	sub	sp, sp, #176
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x29, [sp, #144]
	str	x30, [sp, #160]
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
	ldp	x0, x1, [sp]
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x29, [sp, #144]
	ldr	x30, [sp, #160]
	add	sp, sp, #176
	eret

	.bss
	.balign 16
stacks:
	.space	8 << STACK_SHIFT
