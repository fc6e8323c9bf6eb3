/* System calls: EL0 asks, EL1's handler looks at why and returns. */
	.equ	USER_ALIAS, 0x40000000	/* from a PA to EL0's VA of it */
	.equ	SVC64, 0x15		/* ESR_EL1.EC */

	.text
	.global	kernel_syscall
	.balign 64
kernel_syscall:
	stp	x29, x30, [sp, #-16]!
	movz	x9, #(200000 & 0xffff)
	movk	x9, #(200000 >> 16), lsl #16
	mov	x10, #USER_ALIAS
	adr	x2, user
	add	x2, x2, x10
	msr	elr_el1, x2
	mov	x2, #0x3c0		/* EL0t, DAIF masked */
	msr	spsr_el1, x2
	mov	x8, #0
	eret
back:	ldp	x29, x30, [sp], #16
	ret

	.balign 64
user:	svc	#0			/* X8: the call; 0 comes back, 1 ends */
	subs	x9, x9, #1
	b.ne	user
	mov	x8, #1
	svc	#0

	.global system_call
system_call:
	stp	x0, x1, [sp, #-16]!
	mrs	x0, esr_el1
	lsr	x0, x0, #26
	cmp	x0, #SVC64
	b.ne	fault
	ldp	x0, x1, [sp], #16
	cbnz	x8, back
	eret
