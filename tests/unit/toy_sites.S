/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that begin in the ways that matter for the price of a probe; test_site.c names what must be found in each. */
	.text

	.macro function name
	.p2align 4
	.globl \name
	.type \name, @function
\name:
	.endm
	.macro done name
	.size \name, . - \name
	.endm

function at_push
	push %rbx
	pop %rbx
	ret
done at_push

function at_push_extended
	push %r12
	pop %r12
	ret
done at_push_extended

function at_nop5
	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00
	ret
done at_nop5

function at_nop
	nop
	ret
done at_nop

function after_endbr
	endbr64
	push %rbx
	pop %rbx
	ret
done after_endbr

function branch_after_test
	test %rdi, %rdi
	je 1f
	mov (%rdi), %eax
	ret
1:	xor %eax, %eax
	ret
done branch_after_test

function branch_after_endbr_and_test
	endbr64
	xor %eax, %eax
	test %rdi, %rdi
	je 1f
	mov (%rdi), %eax
1:	ret
done branch_after_endbr_and_test

function jump_of_thunk
	mov $1, %edx
	jmp at_push
done jump_of_thunk

/* an argument changes, and it is no thunk: the entry */
function argument_changes
	mov $1, %edx
	push %rbx
	pop %rbx
	ret
done argument_changes

function argument_changes_before_branch
	mov $1, %edx
	test %rdi, %rdi
	je 1f
	ret
1:	ret
done argument_changes_before_branch

function stack_changes
	sub $8, %rsp
	nop
	add $8, %rsp
	ret
done stack_changes

function frame_pointer_changes
	mov %rdi, %rbp
	nop
	ret
done frame_pointer_changes

/* the cheap instruction is in a loop: it runs more often than the function is called */
function jumped_to
	mov %rdi, %rax
1:	nop
	dec %rax
	jne 1b
	ret
done jumped_to

function returns_at_once
	mov $5, %eax
	ret
done returns_at_once

function far_away
	mov %rdi, %rax
	mov %rsi, %r10
	mov %rax, %r11
	mov %r10, %rax
	mov %rdi, %rax
	mov %rsi, %r10
	mov %rax, %r11
	mov %r10, %rax
	mov %rdi, %rax
	nop
	ret
done far_away

function traps
	ud2
done traps

	.section .note.GNU-stack, "", @progbits
