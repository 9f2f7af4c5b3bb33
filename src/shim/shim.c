// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies of the functions declared in shim.h.
 */
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/elf.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify_backend.h>
#include <linux/hw_breakpoint.h>
#include <linux/kernel_stat.h>
#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/perf_event.h>
#include <linux/pipe_fs_i.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/exec_state.h>
#include <linux/sched/loadavg.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/topology.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>
#include <asm/fpu/api.h>
#include <asm/ioctls.h>
#include <asm/segment.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <asm/unistd.h>
#include <linux/sockios.h>
#include <net/af_unix.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "shim.h"

void mach_shim_tracepoint_synchronize_unregister(void)
{
	tracepoint_synchronize_unregister();
}

void mach_shim_set_current_state(unsigned int state)
{
	set_current_state(state);
}

void mach_shim_set_current_state_running(void)
{
	__set_current_state(TASK_RUNNING);
}

/*
 * What a wake-up through a wait queue does to the thread of an entry, without the
 * queue. The flag that says "the waker is about to sleep" is private to the
 * scheduler: it is learnt from a wake-up that has it.
 */
static int sync_flags;

void mach_shim_wake_up_sync(struct task_struct *task)
{
	struct wait_queue_entry entry = { .private = task };

	default_wake_function(&entry, TASK_NORMAL, sync_flags, NULL);
}

static int note_sync_flags(struct wait_queue_entry *entry, unsigned int mode, int flags,
			   void *key)
{
	sync_flags = flags;
	return 0;
}

void mach_shim_find_sync_flags(void)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(head);
	struct wait_queue_entry entry;

	init_waitqueue_func_entry(&entry, note_sync_flags);
	add_wait_queue(&head, &entry);
	__wake_up_sync(&head, TASK_INTERRUPTIBLE);
	remove_wait_queue(&head, &entry);
}

void mach_shim_xa_init(struct xarray *xa, const char *name, struct lock_class_key *key)
{
	xa_init(xa);
	lockdep_set_class_and_name(&xa->xa_lock, key, name);
}

bool mach_shim_can_mmap_file(struct file *file)
{
	return can_mmap_file(file);
}

void mach_shim_exe_file_allow_write_access(struct file *file)
{
	exe_file_allow_write_access(file);
}

loff_t mach_shim_file_size(struct file *file)
{
	return i_size_read(file_inode(file));
}

umode_t mach_shim_file_mode(struct file *file)
{
	return file_inode(file)->i_mode;
}

dev_t mach_shim_file_device(struct file *file)
{
	return file_inode(file)->i_sb->s_dev;
}

unsigned long mach_shim_file_inode(struct file *file)
{
	return file_inode(file)->i_ino;
}

bool mach_shim_file_is_mapped(struct file *file)
{
	return mapping_mapped(file->f_mapping);
}

unsigned long mach_shim_fdget(unsigned int fd)
{
	return fdget(fd).word;
}

void mach_shim_fdput(unsigned long word)
{
	fdput((struct fd){ word });
}

bool mach_shim_fd_is(unsigned int fd, const struct file *file)
{
	bool is;

	rcu_read_lock();
	is = files_lookup_fd_raw(current->files, fd) == file;
	rcu_read_unlock();
	return is;
}

bool mach_shim_file_notifies(struct file *file)
{
	return !FMODE_FSNOTIFY_NONE(file->f_mode);
}

bool mach_shim_file_can_have_name(struct file *file)
{
	return !(file_inode(file)->i_sb->s_flags & SB_NOUSER);
}

unsigned int mach_shim_file_links(struct file *file)
{
	return file_inode(file)->i_nlink;
}

struct fsnotify_mark *mach_shim_fsnotify_inode_mark(struct fsnotify_iter_info *marks)
{
	return fsnotify_iter_inode_mark(marks);
}

unsigned int mach_shim_vfs_poll(struct file *file, struct poll_table_struct *table)
{
	return (__force unsigned int)vfs_poll(file, table);
}

unsigned int mach_shim_pipe_tail(struct pipe_inode_info *pipe)
{
	return pipe->tail;
}

unsigned int mach_shim_pipe_buffers(struct pipe_inode_info *pipe)
{
	return pipe_occupancy(pipe->head, pipe->tail);
}

unsigned int mach_shim_pipe_max_buffers(struct pipe_inode_info *pipe)
{
	return pipe->max_usage;
}

unsigned int mach_shim_pipe_buffer_len(struct pipe_inode_info *pipe, unsigned int slot)
{
	return pipe_buf(pipe, slot)->len;
}

/* Exported by net/unix/af_unix.c; the header that declares it is not among those for modules. */
long unix_inq_len(struct sock *sk);

/* Sockets that listen have connections to be read. */
int mach_shim_sock_readable(struct sock *sk, int *bytes)
{
	long result;

	if (READ_ONCE(sk->sk_state) == TCP_LISTEN) {
		*bytes = sk->sk_family == AF_UNIX ?
			skb_queue_len_lockless(&sk->sk_receive_queue) :
			READ_ONCE(sk->sk_ack_backlog);
		return 0;
	}
	if (sk->sk_family == AF_UNIX) {
		result = unix_inq_len(sk);
		*bytes = result;
		return result < 0 ? result : 0;
	}
	if (!sk->sk_prot->ioctl)
		return -ENOIOCTLCMD;
	return sk->sk_prot->ioctl(sk, SIOCINQ, bytes);
}

s64 mach_shim_sock_writable(struct sock *sk)
{
	if (sk->sk_type == SOCK_STREAM && sk->sk_family != AF_UNIX)
		return max(sk_stream_wspace(sk), 0);
	return sock_wspace(sk);
}

int mach_shim_sock_error(struct sock *sk)
{
	return READ_ONCE(sk->sk_err);
}

void mach_shim_current_dir(struct path *path)
{
	get_fs_pwd(current->fs, path);
}

bool mach_shim_is_dir(struct dentry *dentry)
{
	return d_is_dir(dentry);
}

int mach_shim_mmap_write_lock_killable(struct mm_struct *mm)
{
	return mmap_write_lock_killable(mm);
}

void mach_shim_mmap_write_unlock(struct mm_struct *mm)
{
	mmap_write_unlock(mm);
}

void mach_shim_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vm_flags_set(vma, flags);
}

void mach_shim_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vm_flags_clear(vma, flags);
}

void *mach_shim_page_address(struct page *page)
{
	return page_address(page);
}

void mach_shim_cond_resched(void)
{
	cond_resched();
}

bool mach_shim_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

const struct cred *mach_shim_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

void mach_shim_revert_creds(const struct cred *cred)
{
	revert_creds(cred);
}

struct pt_regs *mach_shim_current_pt_regs(void)
{
	return current_pt_regs();
}

/*
 * task_pt_regs(), for a task that may be losing its stack: that is looked at once.
 * NULL if it has none any more.
 */
struct pt_regs *mach_shim_task_pt_regs(struct task_struct *task)
{
	char *stack = READ_ONCE(task->stack);

	if (!stack)
		return NULL;
	return (struct pt_regs *)(stack + THREAD_SIZE - TOP_OF_KERNEL_STACK_PADDING) - 1;
}

void mach_shim_elf_plat_init(struct pt_regs *regs)
{
	ELF_PLAT_INIT(regs, 0);
}

void mach_shim_set_personality_64bit(void)
{
	clear_thread_flag(TIF_ADDR32);
	current_pt_regs()->orig_ax = __NR_execve;
	current_thread_info()->status &= ~TS_COMPAT;
	current->personality &= ~READ_IMPLIES_EXEC;
}

void mach_shim_start_thread_32bit(struct pt_regs *regs)
{
	loadsegment(es, __USER_DS);
	loadsegment(ds, __USER_DS);
	regs->csx = __USER32_CS;
}

const struct cred *mach_shim_task_cred(struct task_struct *task)
{
	return __task_cred(task);
}

bool mach_shim_is_dumpable(struct task_struct *task)
{
	return READ_ONCE(rcu_dereference(task->exec_state)->dumpable) == TASK_DUMPABLE_OWNER;
}

struct user_namespace *mach_shim_exec_user_ns(struct task_struct *task)
{
	return rcu_dereference(task->exec_state)->user_ns;
}

void mach_shim_smp_rmb(void)
{
	smp_rmb();
}

static void breakpoint_hit(struct perf_event *event, struct perf_sample_data *data,
			   struct pt_regs *regs)
{
	struct mach_shim_breakpoint *context = event->overflow_handler_context;

	context->hit(context);
}

struct perf_event *mach_shim_register_breakpoint(struct task_struct *task, u64 address, u64 length,
						 unsigned int type,
						 struct mach_shim_breakpoint *context)
{
	struct perf_event_attr attr;

	hw_breakpoint_init(&attr);
	attr.bp_addr = address;
	attr.bp_len = length;
	attr.bp_type = type;
	attr.exclude_kernel = 1;
	return register_user_hw_breakpoint(&attr, breakpoint_hit, context, task);
}

unsigned int mach_shim_mxcsr_mask(void)
{
	static struct fxregs_state state;

	kernel_fpu_begin();
	asm volatile("fxsave %0" : "+m" (state));
	kernel_fpu_end();
	return state.mxcsr_mask;
}

void mach_shim_get_page(struct page *page)
{
	get_page(page);
}

void mach_shim_put_page(struct page *page)
{
	put_page(page);
}

unsigned long mach_shim_get_mm_rss(struct mm_struct *mm)
{
	return get_mm_rss(mm);
}

unsigned long mach_shim_get_mm_hiwater_rss(struct mm_struct *mm)
{
	return get_mm_hiwater_rss(mm);
}

unsigned long mach_shim_get_mm_file_pages(struct mm_struct *mm)
{
	return get_mm_counter(mm, MM_FILEPAGES);
}

unsigned int mach_shim_read_stats_begin(struct signal_struct *signal)
{
	return read_seqbegin(&signal->stats_lock);
}

bool mach_shim_read_stats_retry(struct signal_struct *signal, unsigned int sequence)
{
	return read_seqretry(&signal->stats_lock, sequence);
}

unsigned int mach_shim_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}

unsigned int mach_shim_num_possible_cpus(void)
{
	return num_possible_cpus();
}

unsigned int mach_shim_num_online_cpus(void)
{
	return num_online_cpus();
}

bool mach_shim_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

unsigned int mach_shim_first_sibling(unsigned int cpu)
{
	return cpumask_first(topology_sibling_cpumask(cpu));
}

unsigned long mach_shim_global_node_page_state(unsigned int item)
{
	return global_node_page_state(item);
}

unsigned long mach_shim_load_average(unsigned int index)
{
	return READ_ONCE(avenrun[index]);
}

u64 mach_shim_cpu_time(unsigned int cpu, unsigned int item)
{
	return kcpustat_cpu(cpu).cpustat[item];
}

int mach_shim_get_user_u32(u32 *to, unsigned long from)
{
	return should_fail_usercopy() ? -EFAULT : get_user(*to, (u32 __user *)from);
}

int mach_shim_get_user_u64(u64 *to, unsigned long from)
{
	return should_fail_usercopy() ? -EFAULT : get_user(*to, (u64 __user *)from);
}

/*
 * Copies a multiple of 4 bytes, at least 8 and at most 64. A loop over so few costs
 * more than the copies.
 */
int mach_shim_get_user_words(void *to, unsigned long from, unsigned int size)
{
	const void __user *source = (const void __user *)from;
	u64 word;
	u32 half;

#define COPY_WORD(i) \
	do { \
		unsafe_get_user(word, (const u64 __user *)source + (i), fault); \
		put_unaligned(word, (u64 *)to + (i)); \
	} while (0)

	might_fault();
	if (should_fail_usercopy() || !user_read_access_begin(source, size))
		return -EFAULT;
	switch (size / sizeof(word)) {
	case 8:
		COPY_WORD(7);
		fallthrough;
	case 7:
		COPY_WORD(6);
		fallthrough;
	case 6:
		COPY_WORD(5);
		fallthrough;
	case 5:
		COPY_WORD(4);
		fallthrough;
	case 4:
		COPY_WORD(3);
		fallthrough;
	case 3:
		COPY_WORD(2);
		fallthrough;
	case 2:
		COPY_WORD(1);
		fallthrough;
	case 1:
		COPY_WORD(0);
		break;
	default:
		goto fault;
	}
	if (size % sizeof(word)) {
		unsafe_get_user(half, (const u32 __user *)(source + size - sizeof(half)), fault);
		put_unaligned(half, (u32 *)(to + size - sizeof(half)));
	}
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

/* The other way. */
int mach_shim_put_user_words(unsigned long to, const void *from, unsigned int words)
{
	u64 __user *target = (u64 __user *)to;

#define PUT_WORD(i) \
	do { \
		unsafe_put_user(get_unaligned((const u64 *)from + (i)), target + (i), \
				fault); \
	} while (0)

	might_fault();
	if (should_fail_usercopy() || !user_write_access_begin(target, words * sizeof(u64)))
		return -EFAULT;
	switch (words) {
	case 6:
		PUT_WORD(5);
		fallthrough;
	case 5:
		PUT_WORD(4);
		fallthrough;
	case 4:
		PUT_WORD(3);
		fallthrough;
	case 3:
		PUT_WORD(2);
		fallthrough;
	case 2:
		PUT_WORD(1);
		fallthrough;
	case 1:
		PUT_WORD(0);
		break;
	default:
		goto fault;
	}
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

pid_t mach_shim_current_tgid_vnr(void)
{
	return task_tgid_vnr(current);
}

uid_t mach_shim_current_uid_munged(void)
{
	return from_kuid_munged(current_user_ns(), current_uid());
}

void mach_shim_pr_debug_refused(const char *path, const char *reason)
{
	pr_debug("%s is not executed: %s\n", path, reason);
}

void mach_shim_set_active_memcg(struct mem_cgroup *memcg)
{
	set_active_memcg(memcg);
}

void mach_shim_mem_cgroup_put(struct mem_cgroup *memcg)
{
	mem_cgroup_put(memcg);
}

bool mach_shim_locks_future_mappings(struct mm_struct *mm)
{
	return READ_ONCE(mm->def_flags) & VM_LOCKED;
}

struct file *mach_shim_shmem_file(const char *name, loff_t size)
{
	return shmem_kernel_file_setup(name, size, EMPTY_VMA_FLAGS);
}

bool mach_shim_file_is_regular(struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode);
}

bool mach_shim_page_is_anonymous(struct page *page)
{
	return folio_test_anon(page_folio(page));
}

bool mach_shim_page_is_dirty(struct page *page)
{
	return folio_test_dirty(page_folio(page));
}

bool mach_shim_page_is_referenced(struct page *page)
{
	return folio_test_referenced(page_folio(page));
}

long mach_shim_add_pinned(struct mm_struct *mm, long pages)
{
	return atomic64_add_return(pages, &mm->pinned_vm);
}

unsigned long mach_shim_page_to_pfn(struct page *page)
{
	return page_to_pfn(page);
}

unsigned long mach_shim_rlimit(unsigned int limit)
{
	return rlimit(limit);
}
