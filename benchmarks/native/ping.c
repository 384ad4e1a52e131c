/* How long an event loop keeps a ready socket waiting: a datum a millisecond, each with its time.
 *
 * usage: ping PORT SECONDS
 *
 * Sends the time (CLOCK_MONOTONIC, nanoseconds, 8 bytes) every millisecond over one TCP connection,
 * whether or not the last was answered, so that a loop that stands still for 20 ms is late 20 times.
 * The loop answers each with its lateness as it sees it: the way back is in no figure. Waits up to
 * 10 s for the port. One JSON line, times in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVERY_NS 1000000
#define CONNECT_NS 10000000000LL
#define LINGER_NS 1000000000LL

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t at) {
    struct timespec t = {at / 1000000000, at % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int connected(uint16_t port) {
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int64_t give_up = now_ns() + CONNECT_NS; now_ns() < give_up; sleep_until(now_ns() + EVERY_NS)) {
        int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(fd, (struct sockaddr *)&target, sizeof target))
            return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), fd;
        close(fd);
    }
    return -1;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double us(const int64_t *late, size_t count, double share) {
    return count ? (double)late[(size_t)(share * (double)(count - 1) + 0.5)] / 1000 : 0;
}

int main(int count, char **words) {
    if (count != 3) return fprintf(stderr, "usage: ping PORT SECONDS\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    int fd = connected((uint16_t)atoi(words[1]));
    if (fd < 0) return perror("ping: cannot connect"), 3;
    int64_t start = now_ns(), until = start + (int64_t)(atof(words[2]) * 1e9), next = start, give_up = until + LINGER_NS;
    size_t sent = 0, bytes = 0, room = (size_t)((give_up - start) / EVERY_NS + 2) * sizeof(int64_t);
    int64_t *late = malloc(room);
    while (now_ns() < give_up && (next < until || bytes < sent * sizeof *late)) {
        int64_t stamp = now_ns();
        if (stamp < until) {
            if (send(fd, &stamp, sizeof stamp, MSG_NOSIGNAL) != sizeof stamp) break;
            sent++;
        }
        sleep_until(next += EVERY_NS);
        ssize_t got = recv(fd, (char *)late + bytes, room - bytes, MSG_DONTWAIT);
        if (got == 0) break;
        if (got > 0) bytes += (size_t)got;
    }
    size_t answered = bytes / sizeof *late, over = 0;
    qsort(late, answered, sizeof *late, ascending);
    for (size_t i = 0; i < answered; i++) over += late[i] > 5000000;
    printf("{\"sent\": %zu, \"answered\": %zu, \"over_5_ms\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"worst_us\": %.1f}\n",
           sent, answered, over, us(late, answered, 0.5), us(late, answered, 0.99), us(late, answered, 0.999),
           us(late, answered, 1));
    return 0;
}
