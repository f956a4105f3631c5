/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What makes the CPUs of a Linux guest need each other: forks, threads that wake each other from
 * CPU to CPU, membarrier's interrupts, and pages that are replaced under the eyes of all CPUs. Each
 * checks its own data, so that a wake-up, an interrupt or a TLB flush that is lost is seen. Says
 * all the time how often each has been round; ends when the file /stop is there, with "ok", or what
 * was wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUS  4
#define PAGES 16
#define PAGE  4096

/* Shared by all processes. */
static struct {
	atomic_ulong forks, wakes, pages, barriers;
	atomic_bool stop;
	char wrong[128];
} * shared;

static void wrong(const char *what, unsigned long is, unsigned long expected)
{
	snprintf(shared->wrong, sizeof(shared->wrong), "%s: %lu, not %lu", what, is, expected);
	shared->stop = true;
}

static void go_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		wrong("sched_setaffinity", (unsigned long)errno, 0);
	if ((unsigned)sched_getcpu() != cpu)
		wrong("on CPU", (unsigned long)sched_getcpu(), cpu);
}

/* Children that end with a number of their own, on all CPUs. */
static void forks(void)
{
	for (unsigned n = 0; !shared->stop; n++) {
		pid_t child[CPUS];
		int status;

		for (unsigned i = 0; i < CPUS; i++) {
			child[i] = fork();
			if (!child[i]) {
				go_to((n + i) % CPUS);
				_exit((n + i) & 0x7f);
			}
		}
		for (unsigned i = 0; i < CPUS; i++) {
			if (child[i] < 0 || waitpid(child[i], &status, 0) != child[i])
				wrong("fork", (unsigned long)errno, 0);
			else if (!WIFEXITED(status) ||
				 (unsigned)WEXITSTATUS(status) != ((n + i) & 0x7f))
				wrong("exit status", (unsigned long)status, (n + i) & 0x7f);
		}
		shared->forks++;
	}
}

static void futex(atomic_uint *word, int op, unsigned value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* A token that goes round the CPUs. */
static atomic_uint turn;

static void *pass_on(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg, now;

	go_to(cpu);
	while (!shared->stop) {
		now = turn;
		if (now % CPUS != cpu) {
			futex(&turn, FUTEX_WAIT_PRIVATE, now);
			continue;
		}
		atomic_store(&turn, now + 1);
		futex(&turn, FUTEX_WAKE_PRIVATE, CPUS);
		shared->wakes++;
	}
	atomic_fetch_add(&turn, 1);
	futex(&turn, FUTEX_WAKE_PRIVATE, CPUS);
	return NULL;
}

/* Pages that all have seen are replaced by others at their place: nobody sees the old ones any
 * more. */
static pthread_barrier_t barrier;
static volatile unsigned long *window;

static void replace(unsigned long round)
{
	if (mmap((void *)window, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		wrong("mmap", (unsigned long)errno, 0);
	for (unsigned i = 0; i < PAGES; i++)
		window[i * PAGE / sizeof(*window)] = round + i;
}

static void *look(void *arg)
{
	static bool leave; /* all in the same round */
	unsigned cpu = (unsigned)(uintptr_t)arg;

	go_to(cpu);
	for (unsigned long round = 1; !leave; round++) {
		if (cpu == round % CPUS)
			replace(round);
		pthread_barrier_wait(&barrier);
		for (unsigned i = 0; i < PAGES; i++) {
			unsigned long is = window[i * PAGE / sizeof(*window)];

			if (is != round + i)
				wrong("page", is, round + i);
		}
		if (!cpu) {
			shared->pages++;
			leave = shared->stop;
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Interrupts to all CPUs that run this process; what was written before is seen after. */
static atomic_ulong said;

static void *listen_to(void *arg)
{
	unsigned long last = 0, now;

	go_to((unsigned)(uintptr_t)arg);
	while (!shared->stop) {
		now = atomic_load_explicit(&said, memory_order_relaxed);
		if (now < last)
			wrong("said", now, last);
		last = now;
		sched_yield();
	}
	return NULL;
}

static void *speak(void *arg)
{
	(void)arg;
	for (unsigned n = 0; !shared->stop; n++) {
		if (n % 64 == 0)
			go_to(n / 64 % CPUS);
		atomic_fetch_add_explicit(&said, 1, memory_order_relaxed);
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			wrong("membarrier", (unsigned long)errno, 0);
		shared->barriers++;
	}
	return NULL;
}

static void threads(void *(*function)(void *), void *(*first)(void *))
{
	pthread_t thread[CPUS];

	for (uintptr_t i = 0; i < CPUS; i++)
		if (pthread_create(&thread[i], NULL, i ? function : first, (void *)i)) {
			wrong("pthread_create", (unsigned long)errno, 0);
			_exit(1);
		}
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(thread[i], NULL);
}

static void wakes(void)
{
	threads(pass_on, pass_on);
}

static void pages(void)
{
	window = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	pthread_barrier_init(&barrier, NULL, CPUS);
	threads(look, look);
}

static void barriers(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		wrong("membarrier", (unsigned long)errno, 0);
	threads(listen_to, speak);
}

static void say(const char *how)
{
	printf("stress: forks %lu wakes %lu pages %lu barriers %lu, %s\n", shared->forks,
	       shared->wakes, shared->pages, shared->barriers, how);
	fflush(stdout);
}

int main(void)
{
	static void (*const kinds[])(void) = {forks, wakes, pages, barriers};
	int status;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!fork()) {
			kinds[i]();
			_exit(0);
		}
	while (!shared->stop && access("/stop", F_OK)) {
		usleep(500000);
		say("going on");
	}
	shared->stop = true;
	while (wait(&status) > 0)
		if (status && !*shared->wrong)
			wrong("status of a child", (unsigned long)status, 0);
	say(*shared->wrong ? shared->wrong : "ok");
	return *shared->wrong != 0;
}
