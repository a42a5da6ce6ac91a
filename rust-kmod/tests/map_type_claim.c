// SPDX-License-Identifier: GPL-2.0
/*
 * A module that claims a map type and shows what the registry answered, for
 * tests of what it refuses. It gives the type back at once, also where it was
 * refused: no map of it ever exists, and another provider's type must stay.
 */
#include <linux/bpf.h>
#include <linux/module.h>

static unsigned int type;
module_param(type, uint, 0444);
MODULE_PARM_DESC(type, "number of the map type to claim");

static bool incomplete;
module_param(incomplete, bool, 0444);
MODULE_PARM_DESC(incomplete, "claim it without map_mem_usage");

static int helper;
module_param(helper, int, 0444);
MODULE_PARM_DESC(helper, "number of a helper to list");

static int answer;
module_param(answer, int, 0444);
MODULE_PARM_DESC(answer, "to be read: what bpf_map_type_register() returned");

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

static enum bpf_func_id claim_helper;

static struct bpf_map_ops claim_ops = {
	.owner = THIS_MODULE,
	.helpers = &claim_helper,
	.map_alloc_check = claim_alloc_check,
	.map_alloc = claim_alloc,
	.map_free = claim_free,
	.map_get_next_key = claim_get_next_key,
	.map_lookup_elem = claim_lookup_elem,
	.map_update_elem = claim_update_elem,
	.map_delete_elem = claim_delete_elem,
	.map_mem_usage = claim_mem_usage,
};

static int __init claim_init(void)
{
	if (incomplete)
		claim_ops.map_mem_usage = NULL;
	if (helper) {
		claim_helper = helper;
		claim_ops.nr_helpers = 1;
	}
	answer = bpf_map_type_register(type, &claim_ops);
	bpf_map_type_unregister(type, &claim_ops);
	/* Loaded in any case, for the answer to be read. */
	return 0;
}
module_init(claim_init);

static void __exit claim_exit(void)
{
}
module_exit(claim_exit);

MODULE_DESCRIPTION("Claims a BPF map type, for tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("BPF_MAP_TYPE");
