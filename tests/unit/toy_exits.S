/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that are left in the ways that matter to a probe at the exit; test_exits.c names what must be found in each. */
	.macro function name
	.p2align 4
	.globl \name
	.type \name, @function
\name:
	.cfi_startproc
	.endm
	.macro done name
	.cfi_endproc
	.size \name, . - \name
	.endm
/* A return instruction, under a name that the test can look up. */
	.macro leave name
	.globl \name
	.type \name, @function
\name:	ret
	.endm
	.macro pushed
	push %rbx
	.cfi_adjust_cfa_offset 8
	.endm
	.macro popped
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.endm

	.text
function two_returns
	test %rdi, %rdi
	je 1f
	leave two_returns_1
1:	xor %eax, %eax
	leave two_returns_2
done two_returns

function calls_last
	pushed
	popped
	jmp two_returns
done calls_last

/* the rest of it stands elsewhere, where the frame is still there */
function has_far_part
	pushed
	test %rdi, %rdi
	je far_part
	.cfi_remember_state
	popped
	leave has_far_part_1
	.cfi_restore_state
done has_far_part

function jumps_by_table
	pushed
	lea 2f(%rip), %rax
	jmp *%rax
2:	popped
	leave jumps_by_table_1
done jumps_by_table

function sets_methods
	lea methods(%rip), %rax
	mov %rax, 0x10(%rdi)
	leave sets_methods_1
done sets_methods

/* object->methods->second(object) */
function calls_method_last
	mov 0x10(%rdi), %rax
	mov 0x8(%rax), %rax
	jmp *%rax
done calls_method_last

function calls_argument_last
	jmp *%rsi
done calls_argument_last

function ends_elsewhere
	jmp getpid@plt
done ends_elsewhere

/* two_returns is called and jumped to: its returns are this one's too, and so is its own */
function calls_and_jumps
	call two_returns
	test %eax, %eax
	jne two_returns
	leave calls_and_jumps_1
done calls_and_jumps

	.globl without_frame_information
	.type without_frame_information, @function
without_frame_information:
	ret
	.size without_frame_information, . - without_frame_information

	.section .text.unlikely, "ax", @progbits
	.type far_part, @function
far_part:
	.cfi_startproc
	.cfi_def_cfa_offset 16
	xor %eax, %eax
	pop %rbx
	.cfi_def_cfa_offset 8
	leave far_part_1
	.cfi_endproc

	.section .data.rel.ro, "aw"
	.p2align 3
methods:
	.quad sets_methods, two_returns

	.section .note.GNU-stack, "", @progbits
