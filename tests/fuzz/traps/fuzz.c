// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the traps, inside the VM: it runs sequences of calls, keeps those
 * that reach code no other has reached, and makes new ones of them, until the
 * kernel complains or the time is over. scripts/run-fuzz.py starts it and keeps
 * what it finds; see there for how to use it.
 *
 * /fuzz/seeds and /fuzz/corpus have sequences to start with, one a line; /fuzz/shapes
 * has layouts that are known. With /fuzz/replay there are only the sequences of that
 * file to run, each MACH_RUNS times.
 *
 * Standard output, by lines:
 *   points OFFSET…            code reached for the first time: offsets in .text
 *   new SEQUENCE              joins the corpus
 *   stat RUNS CORPUS POINTS STEPS
 *   shape ID KIND PORTS WORDS the layout of a request, which has been found out
 *   routines NUMBER           how many of them
 *   finding NUMBER TEXT       the kernel complained; NUMBER: the line of the replay
 *   input SEQUENCE            the one that ran then; `before`: those before it
 *   over                      nothing was found until now
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "act.h"
#include "cover.h"
#include "mutate.h"
#include "watch.h"
#include "world.h"

#include "mach_abi.h"
#include "mach_const.h"

#define CORPUS_MAX	20000u
/* Objects are looked for after so many runs; what may have left some is remembered. */
#define RUNS_BETWEEN	40u
#define STAT_S		5
/* Fewer new steps between known points are not worth a place in the corpus. */
#define STEPS_WANTED	4u
#define TRIES_TO_SHORTEN 12u

struct entry {
	struct sequence sequence;
	uint32_t picks;
};

static struct entry *corpus;
static uint32_t corpus_count;
static struct sequence *recent;
static uint64_t runs;
static bool with_cover;
static struct shapes *shapes;
static int black_box = -1;
static char text[TEXT_MAX];

static long number_from(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? atol(value) : otherwise;
}

static void print_sequence(const char *word, const struct sequence *sequence)
{
	sequence_print(sequence, text);
	printf("%s %s\n", word, text);
	fflush(stdout);
}

static void print_stat(void)
{
	static time_t last;
	time_t now = time(NULL);

	if (now < last + STAT_S)
		return;
	last = now;
	printf("stat %lu %u %u %u\n", (unsigned long)runs, corpus_count, cover_points(),
	       cover_steps());
	fflush(stdout);
}

/* What the kernel complains of ends this boot: after it nothing can be trusted. */
__attribute__((noreturn))
static void found(uint32_t line, const char *what, const struct sequence *sequence)
{
	printf("finding %u %s\n", line, what);
	print_sequence("input", sequence);
	for (uint32_t i = 1; i < RUNS_BETWEEN && i < runs; i++)
		print_sequence("before", &recent[(runs - i) % RUNS_BETWEEN]);
	exit(1);
}

static void run(uint32_t line, const struct sequence *sequence)
{
	char what[512];

	recent[++runs % RUNS_BETWEEN] = *sequence;
	/* Where the host finds it should the whole VM go down. */
	if (black_box >= 0) {
		sequence_print(sequence, text);
		dprintf(black_box, "%s\n", text);
	}
	if (with_cover)
		cover_clear();
	if (!world_run(sequence, with_cover ? cover_begin : NULL)) {
		watch_stacks();
		found(line, "a process does not end", sequence);
	}
	if (world_saw_poison())
		found(line, "memory that was never written leaves the kernel", sequence);
	if (watch_log(what, sizeof(what)))
		found(line, what, sequence);
	if ((line || runs % RUNS_BETWEEN == 0) && watch_objects(what, sizeof(what)))
		found(line, what, sequence);
	print_stat();
}

/* --- The layouts of requests ----------------------------------------------------------- */

static int32_t wanted_id;

static bool takes(unsigned int kind, unsigned int ports, unsigned int words)
{
	/* An object of another kind: it looks at the layout first, and then does nothing. */
	uint32_t other = (uint32_t)trap_of(wanted_id < 1000 ? NR_task_self_trap : NR_host_self_trap, 0);
	int32_t code = act_ask(other, wanted_id, kind, ports, words);

	return code != MIG_BAD_ARGUMENTS && code != MIG_TYPE_ERROR && code != MIG_BAD_ID;
}

/* The kernel says of each layout whether it is the right one. */
static void find_shape(void)
{
	static const uint8_t kinds[][2] = { { 0, 0 }, { 0, 1 }, { 1, 1 }, { 2, 1 }, { 0, 2 }, { 0, 3 } };
	struct shape *shape = &shapes->shape[shapes->count];

	for (unsigned int words = 0; words <= 40; words++) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			if (!takes(kinds[i][0], kinds[i][1], words))
				continue;
			*shape = (struct shape){ wanted_id, kinds[i][0], kinds[i][1], (uint8_t)words };
			shapes->count++;
			return;
		}
	}
}

static void load_shapes(void)
{
	FILE *file = fopen("/fuzz/shapes", "re");
	unsigned int kind, ports, words;
	int32_t id;

	while (file && shapes->count < SHAPES_MAX &&
	       fscanf(file, "%d %u %u %u", &id, &kind, &ports, &words) == 4)
		shapes->shape[shapes->count++] = (struct shape){
			id, (uint8_t)kind, (uint8_t)ports, (uint8_t)words,
		};
	if (file)
		fclose(file);
}

static bool is_known(int32_t id)
{
	for (uint32_t i = 0; i < shapes->count; i++)
		if (shapes->shape[i].id == id)
			return true;
	return false;
}

static void find_shapes(void)
{
	FILE *file = fopen("/sys/kernel/debug/mach/routines", "re");
	char line[256];

	load_shapes();
	while (file && fgets(line, sizeof(line), file) && shapes->count < SHAPES_MAX)
		if (sscanf(line, "%d", &wanted_id) == 1 && !is_known(wanted_id)) {
			const struct shape *shape = &shapes->shape[shapes->count];

			world_visit(find_shape);
			if (is_known(wanted_id))
				printf("shape %d %u %u %u\n", shape->id, shape->kind,
				       shape->ports, shape->words);
		}
	if (file)
		fclose(file);
	printf("routines %u\n", shapes->count);
}

/* --- The corpus ------------------------------------------------------------------------ */

static void keep(const struct sequence *sequence)
{
	if (corpus_count == CORPUS_MAX)
		return;
	corpus[corpus_count++].sequence = *sequence;
	print_sequence("new", sequence);
}

/* Still reaches what was new of @news, of which nothing is known yet? */
static bool reaches(const struct sequence *sequence, struct cover_news news)
{
	struct cover_news now;

	run(0, sequence);
	now = cover_look();
	return news.points ? now.points >= news.points : now.steps * 2 >= news.steps;
}

/* Leaves out what is not needed to reach it, in parts that get smaller. */
static void shorten(struct sequence *sequence, struct cover_news news)
{
	uint32_t part = sequence->count / 2, tries = 0;

	for (; part; part /= 2) {
		for (uint32_t at = 0; at + part <= sequence->count && sequence->count > part;) {
			struct sequence shorter = *sequence;

			if (++tries > TRIES_TO_SHORTEN)
				return;
			sequence_remove(&shorter, at, part);
			if (reaches(&shorter, news))
				*sequence = shorter;
			else
				at += part;
		}
	}
}

static void try(struct sequence *sequence)
{
	struct cover_news news;

	run(0, sequence);
	news = cover_look();
	if (!news.points && news.steps < STEPS_WANTED)
		return;
	/* By chance only, if it does not come again. */
	if (!reaches(sequence, news)) {
		run(0, sequence);
		cover_add();
		return;
	}
	if (news.points)
		shorten(sequence, news);
	run(0, sequence);
	cover_add();
	keep(sequence);
}

static struct sequence *pick(void)
{
	struct entry *one = &corpus[below(corpus_count)], *other = &corpus[below(corpus_count)];

	if (other->picks < one->picks)
		one = other;
	one->picks++;
	return &one->sequence;
}

static void load_corpus(const char *path)
{
	FILE *file = fopen(path, "re");
	static char line[TEXT_MAX];
	struct sequence sequence;

	while (file && fgets(line, sizeof(line), file)) {
		struct cover_news news;

		if (line[0] == '#' || !sequence_parse(&sequence, line))
			continue;
		run(0, &sequence);
		news = cover_add();
		if (news.points || news.steps) {
			if (corpus_count < CORPUS_MAX)
				corpus[corpus_count++].sequence = sequence;
		}
	}
	if (file)
		fclose(file);
}

static void fuzz(time_t end)
{
	static struct sequence sequence;

	find_shapes();
	load_corpus("/fuzz/seeds");
	load_corpus("/fuzz/corpus");
	while (time(NULL) < end) {
		if (corpus_count < 10 || below(20) == 0) {
			sequence_generate(&sequence, shapes);
		} else {
			sequence = *pick();
			sequence_mutate(&sequence, pick(), shapes);
		}
		if (sequence.count)
			try(&sequence);
	}
}

static bool replay(const char *path)
{
	long times = number_from("MACH_RUNS", 20);
	FILE *file = fopen(path, "re");
	static char line[TEXT_MAX];
	struct sequence sequence;
	uint32_t number = 0;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (!sequence_parse(&sequence, line))
			continue;
		for (long i = 0; i < times; i++)
			run(number, &sequence);
	}
	fclose(file);
	return true;
}

static void *memory_for(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(2);
	return memory;
}

int main(void)
{
	long slowness = number_from("MACH_SLOWNESS", 1);
	time_t end = time(NULL) + 60 * number_from("MACH_MINUTES", 5);
	const size_t corpus_size = sizeof(struct entry) * CORPUS_MAX;

	corpus = memory_for(corpus_size);
	madvise(corpus, corpus_size, MADV_DONTFORK);
	recent = memory_for(sizeof(*recent) * RUNS_BETWEEN);
	/* Filled by a child. */
	shapes = mmap(NULL, sizeof(*shapes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	black_box = open("/dev/ttyS2", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	chance_seed((uint64_t)number_from("MACH_SEED", time(NULL)));
	if (shapes == MAP_FAILED || !watch_init(slowness) || !world_init(slowness)) {
		perror("start");
		return 2;
	}
	if (!replay("/fuzz/replay")) {
		with_cover = cover_init(PROCESSES * THREADS);
		if (!with_cover) {
			printf("# this kernel has no KCOV\n");
			return 2;
		}
		fuzz(end);
	}
	runs = runs / RUNS_BETWEEN * RUNS_BETWEEN;
	printf("over\n");
	return 0;
}
