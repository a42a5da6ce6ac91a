// SPDX-License-Identifier: GPL-2.0
/*
 * A module that refuses one thread the memory that maps allocate without
 * sleeping: the kernel's fault injection does not cover kmalloc_nolock().
 */
#include <linux/bpf.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/sched.h>

static int thread;
module_param(thread, int, 0444);
MODULE_PARM_DESC(thread, "thread whose requests are counted");

static int nth;
module_param(nth, int, 0644);
MODULE_PARM_DESC(nth, "request to refuse, counted down from now on; 0: none; -1: all");

/* Returns to the caller of bpf_map_kmalloc_nolock() in its place. */
static noinline void *no_memory(void)
{
	return NULL;
}

/* In any context, at the start of bpf_map_kmalloc_nolock(). */
static void on_request(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		       struct ftrace_regs *fregs)
{
	if (current->pid != thread || !nth)
		return;
	if (nth > 0 && --nth)
		return;
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)no_memory);
}

static struct ftrace_ops ops = {
	.func = on_request,
	.flags = FTRACE_OPS_FL_SAVE_REGS_IF_SUPPORTED | FTRACE_OPS_FL_IPMODIFY |
		 FTRACE_OPS_FL_RECURSION,
};

static int __init refuse_memory_init(void)
{
	unsigned char function[] = "bpf_map_kmalloc_nolock";
	int err = ftrace_set_filter(&ops, function, sizeof(function) - 1, 1);

	return err ?: register_ftrace_function(&ops);
}
module_init(refuse_memory_init);

/* Unregistering waits until no task is in on_request() or on its way out of no_memory(). */
static void __exit refuse_memory_exit(void)
{
	unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}
module_exit(refuse_memory_exit);

MODULE_DESCRIPTION("Refuses memory to a thread's map updates, for tests");
MODULE_LICENSE("GPL");
