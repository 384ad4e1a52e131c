/* A scripted chat-completions upstream that is never the bottleneck: one thread, epoll, no JSON.
 *
 * Every POST gets a canned completion; with `"stream":true` in its body, a server-sent stream in
 * chunked encoding. How it behaves is written in the prompt, because that is the one part of a
 * request which every gateway hands on whatever it does to paths and headers:
 *
 *     bench(chunks=50,every_us=20000,wait_us=0,idle=0)
 *
 * chunks: events before [DONE]; every_us: pause between two events; wait_us: pause before the
 * answer begins; idle=1: one event, then silence until the client leaves. Every GET gets a list
 * of models, which is what peers ask for when they look whether an upstream lives.
 *
 * usage: upstream PORT      exits when its standard input closes
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384 /* what gateways add to a request is far below */
#define EDGE 4096      /* flags are looked for in the first and the last bytes of a body */

enum phase { READ_HEAD, READ_BODY, WAITING, STREAMING, IDLE };

struct conn {
    int fd;
    int slot; /* place in `timed`, or -1 */
    enum phase phase;
    int chunked, streamed, idle;
    long chunks_left;
    int64_t every_ns, wait_ns, due;
    size_t head_length, body_read, body_total, first_length, last_length, out_sent, out_length;
    char *out;
    char head[HEAD_MAX], first[EDGE + 1], last[EDGE + 1];
};

static int poller, timer, armed;
static char scratch[256 * 1024];
static char reply[4096], list[1024], opening[512], event[512], closing[1024];
static size_t reply_length, list_length, opening_length, event_length, closing_length;
static struct conn **timed;
static int timed_count, timed_room;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t framed(char *into, size_t room, const char *data) {
    return (size_t)snprintf(into, room, "%zx\r\n%s\r\n", strlen(data), data);
}

static void script(void) {
    char body[2048], text[600];
    memset(text, 'w', sizeof text);
    for (size_t at = 7; at < sizeof text; at += 8) text[at] = ' ';
    text[sizeof text - 1] = 0;
    int length = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":75,\"total_tokens\":195},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}", text);
    reply_length = (size_t)snprintf(reply, sizeof reply,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "x-request-id: req_bench\r\nopenai-processing-ms: 1\r\n\r\n%s", length, body);
    length = snprintf(body, sizeof body,
        "{\"object\":\"list\",\"status\":\"ok\",\"version\":\"0.9.0\",\"data\":[{\"id\":\"gpt-4o-mini\","
        "\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"vllm\"}]}");
    list_length = (size_t)snprintf(list, sizeof list,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, body);
    opening_length = (size_t)snprintf(opening, sizeof opening,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        "x-request-id: req_bench\r\n\r\n");
#define CHUNK "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":"
    event_length = framed(event, sizeof event, CHUNK "{\"content\":\" words\"},\"finish_reason\":null}]}\n\n");
    closing_length = framed(closing, sizeof closing, CHUNK "{},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":75,\"total_tokens\":195}}\n\n");
    closing_length += framed(closing + closing_length, sizeof closing - closing_length, "data: [DONE]\n\n");
    closing_length += framed(closing + closing_length, sizeof closing - closing_length, "");
}

static void forget_time(struct conn *c) {
    if (c->slot < 0) return;
    timed[c->slot] = timed[--timed_count];
    timed[c->slot]->slot = c->slot;
    c->slot = -1;
}

static void at_time(struct conn *c, int64_t due) {
    c->due = due;
    if (c->slot >= 0) return;
    if (timed_count == timed_room) timed = realloc(timed, (size_t)(timed_room = timed_room * 2 + 64) * sizeof *timed);
    timed[c->slot = timed_count++] = c;
}

static void drop(struct conn *c) {
    forget_time(c);
    close(c->fd);
    free(c->out);
    free(c);
}

/* Sends, keeping what the socket does not take; -1 when the client is gone. */
static int put(struct conn *c, const char *data, size_t length) {
    ssize_t sent = 0;
    if (!c->out_length) {
        sent = send(c->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return -1;
            sent = 0;
        }
        if ((size_t)sent == length) return 0;
    }
    size_t rest = length - (size_t)sent, held = c->out_length - c->out_sent;
    char *out = malloc(held + rest);
    if (held) memcpy(out, c->out + c->out_sent, held);
    memcpy(out + held, data + sent, rest);
    free(c->out);
    c->out = out, c->out_sent = 0, c->out_length = held + rest;
    struct epoll_event e = {EPOLLIN | EPOLLOUT, {.ptr = c}};
    return epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

static int flush(struct conn *c) {
    ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    if ((c->out_sent += (size_t)sent) < c->out_length) return 0;
    free(c->out);
    c->out = NULL, c->out_sent = c->out_length = 0;
    struct epoll_event e = {EPOLLIN, {.ptr = c}};
    return epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

static int next_event(struct conn *c) {
    if (--c->chunks_left > 0) {
        at_time(c, c->due + c->every_ns);
        return put(c, event, event_length);
    }
    forget_time(c);
    c->phase = READ_HEAD;
    return put(c, closing, closing_length);
}

static int answer(struct conn *c) {
    char both[sizeof opening + sizeof event];
    if (!c->streamed) {
        forget_time(c);
        c->phase = READ_HEAD;
        return put(c, reply, reply_length);
    }
    memcpy(both, opening, opening_length);
    memcpy(both + opening_length, event, event_length);
    if (put(c, both, opening_length + event_length) < 0) return -1;
    if (c->idle) {
        forget_time(c);
        c->phase = IDLE;
        return 0;
    }
    c->phase = STREAMING;
    if (c->every_ns) {
        at_time(c, now_ns() + c->every_ns);
        return 0;
    }
    while (c->phase == STREAMING)
        if (next_event(c) < 0) return -1;
    return 0;
}

static long option(const char *text, const char *name, long otherwise) {
    const char *found = strstr(text, name);
    return found ? atol(found + strlen(name)) : otherwise;
}

static void read_flags(struct conn *c, char *edge, size_t length) {
    edge[length] = 0;
    if (memmem(edge, length, "\"stream\":true", 13) || memmem(edge, length, "\"stream\": true", 14)) c->streamed = 1;
    char *marked = memmem(edge, length, "bench(", 6);
    if (!marked) return;
    char *end = strchr(marked, ')');
    if (end) *end = 0;
    c->chunks_left = option(marked, "chunks=", c->chunks_left);
    c->every_ns = option(marked, "every_us=", 0) * 1000;
    c->wait_ns = option(marked, "wait_us=", 0) * 1000;
    c->idle = (int)option(marked, "idle=", 0);
    if (end) *end = ')';
}

static int whole_request(struct conn *c) {
    c->streamed = c->idle = 0, c->every_ns = c->wait_ns = 0, c->chunks_left = 8;
    if (strncmp(c->head, "GET ", 4) == 0 || strncmp(c->head, "HEAD ", 5) == 0) {
        c->phase = READ_HEAD, c->head_length = 0;
        return put(c, list, list_length);
    }
    read_flags(c, c->first, c->first_length);
    if (c->body_read > EDGE) read_flags(c, c->last, c->last_length);
    c->head_length = 0;
    if (!c->wait_ns) return answer(c);
    c->phase = WAITING;
    at_time(c, now_ns() + c->wait_ns);
    return 0;
}

static int take_body(struct conn *c, const char *data, size_t length) {
    size_t room = EDGE - c->first_length, first = length < room ? length : room;
    memcpy(c->first + c->first_length, data, first);
    c->first_length += first;
    if (length >= EDGE) {
        memcpy(c->last, data + length - EDGE, EDGE);
        c->last_length = EDGE;
    } else {
        size_t keep = c->last_length + length > EDGE ? EDGE - length : c->last_length;
        memmove(c->last, c->last + c->last_length - keep, keep);
        memcpy(c->last + keep, data, length);
        c->last_length = keep + length;
    }
    c->body_read += length;
    if (c->chunked)
        return c->last_length >= 5 && !memcmp(c->last + c->last_length - 5, "0\r\n\r\n", 5) ? whole_request(c) : 0;
    if (c->body_read > c->body_total) return -1; /* nobody here pipelines towards an upstream */
    return c->body_read == c->body_total ? whole_request(c) : 0;
}

static int take_head(struct conn *c, const char *data, size_t length) {
    if (c->head_length + length > HEAD_MAX - 1) {
        length = length > HEAD_MAX - 1 - c->head_length ? HEAD_MAX - 1 - c->head_length : length;
    }
    size_t before = c->head_length;
    memcpy(c->head + before, data, length);
    c->head_length += length;
    c->head[c->head_length] = 0;
    char *end = memmem(c->head, c->head_length, "\r\n\r\n", 4);
    if (!end) return c->head_length == HEAD_MAX - 1 ? -1 : (int)length;
    size_t head = (size_t)(end + 4 - c->head);
    *end = 0;
    const char *sized = strcasestr(c->head, "\r\ncontent-length:");
    c->body_total = sized ? (size_t)atoll(sized + 17) : 0;
    c->chunked = strcasestr(c->head, "\r\ntransfer-encoding:") != NULL;
    c->body_read = c->first_length = c->last_length = 0;
    c->phase = READ_BODY;
    return (int)(head - before);
}

static int take(struct conn *c, const char *data, size_t length) {
    while (length) {
        if (c->phase == READ_HEAD) {
            int used = take_head(c, data, length);
            if (used < 0) return -1;
            data += used, length -= (size_t)used;
            if (c->phase == READ_BODY && !c->body_total && !c->chunked && whole_request(c) < 0) return -1;
        } else if (c->phase == READ_BODY) {
            return take_body(c, data, length);
        } else {
            return -1;
        }
    }
    return 0;
}

static int ready(struct conn *c, uint32_t events) {
    if (events & EPOLLOUT && flush(c) < 0) return -1;
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return 0;
    ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
    if (got < 0) return errno == EAGAIN ? 0 : -1;
    return got == 0 ? -1 : take(c, scratch, (size_t)got);
}

static void arm(void) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < timed_count; i++)
        if (timed[i]->due < next) next = timed[i]->due;
    if (next == INT64_MAX && !armed) return;
    armed = next != INT64_MAX;
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (armed) when.it_value.tv_sec = next / 1000000000, when.it_value.tv_nsec = next % 1000000000;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void run_due(void) {
    int64_t now = now_ns();
    for (int i = timed_count - 1; i >= 0; i--) {
        struct conn *c = timed[i];
        if (c->due > now) continue;
        if ((c->phase == WAITING ? answer(c) : next_event(c)) < 0) drop(c);
    }
}

static void welcome(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct conn *c = calloc(1, sizeof *c);
        c->fd = fd, c->slot = -1;
        struct epoll_event e = {EPOLLIN, {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int count, char **words) {
    if (count != 2) return fprintf(stderr, "usage: upstream PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    script();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        return perror("upstream: cannot listen"), 3;
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event e = {EPOLLIN, {.ptr = &poller}}, events[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    e.data.ptr = &timer;
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &e);
    e.data.ptr = NULL;
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &e);
    for (;;) {
        arm();
        int n = epoll_wait(poller, events, 256, -1), due = 0;
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            uint64_t ticks;
            if (who == NULL) {
                if (read(STDIN_FILENO, scratch, sizeof scratch) <= 0) return 0;
            } else if (who == &poller) {
                welcome(listener);
            } else if (who == &timer) {
                due = read(timer, &ticks, sizeof ticks) > 0;
            } else if (ready(who, events[i].events) < 0) {
                drop(who);
            }
        }
        if (due) run_due(); /* after the sockets: it may free connections */
    }
}
