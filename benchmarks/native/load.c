/* A closed-loop HTTP/1.1 client that is never the bottleneck: one thread, epoll, keep-alive.
 *
 * usage: load run  PORT CONNECTIONS SECONDS BODY_FILE PATH [HEADER ...]
 *        load once PORT CONNECTIONS SECONDS BODY_FILE PATH [HEADER ...]
 *        load hold PORT CONNECTIONS SECONDS BODY_FILE PATH [HEADER ...]
 *
 * run:  every connection sends its next request when the last one is answered; after SECONDS no
 *       new one begins and those in flight are waited for (30 s at most). One JSON line.
 * once: the same with one request a connection; SECONDS is how long to wait.
 * hold: opens streams, at most 32 unanswered at a time, says how many have brought a first byte
 *       (within SECONDS), keeps them until standard input closes.
 *
 * Times are from before the send: to the first byte of the answer's body, and to its last.
 *
 * Where the body holds MARK, every request has other words there: as many, each one token of a
 * usual vocabulary, so that no router has seen the text before and none is longer than another.
 * `by_preference` counts the answers that say in x-plano-decision that routes in words decided.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define DRAIN_NS 30000000000LL
#define MARK "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@" /* five words and the spaces between them */
#define WORDS 5
#define WORD 6
#define TEXTS (1u << 25) /* 32 words in five places */
#define TEXTS_A_SECOND 20000 /* one run begins so many after another: neither repeats what the other sent */

enum framing { HEAD, SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, TO_CLOSE };

struct conn {
    int fd, busy, watching_out, closes, status;
    enum framing framing;
    int64_t began, first;
    size_t sent, head_length;
    uint64_t left;
    uint32_t text;
    int digits, line;
    char previous;
    char head[HEAD_MAX];
};

struct samples { uint32_t *at; size_t count, room; };

static int poller, open_count;
static char scratch[256 * 1024], *request, *marked;
static uint32_t texts;
static size_t request_length;
static struct sockaddr_in target;
static struct samples whole, first;
static uint64_t requests, errors, events, reconnects, bytes, by_preference;
static int64_t last_done;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sample(struct samples *s, int64_t ns) {
    if (s->count == s->room) s->at = realloc(s->at, (s->room = s->room * 2 + 4096) * sizeof *s->at);
    int64_t tenths = ns / 100; /* of a microsecond: 32 bits hold seven minutes */
    s->at[s->count++] = tenths > UINT32_MAX ? UINT32_MAX : (uint32_t)tenths;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(struct samples *s, double share) {
    if (!s->count) return 0;
    size_t index = (size_t)(share * (double)(s->count - 1) + 0.5);
    return s->at[index] / 10.0;
}

static int watch(struct conn *c, int out) {
    if (c->watching_out == out) return 0;
    c->watching_out = out;
    struct epoll_event e = {EPOLLIN | (out ? EPOLLOUT : 0u), {.ptr = c}};
    return epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

static int connect_to(struct conn *c) {
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&target, sizeof target)) return close(c->fd), -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->watching_out = 0;
    struct epoll_event e = {EPOLLIN, {.ptr = c}};
    open_count++;
    return epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

/* The words of one request; written before each of its pushes, since all share the buffer. */
static void write_words(uint32_t text) {
    static const char words[32][WORD + 1] = {
        "answer", "doctor", "window", "letter", "budget", "garden", "server", "winter", "market", "number", "report",
        "island", "engine", "lawyer", "coffee", "bridge", "energy", "salary", "ticket", "flower", "signal", "camera",
        "planet", "summer", "silver", "castle", "finger", "school", "animal", "travel", "method", "office"};
    uint32_t mixed = text * 0x9E3779B1u % TEXTS; /* an odd factor: every number has words of its own */
    for (int i = 0; i < WORDS; i++, mixed /= 32) {
        memcpy(marked + i * (WORD + 1), words[mixed % 32], WORD);
        if (i) marked[i * (WORD + 1) - 1] = ' ';
    }
}

static int push(struct conn *c) {
    if (marked) write_words(c->text);
    while (c->sent < request_length) {
        ssize_t n = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN ? watch(c, 1) : -1;
        c->sent += (size_t)n;
    }
    return watch(c, 0);
}

static int begin(struct conn *c) {
    c->busy = 1, c->sent = 0, c->framing = HEAD, c->head_length = 0, c->first = 0, c->closes = 0, c->previous = 0;
    c->text = texts++;
    c->began = now_ns();
    return push(c);
}

/* The answer is complete. */
static void done(struct conn *c) {
    c->busy = 0;
    last_done = now_ns();
    if (c->status != 200) {
        errors++;
        return;
    }
    requests++;
    sample(&whole, last_done - c->began);
    sample(&first, (c->first ? c->first : last_done) - c->began);
}

static void seen(struct conn *c, const char *data, size_t length) {
    if (!c->first) c->first = now_ns();
    bytes += length;
    if (length > 65536) return; /* event streams come in small pieces; do not scan large bodies */
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n' && c->previous == '\n') events++;
        c->previous = data[i];
    }
}

static int read_head(struct conn *c) {
    char *end = memmem(c->head, c->head_length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    c->status = c->head_length > 12 ? atoi(c->head + 9) : 0;
    const char *sized = strcasestr(c->head, "\r\ncontent-length:");
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    if (marked && strcasestr(c->head, "\r\nx-plano-decision: preference")) by_preference++;
    if (strcasestr(c->head, "\r\ntransfer-encoding:")) c->framing = CHUNK_SIZE, c->left = 0, c->digits = 0;
    else if (sized) c->framing = SIZED, c->left = (uint64_t)atoll(sized + 17);
    else c->framing = TO_CLOSE;
    return (int)(end + 4 - c->head);
}

static int hex(char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    letter |= 32;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* One step of the answer's body; how many bytes it used, or -1. Ends the exchange by `done`. */
static ssize_t step(struct conn *c, const char *data, size_t length) {
    size_t some = length < c->left ? length : c->left;
    switch (c->framing) {
    case TO_CLOSE:
        seen(c, data, length);
        return (ssize_t)length;
    case SIZED:
        seen(c, data, some);
        if (!(c->left -= some)) done(c);
        return (ssize_t)some;
    case CHUNK_SIZE:
        if (*data == '\n') c->framing = c->left ? CHUNK_DATA : TRAILER, c->digits = 0, c->line = 0;
        else if (hex(*data) >= 0 && !c->digits) c->left = c->left * 16 + (uint64_t)hex(*data);
        else c->digits = 1; /* the rest of the line is an extension or the CR */
        return 1;
    case CHUNK_DATA:
        seen(c, data, some);
        if (!(c->left -= some)) c->framing = CHUNK_END;
        return (ssize_t)some;
    case CHUNK_END:
        if (*data == '\n') c->framing = CHUNK_SIZE, c->left = 0;
        return 1;
    case TRAILER:
        if (*data == '\n') {
            if (!c->line) done(c);
            c->line = 0;
        } else if (*data != '\r') c->line = 1;
        return 1;
    default:
        return -1;
    }
}

static int take(struct conn *c, const char *data, size_t length) {
    while (length) {
        if (!c->busy) return -1;
        if (c->framing == HEAD) {
            size_t before = c->head_length, room = HEAD_MAX - 1 - before, some = length < room ? length : room;
            memcpy(c->head + before, data, some);
            c->head[c->head_length += some] = 0;
            int head = read_head(c);
            if (head == 0 && some == room) return -1;
            size_t used = head ? (size_t)head - before : some;
            data += used, length -= used;
            if (head && c->framing == SIZED && !c->left) done(c);
        } else {
            ssize_t used = step(c, data, length);
            if (used < 0) return -1;
            data += used, length -= (size_t)used;
        }
    }
    return 0;
}

/* The connection ended: was that the answer's end? */
static void ended(struct conn *c) {
    close(c->fd);
    open_count--;
    c->fd = -1;
    if (!c->busy) return;
    if (c->framing == TO_CLOSE) done(c);
    else errors++, c->busy = 0;
}

static int ready(struct conn *c, uint32_t what) {
    if (what & EPOLLOUT && push(c) < 0) return -1;
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR))) return 0;
    ssize_t got = recv(c->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN ? 0 : -1;
    return got == 0 ? -1 : take(c, scratch, (size_t)got);
}

static int again(struct conn *c) {
    if (c->fd >= 0 && c->closes) ended(c);
    if (c->fd < 0) {
        reconnects++;
        if (connect_to(c)) return errors++, -1;
    }
    if (begin(c) < 0) ended(c);
    return 0;
}

static void report(int64_t start) {
    double seconds = (double)((last_done ? last_done : now_ns()) - start) / 1e9, sum = 0;
    for (size_t i = 0; i < whole.count; i++) sum += whole.at[i];
    qsort(whole.at, whole.count, sizeof *whole.at, ascending);
    qsort(first.at, first.count, sizeof *first.at, ascending);
    printf("{\"requests\": %lu, \"errors\": %lu, \"reconnects\": %lu, \"events\": %lu, \"bytes\": %lu, \"seconds\": %.6f, "
           "\"mean_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"first_p50_us\": %.1f, \"first_p99_us\": %.1f, "
           "\"by_preference\": %lu}\n",
           requests, errors, reconnects, events, bytes, seconds, whole.count ? sum / 10 / (double)whole.count : 0.0,
           percentile(&whole, 0.5), percentile(&whole, 0.99), percentile(&first, 0.5), percentile(&first, 0.99), by_preference);
}

/* Drives connections until `until`; `repeat` begins the next request on each that is free. */
static void drive(struct conn *all, int count, int64_t until, int repeat) {
    struct epoll_event happened[256];
    int64_t give_up = until + (repeat ? DRAIN_NS : 0);
    for (;;) {
        int64_t now = now_ns();
        int n = epoll_wait(poller, happened, 256, (int)((give_up - now) / 1000000) + 1), busy = 0;
        for (int i = 0; i < n; i++) {
            struct conn *c = happened[i].data.ptr;
            if (ready(c, happened[i].events) < 0) ended(c);
            if (!c->busy && repeat && now < until && again(c) < 0) return;
        }
        if (now < until && repeat) continue;
        for (int i = 0; i < count; i++) busy += all[i].busy;
        if (!busy || now > give_up) {
            errors += (uint64_t)busy;
            return;
        }
    }
}

static void hold(struct conn *all, int count, int64_t until) {
    struct epoll_event happened[256];
    int begun = 0, held = 0;
    while (held < count && now_ns() < until) {
        while (begun < count && begun - held < 32) {
            if (connect_to(&all[begun]) || begin(&all[begun]) < 0) errors++;
            begun++;
        }
        int n = epoll_wait(poller, happened, 256, 50);
        for (int i = 0; i < n; i++) {
            struct conn *c = happened[i].data.ptr;
            int had = c->first != 0;
            if (ready(c, happened[i].events) < 0) ended(c);
            if (!had && c->first && c->status == 200) held++;
        }
    }
    printf("{\"held\": %d}\n", held);
    fflush(stdout);
    while (read(STDIN_FILENO, scratch, sizeof scratch) > 0) {}
    printf("{\"still_open\": %d}\n", open_count);
}

static void write_request(const char *path, const char *file, int count, char **headers) {
    FILE *body = fopen(file, "rb");
    if (!body) perror("load: cannot read the body"), exit(1);
    fseek(body, 0, SEEK_END);
    size_t length = (size_t)ftell(body), at;
    rewind(body);
    request = malloc(length + 16384);
    at = (size_t)sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nUser-Agent: bench/1\r\n",
        path, ntohs(target.sin_port));
    for (int i = 0; i < count; i++) at += (size_t)sprintf(request + at, "%s\r\n", headers[i]);
    at += (size_t)sprintf(request + at, "Content-Length: %zu\r\n\r\n", length);
    request_length = at + fread(request + at, 1, length, body);
    fclose(body);
    marked = memmem(request, request_length, MARK, strlen(MARK));
    texts = (uint32_t)(now_ns() / (1000000000 / TEXTS_A_SECOND));
}

int main(int count, char **words) {
    if (count < 7) return fprintf(stderr, "usage: load run|once|hold PORT CONNECTIONS SECONDS BODY_FILE PATH [HEADER ...]\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int connections = atoi(words[3]);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    write_request(words[6], words[5], count - 7, words + 7);
    poller = epoll_create1(0);
    struct conn *all = calloc((size_t)connections, sizeof *all);
    if (!strcmp(words[1], "hold")) return hold(all, connections, now_ns() + (int64_t)(atof(words[4]) * 1e9)), 0;
    for (int i = 0; i < connections; i++)
        if (connect_to(&all[i])) return perror("load: cannot connect"), 3;
    int64_t start = now_ns();
    for (int i = 0; i < connections; i++)
        if (begin(&all[i]) < 0) ended(&all[i]);
    drive(all, connections, start + (int64_t)(atof(words[4]) * 1e9), strcmp(words[1], "once") != 0);
    report(start);
    return 0;
}
