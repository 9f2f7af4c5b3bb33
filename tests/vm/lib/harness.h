/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The frame of a client test program: cases, checks and helpers.
 *
 * Every case runs in a process of its own, in a process group of its own and
 * under its own time limit, so that a crash or a hang costs one `not ok`. Checks
 * may be made in any process or thread that a case starts: their results meet in
 * memory shared with the runner. When all processes of a case are gone the
 * runner compares the module's count of live objects with the count before it.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every output is filled with before a call that should write it */
#define POISON			0xcc
#define POISON32		0xccccccccu

#define DEFAULT_LIMIT_S		60

struct test_case {
	const char *name;
	void (*run)(void);
	int line;
	unsigned int limit_s;
};

/* A second program inside the test program: `program @name args…` */
struct test_helper {
	const char *name;
	int (*run)(int argc, char **argv);
};

#define TEST_LIMIT(fn, seconds)						\
	static void fn(void);						\
	static const struct test_case fn##_case = {			\
		.name = #fn, .run = fn, .line = __LINE__, .limit_s = (seconds),	\
	};								\
	static const struct test_case *const fn##_case_entry		\
	__attribute__((used, section("test_cases"))) = &fn##_case;	\
	static void fn(void)

/* TEST(behaviour) { … }: one case, named after the behaviour it demands. */
#define TEST(fn) TEST_LIMIT(fn, DEFAULT_LIMIT_S)

/*
 * HELPER(name) { … return status; } with argc and argv at hand: what an exec
 * test runs as the new image, by exec_helper() of process.h.
 */
#define HELPER(fn)							\
	static int fn##_helper_main(int argc, char **argv);		\
	static const struct test_helper fn##_helper = {			\
		.name = #fn, .run = fn##_helper_main,			\
	};								\
	static const struct test_helper *const fn##_helper_entry	\
	__attribute__((used, section("test_helpers"))) = &fn##_helper;	\
	static int fn##_helper_main(int argc __attribute__((unused)),	\
				    char **argv __attribute__((unused)))

enum check_kind { CHECK_NUMBER, CHECK_CODE, CHECK_HEX };
enum on_failure { GO_ON, END_CASE };

bool check_equal(const char *file, int line, enum check_kind kind,
		 enum on_failure then, const char *got_text, long long got,
		 const char *want_text, long long want);
bool check_true(const char *file, int line, enum on_failure then,
		const char *text, bool value);
void check_fail(const char *file, int line, enum on_failure then,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
void skip_case(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The checks of numbers (EQ), results of traps (RET) and bit words (HEX). */
#define CHECK_EQ(got, want)						\
	check_equal(__FILE__, __LINE__, CHECK_NUMBER, GO_ON, #got,	\
		    (long long)(got), #want, (long long)(want))
#define CHECK_RET(got, want)						\
	check_equal(__FILE__, __LINE__, CHECK_CODE, GO_ON, #got,	\
		    (long long)(got), #want, (long long)(want))
#define CHECK_HEX(got, want)						\
	check_equal(__FILE__, __LINE__, CHECK_HEX, GO_ON, #got,		\
		    (long long)(got), #want, (long long)(want))
#define CHECK(condition)						\
	check_true(__FILE__, __LINE__, GO_ON, #condition, (condition))
#define FAIL(...) check_fail(__FILE__, __LINE__, GO_ON, __VA_ARGS__)

/* The same, ending the case when they fail. */
#define REQUIRE_EQ(got, want)						\
	check_equal(__FILE__, __LINE__, CHECK_NUMBER, END_CASE, #got,	\
		    (long long)(got), #want, (long long)(want))
#define REQUIRE_RET(got, want)						\
	check_equal(__FILE__, __LINE__, CHECK_CODE, END_CASE, #got,	\
		    (long long)(got), #want, (long long)(want))
#define REQUIRE(condition)						\
	check_true(__FILE__, __LINE__, END_CASE, #condition, (condition))
#define FATAL(...) check_fail(__FILE__, __LINE__, END_CASE, __VA_ARGS__)

#define SKIP(...) skip_case(__VA_ARGS__)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The absolute path of the running test program */
const char *program_path(void);

/* "MACH_SEND_INVALID_DEST", "-EFAULT", or "" when the code has no name */
const char *code_name(long long code);

/* Are all the bytes still the poison they were filled with? */
bool is_poison(const void *bytes, size_t size);
void poison(void *bytes, size_t size);

#endif
