// SPDX-License-Identifier: GPL-2.0
/*
 * A module that claims a map type and exposes the registry's answer, to test
 * what the registry refuses. It unregisters at once, even if it was refused: no
 * map of the type ever exists, and another provider's type must stay
 * registered.
 */
#include <linux/bpf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>

static unsigned int type;
module_param(type, uint, 0444);
MODULE_PARM_DESC(type, "number of the map type to claim");

static char *without = "";
module_param(without, charp, 0444);
MODULE_PARM_DESC(without, "an op to leave out");

static char *with = "";
module_param(with, charp, 0444);
MODULE_PARM_DESC(with, "an op to add, which is never called");

static char *owner = "own";
module_param(owner, charp, 0444);
MODULE_PARM_DESC(owner, "owner of the ops: own, none or foreign");

static bool own_btf_id;
module_param(own_btf_id, bool, 0444);
MODULE_PARM_DESC(own_btf_id, "the ops have a type of their own as map_btf_id");

static int answer;
module_param(answer, int, 0444);
MODULE_PARM_DESC(answer, "read only: what bpf_map_type_register() returned");

static int claim_alloc_check(union bpf_attr *attr)
{
	return -EOPNOTSUPP;
}

static struct bpf_map *claim_alloc(union bpf_attr *attr)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void claim_free(struct bpf_map *map)
{
}

static int claim_get_next_key(struct bpf_map *map, void *key, void *next_key)
{
	return -EOPNOTSUPP;
}

static void *claim_lookup_elem(struct bpf_map *map, void *key)
{
	return NULL;
}

static long claim_update_elem(struct bpf_map *map, void *key, void *value, u64 flags)
{
	return -EOPNOTSUPP;
}

static long claim_delete_elem(struct bpf_map *map, void *key)
{
	return -EOPNOTSUPP;
}

static u64 claim_mem_usage(const struct bpf_map *map)
{
	return 0;
}

static struct bpf_map_ops claim_ops = {
	.owner = THIS_MODULE,
	.map_alloc_check = claim_alloc_check,
	.map_alloc = claim_alloc,
	.map_free = claim_free,
	.map_get_next_key = claim_get_next_key,
	.map_lookup_elem = claim_lookup_elem,
	.map_update_elem = claim_update_elem,
	.map_delete_elem = claim_delete_elem,
	.map_mem_usage = claim_mem_usage,
	.map_meta_equal = bpf_map_meta_equal,
	.map_btf_id = &btf_bpf_map_id[0],
};

/* Stands in for any op: the registry must not call one. */
static void never_called(void)
{
	WARN(1, "an op of a claimed map type was called\n");
}

#define OP(name) { #name, offsetof(struct bpf_map_ops, name) }
static const struct {
	const char *name;
	size_t offset;
} all_ops[] = {
	OP(map_alloc),
	OP(map_free),
	OP(map_get_next_key),
	OP(map_lookup_elem),
	OP(map_update_elem),
	OP(map_delete_elem),
	OP(map_mem_usage),
	OP(map_gen_lookup),
	OP(map_direct_value_addr),
	OP(map_direct_value_meta),
	OP(map_mmap),
	OP(map_get_unmapped_area),
	OP(map_poke_track),
	OP(map_poke_untrack),
	OP(map_poke_run),
	OP(map_fd_get_ptr),
	OP(map_fd_put_ptr),
	OP(map_fd_sys_lookup_elem),
	OP(map_redirect),
};

static int set_op(const char *name, void (*op)(void))
{
	int i;

	if (!*name)
		return 0;
	for (i = 0; i < ARRAY_SIZE(all_ops); i++) {
		if (!strcmp(name, all_ops[i].name)) {
			*(void (**)(void))((void *)&claim_ops + all_ops[i].offset) = op;
			return 0;
		}
	}
	return -ENOENT;
}

/* What the id of a type in this module may look like to vmlinux. */
static int btf_id = INT_MAX;

/* A module that contains no function of this file. Only its name may be read. */
static struct module foreign = { .name = "foreign" };

static int __init claim_init(void)
{
	int err = set_op(without, NULL) ?: set_op(with, never_called);

	if (err)
		return err;
	if (!strcmp(owner, "none"))
		claim_ops.owner = NULL;
	else if (!strcmp(owner, "foreign"))
		claim_ops.owner = &foreign;
	if (own_btf_id)
		claim_ops.map_btf_id = &btf_id;
	answer = bpf_map_type_register(type, &claim_ops);
	bpf_map_type_unregister(type, &claim_ops);
	/* Stays loaded in any case, so that the answer can be read. */
	return 0;
}
module_init(claim_init);

static void __exit claim_exit(void)
{
}
module_exit(claim_exit);

MODULE_DESCRIPTION("Claims a BPF map type, for tests");
MODULE_LICENSE("GPL");
