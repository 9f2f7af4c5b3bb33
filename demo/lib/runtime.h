/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a Mach-O program without a library needs: what the kernel handed it,
 * Linux system calls, and a way to print.
 *
 * Nothing here may need relocation: no pointers in initialised data.
 */
#ifndef DEMO_RUNTIME_H
#define DEMO_RUNTIME_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The stack at the start, taken apart. */
struct startup {
	uintptr_t stack;	/* where it started */
	uintptr_t header;	/* address of the program's Mach-O header */
	long argc;
	char **argv;
	char **envp;
	char **apple;		/* strings from the kernel */
};

/* To be defined by the program; what it returns is its exit status. */
int run(const struct startup *startup);

/* rax rbx rcx rdx rdi rsi rbp r8 … r15 at the first instruction. */
#ifdef __x86_64__
#define INITIAL_REGISTERS 15
#else
#define INITIAL_REGISTERS 7
#endif
extern unsigned long initial_registers[INITIAL_REGISTERS] __attribute__((visibility("hidden")));

/* Takes apart the stack that starts at @stack. */
struct startup read_stack(const uintptr_t *stack);

/* The value of the apple string that starts with @key ("kernfd="), or NULL. */
const char *apple_value(const struct startup *startup, const char *key);

/* Linux system calls: a result from -4095 to -1 is an errno. */
#ifdef __x86_64__
#define SYS_read	0
#define SYS_write	1
#define SYS_open	2
#define SYS_close	3
#define SYS_mprotect	10
#define SYS_rt_sigprocmask 14
#define SYS_ioctl	16
#define SYS_getpid	39
#define SYS_fork	57
#define SYS_execve	59
#define SYS_kill	62
#define SYS_wait4	61
#define SYS_fcntl	72
#define SYS_arch_prctl	158
#define SYS_exit_group	231
#else
#define SYS_read	3
#define SYS_write	4
#define SYS_open	5
#define SYS_close	6
#define SYS_mprotect	125
#define SYS_rt_sigprocmask 175
#define SYS_ioctl	54
#define SYS_getpid	20
#define SYS_fork	2
#define SYS_execve	11
#define SYS_kill	37
#define SYS_wait4	114
#define SYS_fcntl	55
#define SYS_exit_group	252
#endif

static inline long system_call(long number, long a, long b, long c, long d)
{
	long result;
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory");
#endif
	return result;
}

#define CALL4(n, a, b, c, d) \
	system_call(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d))
#define CALL3(n, a, b, c)	CALL4(n, a, b, c, 0)
#define CALL2(n, a, b)		CALL4(n, a, b, 0, 0)
#define CALL1(n, a)		CALL4(n, a, 0, 0, 0)
#define CALL0(n)		CALL4(n, 0, 0, 0, 0)

__attribute__((noreturn)) void leave(int status);

/* Strings. The compiler calls the first two on its own. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
size_t length(const char *string);
bool equal(const char *a, const char *b);
bool starts_with(const char *string, const char *start);
/* A decimal number; -1 when there is none. */
long number(const char *string);

/*
 * Prints to standard output, one write for each call, 511 bytes at most.
 * %s string, %d int, %ld long, %x unsigned, %lx unsigned long, %%.
 */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* The same into a buffer, which is always terminated. */
void print_into(char *buffer, size_t size, const char *format, va_list arguments);

/*
 * Calls @look for each line of a file, without its newline. Lines of more than
 * 511 bytes are cut.
 */
void for_each_line(const char *path, void (*look)(char *line, void *context),
		   void *context);

#endif
