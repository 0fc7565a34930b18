/* Stands in for a VMM: maps its memory as a VMM does, says so, and checks every page when told to. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE 4096ul

static uint8_t *memory;
static uint64_t pages;
static int threads;
static volatile long wrong = -1;

static int has_data(uint64_t page) { return page % 40 < 25 && page % 7 != 3; }

static void expected(uint8_t *bytes, uint64_t page) {
	memset(bytes, 0, PAGE);
	if (!has_data(page))
		return;
	uint64_t state = page * 0x9e3779b97f4a7c15ul | 1;
	for (unsigned word = 0; word < PAGE / 8; word++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(bytes + word * 8, &state, 8);
	}
}

/* One way of looking at a page: from user mode, or by the kernel on our behalf. */
static int differs(uint64_t page, const uint8_t *want, int *ends) {
	uint8_t *at = memory + page * PAGE, seen[PAGE];
	if (page % 5)
		return memcmp(at, want, PAGE);
	if (write(ends[1], at, PAGE) != (ssize_t)PAGE || read(ends[0], seen, PAGE) != (ssize_t)PAGE)
		return 1;
	return memcmp(seen, want, PAGE);
}

static void *check(void *argument) {
	uint64_t own = (uint64_t)argument, page = own * 977 % pages;
	uint8_t want[PAGE];
	int ends[2];
	if (pipe(ends))
		abort();
	/* 7919 is a prime that divides no length used here, so that every page comes once. */
	for (uint64_t turn = 0; turn < pages; turn++, page = (page + 7919) % pages) {
		/* Each eighth page belongs to one thread, which writes it: before or after it read it. */
		int mine = page % 8 == 0 && page / 8 % threads == own;
		if (page % 8 == 0 && !mine)
			continue;
		expected(want, page);
		if (mine && page % 16 == 0) {
			memory[page * PAGE + page % PAGE] = 7;
			want[page % PAGE] = 7;
		}
		if (differs(page, want, ends)) {
			wrong = (long)page;
			break;
		}
		if (mine && page % 16 != 0)
			memset(memory + page * PAGE, 9, PAGE);
	}
	/* Again, for what lies there now. */
	for (page = own; page < pages && wrong < 0; page += threads) {
		if (page % 8 == 0)
			continue;
		expected(want, page);
		if (memcmp(memory + page * PAGE, want, PAGE))
			wrong = (long)page;
	}
	close(ends[0]);
	close(ends[1]);
	return NULL;
}

int main(int count, char **arguments) {
	if (count != 4)
		return 64;
	char path[64], line[64];
	pages = strtoull(arguments[2], NULL, 10) / PAGE;
	threads = atoi(arguments[3]);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	snprintf(path, sizeof path, "/proc/self/fd/%s", arguments[1]);
	int fd = open(path, O_RDWR);
	/* As QEMU does: room first, then the file into it. */
	uint8_t *room = mmap(NULL, (pages + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory = mmap(room, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED) {
		perror("mmap");
		return 65;
	}
	printf("mapped %s%s\n", getenv("THAW_SHIM") ? "told " : "", getenv("LD_PRELOAD") ? "preloaded" : "alone");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		if (!strcmp(line, "check\n")) {
			pthread_t all[16];
			for (long n = 0; n < threads; n++)
				pthread_create(&all[n], NULL, check, (void *)n);
			for (long n = 0; n < threads; n++)
				pthread_join(all[n], NULL);
			printf(wrong < 0 ? "right\n" : "wrong %ld\n", wrong);
		} else if (!strncmp(line, "write ", 6)) {
			uint64_t first = 0, many = 0;
			sscanf(line + 6, "%lu %lu", &first, &many);
			for (uint64_t page = first; page < first + many; page++)
				memset(memory + page * PAGE, (int)(page % 251 + 1), PAGE);
			printf("written\n");
		} else if (!strncmp(line, "sum ", 4)) {
			uint64_t first = 0, many = 0, sum = 14695981039346656037ul;
			sscanf(line + 4, "%lu %lu", &first, &many);
			for (uint64_t at = first * PAGE; at < (first + many) * PAGE; at++)
				sum = (sum ^ memory[at]) * 1099511628211ul;
			printf("%lu\n", sum);
		}
		fflush(stdout);
	}
	return 0;
}
