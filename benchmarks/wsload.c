/* A load of WebSocket messages from one thread, for asgi.py:
 *
 *     wsload PORT echo CLIENTS DEPTH SIZE SECONDS
 *     wsload PORT broadcast CLIENTS DEPTH SIZE SECONDS
 *
 * echo: each client keeps DEPTH messages of SIZE bytes in flight. broadcast: the
 * first client keeps DEPTH in flight, and each goes to all. After a second it says
 * "begin"; SECONDS later "messages per second, messages, p50 and p99 in ms". It
 * trusts its server: anything unexpected ends it with 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1024, MAX_DEPTH = 64, MAX_SIZE = 4096, INPUT = 1 << 18, SAMPLES = 1 << 20, TEXT = 0x81, MASKED = 0x80 };

typedef struct {
    int fd;
    size_t held; /* bytes of input */
    unsigned next_sent, next_back;
    double sent[MAX_DEPTH]; /* when those in flight were */
    unsigned char input[INPUT];
} Client;

static Client *clients;
static unsigned char frame[MAX_SIZE + 8]; /* a masked message */
static size_t frame_size, payload_size;
static double *samples;
static long sampled;

static void
fail(const char *what)
{
    fprintf(stderr, "wsload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
make_frame(size_t size)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    payload_size = size;
    frame[frame_size++] = TEXT;
    if (size < 126) {
        frame[frame_size++] = (unsigned char)(MASKED | size);
    } else {
        frame[frame_size++] = MASKED | 126;
        frame[frame_size++] = (unsigned char)(size >> 8);
        frame[frame_size++] = (unsigned char)size;
    }
    memcpy(frame + frame_size, mask, sizeof mask);
    frame_size += sizeof mask;
    for (size_t i = 0; i < size; i++) {
        frame[frame_size++] = (unsigned char)('a' + i % 26) ^ mask[i % 4];
    }
}

static void
shake_hands(Client *client, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0) {
        fail("connect");
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    static const char request[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    if (send(client->fd, request, sizeof request - 1, 0) < 0) {
        fail("send");
    }
    char answer[4096] = "";
    for (size_t n = 0; strstr(answer, "\r\n\r\n") == NULL; n++) { /* byte by byte: messages may follow */
        if (n == sizeof answer - 1 || recv(client->fd, answer + n, 1, 0) <= 0) {
            fail("handshake");
        }
    }
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0) {
        fail(answer);
    }
}

static void
send_messages(Client *client, int count)
{
    static unsigned char output[MAX_DEPTH * sizeof frame];
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        memcpy(output + size, frame, frame_size);
        size += frame_size;
        client->sent[client->next_sent++ % MAX_DEPTH] = now();
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = send(client->fd, output + done, size - done, MSG_NOSIGNAL);
        if (n < 0) {
            fail("send");
        }
        done += (size_t)n;
    }
}

/* Reads what there is, and returns how many messages that completes. */
static int
receive_messages(Client *client)
{
    ssize_t n = recv(client->fd, client->input + client->held, INPUT - client->held, MSG_DONTWAIT);
    if (n <= 0) {
        fail("a client was left");
    }
    client->held += (size_t)n;
    size_t at = 0;
    int count = 0;
    for (;;) {
        const unsigned char *head = client->input + at;
        size_t left = client->held - at, head_size = left >= 2 && head[1] == 126 ? 4 : 2;
        if (left < head_size) {
            break;
        }
        size_t size = head_size == 4 ? (size_t)head[2] << 8 | head[3] : head[1];
        if (left < head_size + size) {
            break;
        }
        if (head[0] == TEXT) {
            if (size != payload_size) {
                fail("a message of another size");
            }
            count++;
        }
        at += head_size + size;
    }
    client->held -= at;
    memmove(client->input, client->input + at, client->held);
    return count;
}

/* Notes that so many of the client's own messages are back. */
static void
note(Client *client, int count, int measuring)
{
    double at = now();
    for (int i = 0; i < count; i++) {
        double sent = client->sent[client->next_back++ % MAX_DEPTH];
        if (measuring && sampled < SAMPLES) {
            samples[sampled++] = at - sent;
        }
    }
}

static int
compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void
run(int poll_fd, int count, int depth, int broadcast, double seconds)
{
    double begins = now() + 1, ends = begins + seconds;
    int measuring = 0;
    long received = 0;
    for (int i = 0; i < (broadcast ? 1 : count); i++) {
        send_messages(&clients[i], depth);
    }
    for (double at = now(); at < ends; at = now()) {
        if (!measuring && at >= begins) {
            puts("begin");
            fflush(stdout);
            measuring = 1;
            begins = now();
            ends = begins + seconds;
        }
        struct epoll_event events[64];
        int ready = epoll_wait(poll_fd, events, 64, 100);
        for (int i = 0; i < ready; i++) {
            Client *client = events[i].data.ptr;
            int n = receive_messages(client);
            received += measuring ? n : 0;
            if (!broadcast || client == clients) {
                note(client, n, measuring);
                send_messages(client, n);
            }
        }
    }
    double took = now() - begins;
    qsort(samples, (size_t)sampled, sizeof *samples, compare);
    printf("%.0f %ld %.3f %.3f\n", (double)received / took, received, 1e3 * samples[sampled / 2], 1e3 * samples[sampled * 99 / 100]);
}

int
main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: wsload PORT echo|broadcast CLIENTS DEPTH SIZE SECONDS\n");
        return 2;
    }
    int count = atoi(argv[3]), depth = atoi(argv[4]), size = atoi(argv[5]);
    if (count < 1 || count > MAX_CLIENTS || depth < 1 || depth > MAX_DEPTH || size < 0 || size > MAX_SIZE) {
        fprintf(stderr, "wsload: at most %d clients, %d in flight, %d bytes\n", MAX_CLIENTS, MAX_DEPTH, MAX_SIZE);
        return 2;
    }
    clients = calloc((size_t)count, sizeof *clients);
    samples = calloc(SAMPLES, sizeof *samples);
    int poll_fd = epoll_create1(0);
    if (clients == NULL || samples == NULL || poll_fd < 0) {
        fail("start");
    }
    make_frame((size_t)size);
    for (int i = 0; i < count; i++) {
        shake_hands(&clients[i], atoi(argv[1]));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    run(poll_fd, count, depth, strcmp(argv[2], "broadcast") == 0, atof(argv[6]));
    return 0;
}
