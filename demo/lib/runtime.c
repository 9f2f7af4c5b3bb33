// SPDX-License-Identifier: GPL-2.0
#include "runtime.h"

struct startup read_stack(const uintptr_t *stack)
{
	struct startup startup = { .stack = (uintptr_t)stack };

	startup.header = *stack++;
	startup.argc = (long)*stack++;
	startup.argv = (char **)stack;
	stack += startup.argc + 1;
	startup.envp = (char **)stack;
	while (*stack++)
		;
	startup.apple = (char **)stack;
	return startup;
}

const char *apple_value(const struct startup *startup, const char *key)
{
	char **apple;

	for (apple = startup->apple; *apple; apple++)
		if (starts_with(*apple, key))
			return *apple + length(key);
	return NULL;
}

void leave(int status)
{
	for (;;)
		CALL1(exit_group, status);
}

void *memcpy(void *to, const void *from, size_t size)
{
	char *target = to;
	const char *source = from;

	while (size--)
		*target++ = *source++;
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	char *target = to;

	while (size--)
		*target++ = (char)byte;
	return to;
}

size_t length(const char *string)
{
	size_t count = 0;

	while (string[count])
		count++;
	return count;
}

bool starts_with(const char *string, const char *start)
{
	while (*start)
		if (*string++ != *start++)
			return false;
	return true;
}

bool equal(const char *a, const char *b)
{
	return starts_with(a, b) && length(a) == length(b);
}

long number(const char *string)
{
	long value = 0;

	if (*string < '0' || *string > '9')
		return -1;
	while (*string >= '0' && *string <= '9')
		value = 10 * value + (*string++ - '0');
	return value;
}

struct output {
	char *next;
	char *end;		/* of the room for text, before the terminator */
};

static void put(struct output *output, char byte)
{
	if (output->next < output->end)
		*output->next++ = byte;
}

static void put_number(struct output *output, unsigned long value, unsigned int base)
{
	char digits[20];
	int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put(output, digits[--count]);
}

static void put_signed(struct output *output, long value)
{
	if (value < 0)
		put(output, '-');
	put_number(output, value < 0 ? -(unsigned long)value : (unsigned long)value, 10);
}

void print_into(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct output output = { buffer, buffer + size - 1 };
	const char *string;
	bool is_long;

	for (; *format; format++) {
		if (*format != '%') {
			put(&output, *format);
			continue;
		}
		is_long = *++format == 'l';
		if (is_long)
			format++;
		if (*format == 's') {
			for (string = va_arg(arguments, const char *); *string; string++)
				put(&output, *string);
		} else if (*format == 'd') {
			put_signed(&output, is_long ? va_arg(arguments, long)
						    : va_arg(arguments, int));
		} else if (*format == 'x') {
			put_number(&output, is_long ? va_arg(arguments, unsigned long)
						    : va_arg(arguments, unsigned int), 16);
		} else {
			put(&output, *format);
		}
	}
	*output.next = '\0';
}

void say(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	print_into(text, sizeof(text), format, arguments);
	va_end(arguments);
	CALL3(write, 1, text, length(text));
}

void for_each_line(const char *path, void (*look)(char *line, void *context),
		   void *context)
{
	char buffer[512], line[512];
	size_t used = 0;
	long count, i;
	long fd = CALL3(open, path, 0, 0);

	if (fd < 0)
		return;
	while ((count = CALL3(read, fd, buffer, sizeof(buffer))) > 0) {
		for (i = 0; i < count; i++) {
			if (buffer[i] != '\n') {
				if (used < sizeof(line) - 1)
					line[used++] = buffer[i];
				continue;
			}
			line[used] = '\0';
			used = 0;
			look(line, context);
		}
	}
	CALL1(close, fd);
}
