/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux system costs, run by its /etc/rc in the bare machine and in a guest. Under `qemu
 * -icount shift=0` the time-stamp counter counts instructions, so that every line `bench NAME
 * VALUE` is instructions for one operation.
 *
 * Where the system waits for a device, a process of the lowest priority counts what is left over;
 * that is subtracted. The same is done again without that process, so that the system sleeps,
 * between marks for the plugin that counts executed instructions (count.c): each pair of marks has
 * a line `counted NAME ROUNDS`, in their order.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
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

#include "mark.h"

#define STRING(x) #x
#define NUMBER(x) STRING(x)

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

static inline void mark_begin(void)
{
	__asm__ volatile("nopl " NUMBER(MARK_BEGIN) "(%%rax)" ::: "memory");
}

static inline void mark_end(void)
{
	__asm__ volatile("nopl " NUMBER(MARK_END) "(%%rax)" ::: "memory");
}

/* Behind the end of what was marked. */
static void counted(const char *name, int rounds)
{
	printf("counted %s %d\n", name, rounds);
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

/* Reads or writes of a disk: random ones, or one after the other. */
struct transfer {
	const char *name;
	size_t size;
	int random, write, rounds;
};

static const struct transfer transfers[] = {
	{"block-4k", 4096, 1, 0, 400},
	{"block-64k", 65536, 0, 0, 100},
	{"block-1m", 1 << 20, 0, 0, 24},
	{"block-write-4k", 4096, 1, 1, 400},
};

static void transfer(const struct transfer *t, int fd, void *buffer)
{
	uint64_t units = (uint64_t)lseek(fd, 0, SEEK_END) / t->size, seed = 12345, at;
	ssize_t done;

	for (int i = 0; i < t->rounds && units; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		at = (t->random ? seed >> 16 : (uint64_t)i) % units * t->size;
		done = t->write ? pwrite(fd, buffer, t->size, (off_t)at)
				: pread(fd, buffer, t->size, (off_t)at);
		if (done != (ssize_t)t->size) {
			printf("bench %s failed\n", t->name);
			return;
		}
	}
}

static void timed_transfer(const struct transfer *t, int fd, void *buffer)
{
	uint64_t start = now(), idle = *idle_count;

	transfer(t, fd, buffer);
	idle = *idle_count - idle;
	report(t->name, ((double)(now() - start) - (double)idle * idle_cost) / t->rounds);
}

static void marked_transfer(const struct transfer *t, int fd, void *buffer)
{
	mark_begin();
	transfer(t, fd, buffer);
	mark_end();
	counted(t->name, t->rounds);
}

#define DEEP_NAME   "block-64k-deep"
#define DEEP_BYTES  65536u
#define DEEP_AT_ONE 32u
#define DEEP_ROUNDS 320u

/* Sequential reads, DEEP_AT_ONE of them at a time; each that ends is followed by another one. */
static void deep_reads(int fd, void *buffer)
{
	static struct iocb request[DEEP_AT_ONE];
	static struct io_event ended[DEEP_AT_ONE];
	unsigned sent = 0, done = 0, next = 0;
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, DEEP_AT_ONE, &context))
		return;
	while (done < DEEP_ROUNDS) {
		long got;

		for (; sent < DEEP_ROUNDS && sent - done < DEEP_AT_ONE; sent++) {
			struct iocb *r = &request[next++ % DEEP_AT_ONE];

			*r = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
					   .aio_fildes = (uint32_t)fd,
					   .aio_buf = (uintptr_t)buffer,
					   .aio_nbytes = DEEP_BYTES,
					   .aio_offset = sent * DEEP_BYTES};
			if (syscall(SYS_io_submit, context, 1, &r) != 1)
				printf("bench %s failed\n", DEEP_NAME);
		}
		got = syscall(SYS_io_getevents, context, 1, DEEP_AT_ONE, ended, NULL);
		for (long i = 0; i < got; i++)
			if (ended[i].res != DEEP_BYTES)
				printf("bench %s failed\n", DEEP_NAME);
		done += got > 0 ? (unsigned)got : DEEP_ROUNDS;
	}
	syscall(SYS_io_destroy, context);
}

static void marked_deep_reads(int fd, void *buffer)
{
	deep_reads(fd, buffer); /* once for what is made at the first time */
	mark_begin();
	deep_reads(fd, buffer);
	mark_end();
	counted(DEEP_NAME, DEEP_ROUNDS);
}

static void transfer_all(void (*how)(const struct transfer *t, int fd, void *buffer))
{
	const char *disk = access("/dev/vda", R_OK) ? "/dev/nvme0n1p1" : "/dev/vda";
	int fd = open(disk, O_RDWR | O_DIRECT);
	void *buffer;

	if (fd < 0)
		return;
	if (!posix_memalign(&buffer, 4096, 1 << 20)) {
		memset(buffer, 0, 1 << 20);
		for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++)
			how(&transfers[i], fd, buffer);
		if (how == marked_transfer)
			marked_deep_reads(fd, buffer);
		free(buffer);
	}
	close(fd);
}

static void timed_command(const char *name, const char *line)
{
	uint64_t start = now(), idle = *idle_count;

	if (system(line)) {
		printf("bench %s failed\n", name);
		return;
	}
	idle = *idle_count - idle;
	report(name, (double)(now() - start) - (double)idle * idle_cost);
}

static void marked_command(const char *name, const char *line)
{
	mark_begin();
	if (system(line))
		printf("bench %s failed\n", name);
	mark_end();
	counted(name, 1);
}

/* What a shell command costs, for as much as it moves. */
static void command_all(const char *url, void (*how)(const char *name, const char *line))
{
	char line[300];

	snprintf(line, sizeof(line), "wget -q -O /dev/null %s/down", url);
	how("tcp-in", line);
	snprintf(line, sizeof(line), "wget -q -O /dev/null --post-file=/run/big %s/up", url);
	how("tcp-out", line);
}

#define ECHO_ROUNDS 200
#define ECHO_WARM   8

/* Returns a socket for the UDP port with the number of a URL's TCP port; below 0: none. */
static int echo_socket(const char *url)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = 5};
	unsigned port;
	char host[64];
	int fd;

	if (sscanf(url, "http://%63[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return -1;
	to.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
			connect(fd, (struct sockaddr *)&to, sizeof(to)))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int echoes(int fd, int rounds)
{
	char byte = 'x';

	for (int i = 0; i < rounds; i++)
		if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
			return 0;
	return 1;
}

/* One byte to a server of the host that sends it back, one after the other. */
static void marked_echoes(const char *url)
{
	int fd = echo_socket(url);

	if (fd < 0)
		return;
	if (!echoes(fd, ECHO_WARM))
		printf("bench udp-echo failed\n");
	mark_begin();
	if (!echoes(fd, ECHO_ROUNDS))
		printf("bench udp-echo failed\n");
	mark_end();
	counted("udp-echo", ECHO_ROUNDS);
	close(fd);
}

int main(int argc, char *argv[])
{
	int network;
	pid_t idle;

	report("init", (double)now());
	mark_end();
	counted("init", 1);
	/* wget takes what it posts for text, which a byte of 0 would end. */
	network = argc > 1 &&
		  !system("dd if=/dev/zero bs=1M count=4 2>/dev/null | tr '\\000' x > /run/big");
	sum();
	getppids();
	times_of_day();
	forks();
	page_touches();
	usleep(500000); /* idle CPUs zero memory for a while */
	transfer_all(marked_transfer);
	if (network) {
		command_all(argv[1], marked_command);
		marked_echoes(argv[1]);
	}
	idle = start_idle();
	transfer_all(timed_transfer);
	if (network)
		command_all(argv[1], timed_command);
	kill(idle, SIGKILL);
	puts("bench done");
	return 0;
}
