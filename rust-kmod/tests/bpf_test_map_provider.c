// SPDX-License-Identifier: GPL-2.0
/*
 * A module that provides a map type whose maps hold nothing, and then behaves
 * badly: its init fails after it has registered, or it unregisters the type
 * while it is loaded and its maps live.
 */
#include <linux/bpf.h>
#include <linux/btf_ids.h>
#include <linux/delay.h>
#include <linux/module.h>

static unsigned int type;
module_param(type, uint, 0444);
MODULE_PARM_DESC(type, "number of the map type to provide");

static unsigned int fail_after_ms;
module_param(fail_after_ms, uint, 0444);
MODULE_PARM_DESC(fail_after_ms, "if not 0, init fails this many ms after registering");

static int provider_alloc_check(union bpf_attr *attr)
{
	return 0;
}

static struct bpf_map *provider_alloc(union bpf_attr *attr)
{
	struct bpf_map *map = bpf_map_area_alloc(sizeof(*map), NUMA_NO_NODE);

	if (!map)
		return ERR_PTR(-ENOMEM);
	bpf_map_init_from_attr(map, attr);
	return map;
}

static void provider_free(struct bpf_map *map)
{
	bpf_map_area_free(map);
}

static int provider_get_next_key(struct bpf_map *map, void *key, void *next_key)
{
	return -ENOENT;
}

static void *provider_lookup_elem(struct bpf_map *map, void *key)
{
	return NULL;
}

static long provider_update_elem(struct bpf_map *map, void *key, void *value, u64 flags)
{
	return -ENOSPC;
}

static long provider_delete_elem(struct bpf_map *map, void *key)
{
	return -ENOENT;
}

static u64 provider_mem_usage(const struct bpf_map *map)
{
	return sizeof(*map);
}

static const struct bpf_map_ops provider_ops = {
	.owner = THIS_MODULE,
	.map_alloc_check = provider_alloc_check,
	.map_alloc = provider_alloc,
	.map_free = provider_free,
	.map_get_next_key = provider_get_next_key,
	.map_lookup_elem = provider_lookup_elem,
	.map_update_elem = provider_update_elem,
	.map_delete_elem = provider_delete_elem,
	.map_mem_usage = provider_mem_usage,
	.map_meta_equal = bpf_map_meta_equal,
	.map_btf_id = &btf_bpf_map_id[0],
};

static int unregister(const char *value, const struct kernel_param *param)
{
	bpf_map_type_unregister(type, &provider_ops);
	return 0;
}

static const struct kernel_param_ops unregister_ops = { .set = unregister };
module_param_cb(unregister, &unregister_ops, NULL, 0200);
MODULE_PARM_DESC(unregister, "written to: unregister the map type");

static int __init provider_init(void)
{
	int err = bpf_map_type_register(type, &provider_ops);

	if (err || !fail_after_ms)
		return err;
	msleep(fail_after_ms);
	bpf_map_type_unregister(type, &provider_ops);
	return -ENODEV;
}
module_init(provider_init);

static void __exit provider_exit(void)
{
	/* Does nothing if the type was unregistered before. */
	bpf_map_type_unregister(type, &provider_ops);
}
module_exit(provider_exit);

MODULE_DESCRIPTION("Provides a BPF map type badly, for tests");
MODULE_LICENSE("GPL");
