/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One C function for each static inline or macro of the kernel that the module
 * needs and the kernel crate has no helper for.
 *
 * The functions do nothing but call what their name says; every decision is
 * made in Rust (src/linux wraps each of them). bindgen reads this header as
 * well, so both languages see one declaration.
 */
#ifndef MACH_SHIM_H
#define MACH_SHIM_H

#include <linux/types.h>

/* linux/tracepoint.h */
void mach_shim_tracepoint_synchronize_unregister(void);

/* linux/sched.h, linux/wait.h */
struct task_struct;
void mach_shim_set_current_state(unsigned int state);
void mach_shim_set_current_state_running(void);
void mach_shim_wake_up_sync(struct task_struct *task);
void mach_shim_find_sync_flags(void);

/* linux/xarray.h: with a lock class of its own, which kernel crate arrays lack. */
struct xarray;
struct lock_class_key;
void mach_shim_xa_init(struct xarray *xa, const char *name, struct lock_class_key *key);

/* linux/fs.h */
struct file;
bool mach_shim_can_mmap_file(struct file *file);
void mach_shim_exe_file_allow_write_access(struct file *file);
loff_t mach_shim_file_size(struct file *file);
umode_t mach_shim_file_mode(struct file *file);
dev_t mach_shim_file_device(struct file *file);
unsigned long mach_shim_file_inode(struct file *file);
bool mach_shim_file_is_mapped(struct file *file);

/* linux/fdtable.h: of the current process */
unsigned long mach_shim_fdget(unsigned int fd);
void mach_shim_fdput(unsigned long word);
bool mach_shim_fd_is(unsigned int fd, const struct file *file);

/* linux/fsnotify_backend.h, linux/fs.h */
struct fsnotify_iter_info;
struct fsnotify_mark;
bool mach_shim_file_notifies(struct file *file);
bool mach_shim_file_can_have_name(struct file *file);
unsigned int mach_shim_file_links(struct file *file);
struct fsnotify_mark *mach_shim_fsnotify_inode_mark(struct fsnotify_iter_info *marks);

/* linux/poll.h */
struct poll_table_struct;
unsigned int mach_shim_vfs_poll(struct file *file, struct poll_table_struct *table);

/* linux/pipe_fs_i.h, net/sock.h, net/af_unix.h: kernel crate bindings lack struct proto. */
struct pipe_inode_info;
struct sock;
unsigned int mach_shim_pipe_tail(struct pipe_inode_info *pipe);
unsigned int mach_shim_pipe_buffers(struct pipe_inode_info *pipe);
unsigned int mach_shim_pipe_max_buffers(struct pipe_inode_info *pipe);
unsigned int mach_shim_pipe_buffer_len(struct pipe_inode_info *pipe, unsigned int slot);
int mach_shim_sock_readable(struct sock *sk, int *bytes);
s64 mach_shim_sock_writable(struct sock *sk);
int mach_shim_sock_error(struct sock *sk);

/* linux/fs_struct.h */
struct path;
void mach_shim_current_dir(struct path *path);

/* linux/dcache.h */
struct dentry;
bool mach_shim_is_dir(struct dentry *dentry);

/* linux/mmap_lock.h, linux/mm.h */
struct mm_struct;
struct vm_area_struct;
int mach_shim_mmap_write_lock_killable(struct mm_struct *mm);
void mach_shim_mmap_write_unlock(struct mm_struct *mm);
void mach_shim_vm_flags_set(struct vm_area_struct *vma, unsigned long flags);
void mach_shim_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags);
struct page;
void *mach_shim_page_address(struct page *page);

/* linux/sched.h, linux/sched/signal.h: of the current thread */
void mach_shim_cond_resched(void);
bool mach_shim_fatal_signal_pending(void);

/* linux/cred.h */
struct cred;
const struct cred *mach_shim_override_creds(const struct cred *cred);
void mach_shim_revert_creds(const struct cred *cred);

/* linux/shmem_fs.h: kernel crate bindings lack the type of its flags. */
struct file *mach_shim_shmem_file(const char *name, loff_t size);
bool mach_shim_file_is_regular(struct file *file);

/* linux/mm.h, linux/sched/signal.h: memory that stays where it is */
long mach_shim_add_pinned(struct mm_struct *mm, long pages);
unsigned long mach_shim_page_to_pfn(struct page *page);
unsigned long mach_shim_rlimit(unsigned int limit);

/* linux/mm.h, linux/page-flags.h */
bool mach_shim_page_is_anonymous(struct page *page);
bool mach_shim_page_is_dirty(struct page *page);
bool mach_shim_page_is_referenced(struct page *page);

/* linux/sched/mm.h, linux/memcontrol.h: what the current thread allocates is charged to */
struct mem_cgroup;
void mach_shim_set_active_memcg(struct mem_cgroup *memcg);
void mach_shim_mem_cgroup_put(struct mem_cgroup *memcg);

/* linux/mm_types.h: mlockall(MCL_FUTURE) */
struct mm_struct;
bool mach_shim_locks_future_mappings(struct mm_struct *mm);

/* asm/elf.h, linux/ptrace.h */
struct pt_regs;
struct pt_regs *mach_shim_current_pt_regs(void);
struct pt_regs *mach_shim_task_pt_regs(struct task_struct *task);
void mach_shim_elf_plat_init(struct pt_regs *regs);

/* What set_personality_64bit() does, which is not exported. */
void mach_shim_set_personality_64bit(void);

/* What compat_start_thread() does beyond start_thread(); it is not exported. */
void mach_shim_start_thread_32bit(struct pt_regs *regs);

/* linux/cred.h, linux/sched/exec_state.h: with the RCU read lock held */
struct task_struct;
struct user_namespace;
const struct cred *mach_shim_task_cred(struct task_struct *task);
bool mach_shim_is_dumpable(struct task_struct *task);
struct user_namespace *mach_shim_exec_user_ns(struct task_struct *task);

/*
 * linux/hw_breakpoint.h: of what the program of @task does. Where @context begins is
 * the function that is called with it.
 */
struct perf_event;
struct mach_shim_breakpoint {
	void (*hit)(struct mach_shim_breakpoint *context);
};
struct perf_event *mach_shim_register_breakpoint(struct task_struct *task, u64 address, u64 length,
						 unsigned int type,
						 struct mach_shim_breakpoint *context);

/* asm/barrier.h */
void mach_shim_smp_rmb(void);

/* asm/fpu/api.h: what the instruction FXSAVE says of MXCSR. Not to be called by two threads. */
unsigned int mach_shim_mxcsr_mask(void);

/* linux/mm.h */
void mach_shim_get_page(struct page *page);
void mach_shim_put_page(struct page *page);
unsigned long mach_shim_get_mm_rss(struct mm_struct *mm);
unsigned long mach_shim_get_mm_hiwater_rss(struct mm_struct *mm);
unsigned long mach_shim_get_mm_file_pages(struct mm_struct *mm);

/* linux/sched/signal.h: a look at sums over a process's threads */
unsigned int mach_shim_read_stats_begin(struct signal_struct *signal);
bool mach_shim_read_stats_retry(struct signal_struct *signal, unsigned int sequence);

/* linux/cpumask.h, linux/topology.h */
unsigned int mach_shim_nr_cpu_ids(void);
unsigned int mach_shim_num_possible_cpus(void);
unsigned int mach_shim_num_online_cpus(void);
bool mach_shim_cpu_online(unsigned int cpu);
unsigned int mach_shim_first_sibling(unsigned int cpu);

/* linux/vmstat.h, linux/sched/loadavg.h, linux/kernel_stat.h */
unsigned long mach_shim_global_node_page_state(unsigned int item);
unsigned long mach_shim_load_average(unsigned int index);
u64 mach_shim_cpu_time(unsigned int cpu, unsigned int item);

/* linux/sched.h, linux/uidgid.h: the current process as it sees itself */
int mach_shim_get_user_u32(u32 *to, unsigned long from);
int mach_shim_get_user_u64(u64 *to, unsigned long from);
int mach_shim_get_user_words(void *to, unsigned long from, unsigned int size);
int mach_shim_put_user_words(unsigned long to, const void *from, unsigned int words);

pid_t mach_shim_current_tgid_vnr(void);
uid_t mach_shim_current_uid_munged(void);

/* linux/printk.h: Rust's pr_debug! knows no dynamic debug. */
void mach_shim_pr_debug_refused(const char *path, const char *reason);

#endif /* MACH_SHIM_H */
