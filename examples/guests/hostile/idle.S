/* Waits for an interrupt that nobody will send. */
#include "print.inc"
_start:
	msr	daifset, #15
	print	"about to wait forever"
1:	wfi
	b	1b
