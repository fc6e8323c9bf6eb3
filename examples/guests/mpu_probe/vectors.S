/* Exceptions that the checks ask for, and the accesses that cause them, at EL1 and at EL0. */

#include "kit.inc"

.macro caught
	.balign 0x80
	save_registers
	b	take_synchronous
.endm

.macro irq
	.balign 0x80
	save_registers
	bl	interrupt
	b	restore
.endm

	.text
	.balign 0x800
	.global probe_vectors
probe_vectors:
	unexpected 0
	unexpected 1
	unexpected 2
	unexpected 3
	caught			/* current EL with SP_ELx */
	irq
	unexpected 6
	unexpected 7
	caught			/* EL0 */
	irq
	unexpected 10
	unexpected 11
	unexpected 12
	unexpected 13
	unexpected 14
	unexpected 15

take_synchronous:
	mov	x0, sp			/* the saved registers: X0 first, X30 at 160 */
	bl	synchronous
	cbnz	x0, leave_el0
restore:
	return_from_exception

/* void run_at_el0(entry, argument): until its SVC; interrupts stay masked. SP_EL1 is below what is saved here when the SVC comes. */
	.global run_at_el0
run_at_el0:
	save_callee_saved
	msr	elr_el1, x0
	mov	x9, #0x3c0		/* EL0t, DAIF masked */
	msr	spsr_el1, x9
	mov	x0, x1
	eret
leave_el0:
	add	sp, sp, #176
	return_callee_saved

/* One access each, at the address in X0. What faults is skipped; a fetch that faults returns. A write leaves a RET what it is. */
	.global kernel_read, kernel_write, kernel_execute, kernel_read_wide, kernel_zero
kernel_read:
	ldrb	w1, [x0]
	ret
kernel_write:
	mov	w1, #0xc0
	strb	w1, [x0]
	ret
kernel_execute:
	br	x0
kernel_read_wide:
	ldr	x1, [x0]
	ret
kernel_zero:
	dc	zva, x0
	ret

	.global user_read, user_write, user_execute
user_read:
	ldrb	w1, [x0]
	svc	#0
user_write:
	mov	w1, #0xc0
	strb	w1, [x0]
	svc	#0
user_execute:
	blr	x0
	svc	#0
