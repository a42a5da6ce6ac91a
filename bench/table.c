// SPDX-License-Identifier: GPL-2.0
/*
 * Read a table written by bench/tables.py:
 *
 *	u32	magic, key_size, number of key lists
 *	list	char name[24], u32 number, keys of key_size bytes, each padded to
 *		a multiple of 4
 *
 * The first list holds the entries of the table, the others keys to look up.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel_read_file.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "bench.h"

#define MAGIC	0x314d504cU	/* "LPM1" */

static int list_load(struct keys *keys, u32 key_size, u8 **at, const u8 *end)
{
	if (end - *at < NAME_LEN + sizeof(u32))
		return -EINVAL;
	strscpy(keys->name, *at, NAME_LEN);
	keys->nr = *(u32 *)(*at + NAME_LEN);
	keys->data = *at + NAME_LEN + sizeof(u32);
	key_size = ALIGN(key_size, 4);
	if (!keys->nr || (end - keys->data) / key_size < keys->nr)
		return -EINVAL;
	*at = keys->data + (size_t)keys->nr * key_size;
	return 0;
}

/* The keys stay in the file's buffer until bench_table_free(). */
int bench_table_load(struct table *table, const char *path)
{
	const u32 *header;
	ssize_t size;
	u8 *at, *end;
	int err;

	table->file = NULL;
	/* A kernel thread does not see the initramfs by itself. */
	size = kernel_read_file_from_path_initns(path, 0, &table->file, INT_MAX, NULL,
						 READING_UNKNOWN);
	if (size < 0)
		return size;
	header = table->file;
	at = (u8 *)(header + 3);
	end = (u8 *)table->file + size;
	err = -EINVAL;
	if (at > end || header[0] != MAGIC || header[1] < 5 || !header[2] ||
	    header[2] > MAX_SETS + 1)
		goto free;
	table->key_size = header[1];
	table->nr_sets = header[2] - 1;
	err = list_load(&table->entries, table->key_size, &at, end);
	for (u32 i = 0; !err && i < table->nr_sets; i++)
		err = list_load(&table->sets[i], table->key_size, &at, end);
	if (err)
		goto free;
	strscpy(table->name, table->entries.name);
	return 0;

free:
	bench_table_free(table);
	return err;
}

void bench_table_free(struct table *table)
{
	vfree(table->file);
	table->file = NULL;
}
