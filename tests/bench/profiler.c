// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that counts the instructions executed in each block of code
 * between two marks, which the measuring program sets (bench.c), and writes
 *
 *	address instructions
 *
 * in hexadecimal and decimal to the file that the argument out= names.
 *
 * Only what is used of QEMU's plugin interface, version 1, is declared here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { CB_NO_REGS = 0, INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int op, void *counter,
	uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
	void (*executed)(unsigned int cpu, void *data), int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

int qemu_plugin_version = 1;

#define BLOCKS	(1u << 18)

/* By address and length; open addressing. */
static struct block {
	uint64_t address;
	uint64_t length;
	uint64_t executed;
	uint64_t before;
} blocks[BLOCKS];

static const char *out = "profile.counts";

static struct block *find(uint64_t address, uint64_t length)
{
	uint64_t at = (address ^ length << 40) * 0x9e3779b97f4a7c15u >> 46;

	for (;; at = (at + 1) % BLOCKS) {
		struct block *block = &blocks[at];

		if (!block->length) {
			block->address = address;
			block->length = length;
			return block;
		}
		if (block->address == address && block->length == length)
			return block;
	}
}

static void start(unsigned int cpu, void *data)
{
	(void)cpu, (void)data;
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i].before = blocks[i].executed;
}

static void stop(unsigned int cpu, void *data)
{
	FILE *file = fopen(out, "w");

	(void)cpu, (void)data;
	if (!file)
		return;
	for (size_t i = 0; i < BLOCKS; i++) {
		uint64_t executed = blocks[i].executed - blocks[i].before;

		if (executed)
			fprintf(file, "%llx %llu %llu\n", (unsigned long long)blocks[i].address,
				(unsigned long long)blocks[i].length,
				(unsigned long long)executed);
	}
	fclose(file);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 0, 0x4d, 0x43, 0x48 };
	size_t length = qemu_plugin_tb_n_insns(tb);
	struct block *block = find(qemu_plugin_tb_vaddr(tb), length);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &block->executed, 1);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(instruction);

		if (qemu_plugin_insn_size(instruction) != sizeof(mark) ||
		    memcmp(bytes, mark, 3) || memcmp(bytes + 4, mark + 4, 3))
			continue;
		if (bytes[3] == 1)
			qemu_plugin_register_vcpu_insn_exec_cb(instruction, start, CB_NO_REGS, NULL);
		else if (bytes[3] == 2)
			qemu_plugin_register_vcpu_insn_exec_cb(instruction, stop, CB_NO_REGS, NULL);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = argv[i] + 4;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
