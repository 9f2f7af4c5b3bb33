// SPDX-License-Identifier: GPL-2.0
#include "sequence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trap_forms.h"

const uint64_t wide_values[WIDES] = {
	~0ull, 1ull << 63, (1ull << 63) - 1, 1ull << 32, (1ull << 32) - 1, 1ull << 47,
	0xffff888000000000ull, 0x00007ffffffff000ull,
};

static const char *const own_names[OPS_OWN] = {
	"begin", "port", "ool", "ool_ports", "guarded", "ndr", "data", "send", "ask", "receive",
	"fork", "child", "exec", "kill", "exit", "open", "close", "poke", "memory", "nap",
	"macho", "file", "text", "event", "narrow",
};

static const char *const special_names[NAMES - SLOTS] = {
	"self", "thread", "host", "null", "dead", "bad",
};

static const char *const special_pointers[POINTERS - POINTER_MESSAGE] = {
	"message", "hole", "nowhere", "kernel", "readonly", "odd",
};

unsigned int op_count(void)
{
	return OPS_OWN + sizeof(trap_forms) / sizeof(*trap_forms);
}

const struct trap_form *op_trap(unsigned int op)
{
	return op >= OPS_OWN && op < op_count() ? &trap_forms[op - OPS_OWN] : NULL;
}

const char *op_name(unsigned int op)
{
	return op < OPS_OWN ? own_names[op] : op_trap(op)->name;
}

static int print_value(char *text, size_t room, uint32_t value)
{
	uint32_t which = value & 0xffffff;

	if (TAG(value) == TAG_NAME && which < NAMES)
		return which < SLOTS ? snprintf(text, room, " s%u", which) :
				       snprintf(text, room, " %s", special_names[which - SLOTS]);
	if (TAG(value) == TAG_POINTER && which < POINTERS) {
		if (which < POINTER_WORDS)
			return snprintf(text, room, " &s%u", which);
		if (which < POINTER_MESSAGE)
			return snprintf(text, room, " &w%u", which - POINTER_WORDS);
		return snprintf(text, room, " &%s", special_pointers[which - POINTER_MESSAGE]);
	}
	if (TAG(value) == TAG_WIDE && which < WIDES)
		return snprintf(text, room, " wide%u", which);
	return snprintf(text, room, value < 256 ? " %u" : " %#x", value);
}

void sequence_print(const struct sequence *sequence, char text[TEXT_MAX])
{
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < sequence->count; i++) {
		const struct call *call = &sequence->calls[i];

		/* The longest call has less than 200 characters. */
		if (at + 200 > TEXT_MAX)
			break;
		at += (size_t)snprintf(text + at, TEXT_MAX - at, "%s%u.%u%s %s", i ? "; " : "",
				       call->process, call->thread, call->hasty ? "!" : "",
				       op_name(call->op));
		for (uint32_t j = 0; j < call->count; j++)
			at += (size_t)print_value(text + at, TEXT_MAX - at, call->args[j]);
	}
}

static bool among(const char *word, const char *const *names, uint32_t count, uint32_t *which)
{
	for (*which = 0; *which < count; (*which)++)
		if (!strcmp(word, names[*which]))
			return true;
	return false;
}

static bool parse_value(const char *word, uint32_t *value)
{
	uint32_t which;
	char *end;

	if (among(word, special_names, NAMES - SLOTS, &which)) {
		*value = NAME(SLOTS + which);
		return true;
	}
	if (word[0] == '&' &&
	    among(word + 1, special_pointers, POINTERS - POINTER_MESSAGE, &which)) {
		*value = POINTER(POINTER_MESSAGE + which);
		return true;
	}
	if (sscanf(word, "s%u", &which) == 1 && which < SLOTS)
		*value = NAME(which);
	else if (sscanf(word, "&s%u", &which) == 1 && which < SLOTS)
		*value = POINTER(which);
	else if (sscanf(word, "&w%u", &which) == 1 && which < WORDS)
		*value = POINTER(POINTER_WORDS + which);
	else if (sscanf(word, "wide%u", &which) == 1 && which < WIDES)
		*value = WIDE(which);
	else {
		*value = (uint32_t)strtoul(word, &end, 0);
		return end != word && !*end;
	}
	return true;
}

static bool parse_call(struct call *call, char *text)
{
	char *save = NULL, *word = strtok_r(text, " \t\n", &save);
	unsigned int process, thread;
	char hasty = '\0';

	memset(call, 0, sizeof(*call));
	if (!word || sscanf(word, "%u.%u%c", &process, &thread, &hasty) < 2 ||
	    process >= PROCESSES || thread >= THREADS)
		return false;
	call->process = (uint8_t)process;
	call->thread = (uint8_t)thread;
	call->hasty = hasty == '!';
	word = strtok_r(NULL, " \t\n", &save);
	while (word && call->op < op_count() && strcmp(word, op_name(call->op)))
		call->op++;
	if (!word || call->op == op_count())
		return false;
	while ((word = strtok_r(NULL, " \t\n", &save))) {
		if (call->count == ARGS_MAX || !parse_value(word, &call->args[call->count++]))
			return false;
	}
	return true;
}

bool sequence_parse(struct sequence *sequence, const char *text)
{
	char copy[TEXT_MAX], *save = NULL;

	sequence->count = 0;
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (char *part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		if (!part[strspn(part, " \t\n")])
			continue;
		if (sequence->count == CALLS_MAX ||
		    !parse_call(&sequence->calls[sequence->count++], part))
			return false;
	}
	return sequence->count > 0;
}
