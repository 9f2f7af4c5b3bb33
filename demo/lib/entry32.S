/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where i386 images start; see entry.S. Written for ELF, of which
 * tests/macho/elf2macho.py makes a Mach-O image. The code finds its data by its
 * own address, as it can be anywhere.
 */
	.text
	.globl	_start
_start:
	pushl	%eax
	call	1f
1:	popl	%eax
	addl	$initial_registers-1b, %eax
	movl	%ebx, 4(%eax)
	movl	%ecx, 8(%eax)
	movl	%edx, 12(%eax)
	movl	%edi, 16(%eax)
	movl	%esi, 20(%eax)
	movl	%ebp, 24(%eax)
	popl	%ecx
	movl	%ecx, (%eax)
	movl	%esp, %eax
	xorl	%ebp, %ebp
	andl	$-16, %esp
	subl	$12, %esp
	pushl	%eax
	call	start_on
	hlt

	.section .note.GNU-stack,"",@progbits
