/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux system costs, run by its /etc/rc in the bare machine and in a guest. Under `qemu
 * -icount shift=0` the time-stamp counter counts instructions, so that every line `bench NAME
 * VALUE` is instructions for one operation.
 *
 * Where the system waits for a device, a process of the lowest priority counts what is left over;
 * that is subtracted.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint64_t *idle_count;
static double idle_cost;

static uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static void report(const char *name, double value)
{
	printf("bench %s %.1f\n", name, value);
	fflush(stdout);
}

static void sum(void)
{
	uint64_t start = now(), total = 0;
	const uint64_t rounds = 20000000;

	for (uint64_t i = 0; i < rounds; i++)
		__asm__ volatile("add %1, %0" : "+r"(total) : "r"(i));
	report("sum", (double)(now() - start) / (double)rounds);
}

static void getppids(void)
{
	uint64_t start = now();
	const int rounds = 100000;

	for (int i = 0; i < rounds; i++)
		syscall(SYS_getppid);
	report("getppid", (double)(now() - start) / rounds);
}

static void times_of_day(void)
{
	struct timeval tv;
	uint64_t start = now();
	const int rounds = 100000;

	for (int i = 0; i < rounds; i++)
		gettimeofday(&tv, NULL);
	report("gettimeofday", (double)(now() - start) / rounds);
}

static void forks(void)
{
	uint64_t start = now();
	const int rounds = 300;

	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	report("fork+wait", (double)(now() - start) / rounds);
}

static void page_touches(void)
{
	const size_t pages = 4096;
	char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	uint64_t start;

	if (p == MAP_FAILED)
		return;
	madvise(p, pages * 4096, MADV_NOHUGEPAGE);
	start = now();
	for (size_t i = 0; i < pages; i++)
		p[i * 4096] = 1;
	report("page-touch", (double)(now() - start) / (double)pages);
	munmap(p, pages * 4096);
}

/* The process that counts what nobody else needs, and the cost of one count. */
static pid_t start_idle(void)
{
	pid_t pid;
	uint64_t start, count;

	idle_count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (pid == 0) {
		struct sched_param none = {0};

		sched_setscheduler(0, SCHED_IDLE, &none);
		for (;;)
			++*idle_count;
	}
	usleep(100000);
	start = now();
	count = *idle_count;
	usleep(400000);
	idle_cost = (double)(now() - start) / (double)(*idle_count - count);
	return pid;
}

static void block_reads(const char *disk, const char *name, size_t size, int random, int rounds)
{
	int fd = open(disk, O_RDONLY | O_DIRECT);
	off_t bytes = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	uint64_t start, idle, seed = 12345;
	void *buffer;

	if (fd < 0 || posix_memalign(&buffer, 4096, size))
		return;
	if ((off_t)(size * (size_t)rounds) > bytes && !random)
		rounds = (int)(bytes / (off_t)size);
	start = now();
	idle = *idle_count;
	for (int i = 0; i < rounds; i++) {
		off_t at = (off_t)i * (off_t)size;

		if (random) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			at = (off_t)((seed >> 16) % (uint64_t)(bytes / (off_t)size)) * (off_t)size;
		}
		if (pread(fd, buffer, size, at) != (ssize_t)size) {
			printf("bench %s failed\n", name);
			break;
		}
	}
	idle = *idle_count - idle;
	report(name, ((double)(now() - start) - (double)idle * idle_cost) / rounds);
	close(fd);
	free(buffer);
}

/* What a shell command costs, for as much as it moves. */
static void command(const char *name, const char *line)
{
	uint64_t start = now(), idle = *idle_count;

	if (system(line)) {
		printf("bench %s failed\n", name);
		return;
	}
	idle = *idle_count - idle;
	report(name, (double)(now() - start) - (double)idle * idle_cost);
}

int main(int argc, char *argv[])
{
	const char *disk;
	pid_t idle;

	report("init", (double)now());
	sum();
	getppids();
	times_of_day();
	forks();
	page_touches();
	idle = start_idle();
	disk = access("/dev/vda", R_OK) ? "/dev/nvme0n1p1" : "/dev/vda";
	if (!access(disk, R_OK)) {
		block_reads(disk, "block-4k", 4096, 1, 400);
		block_reads(disk, "block-64k", 65536, 0, 100);
		block_reads(disk, "block-1m", 1 << 20, 0, 24);
	}
	if (argc > 1) {
		char line[300];

		snprintf(line, sizeof(line), "wget -q -O /dev/null %s/down", argv[1]);
		command("tcp-in", line);
		snprintf(line, sizeof(line), "wget -q -O /dev/null --post-file=/run/big %s/up",
			 argv[1]);
		if (!system("dd if=/dev/zero of=/run/big bs=1M count=4 2>/dev/null"))
			command("tcp-out", line);
	}
	kill(idle, SIGKILL);
	puts("bench done");
	return 0;
}
