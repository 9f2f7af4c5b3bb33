/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first instruction of a static program or a dynamic linker. Notes what the
 * registers held, as nothing can be told from them later, and calls
 *
 *	void start_on(const uint64_t *stack)
 *
 * with the stack pointer that the kernel set.
 */
	.text
	.globl	_start
_start:
	movq	%rax, _initial_registers+0(%rip)
	movq	%rbx, _initial_registers+8(%rip)
	movq	%rcx, _initial_registers+16(%rip)
	movq	%rdx, _initial_registers+24(%rip)
	movq	%rdi, _initial_registers+32(%rip)
	movq	%rsi, _initial_registers+40(%rip)
	movq	%rbp, _initial_registers+48(%rip)
	movq	%r8, _initial_registers+56(%rip)
	movq	%r9, _initial_registers+64(%rip)
	movq	%r10, _initial_registers+72(%rip)
	movq	%r11, _initial_registers+80(%rip)
	movq	%r12, _initial_registers+88(%rip)
	movq	%r13, _initial_registers+96(%rip)
	movq	%r14, _initial_registers+104(%rip)
	movq	%r15, _initial_registers+112(%rip)
	movq	%rsp, %rdi
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	callq	_start_on
	hlt

	.globl	_initial_registers
	.zerofill __DATA,__bss,_initial_registers,120,3
