/* Sends batches on the response socket: whole frames, one writer at a time. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "girin.h"

enum { SHORT_WAIT = 1000000 }; /* ns until memory is asked for again */

static void
lock_writing(Sender *sender)
{
    if (!PyThread_acquire_lock(sender->writing, NOWAIT_LOCK)) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(sender->writing, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
}

/* Leaves out of parts, two of them, the first done bytes. */
static void
skip(struct iovec *parts, size_t done)
{
    for (int i = 0; i < 2; i++) {
        size_t n = done < parts[i].iov_len ? done : parts[i].iov_len;
        parts[i].iov_base = (char *)parts[i].iov_base + n;
        parts[i].iov_len -= n;
        done -= n;
    }
}

/* The kernel had no memory for a message: it may have some in a moment. */
static int
is_short_of_memory(int error)
{
    return error == ENOBUFS || error == ENOMEM;
}

/* Sends two parts one after the other. With MSG_DONTWAIT it returns 0 when it
 * would have to wait; what it has sent is left out of parts. */
static int
send_parts(int fd, struct iovec *parts, int flags)
{
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
        if (sent >= 0) {
            skip(parts, (size_t)sent);
        } else if ((errno == EAGAIN || is_short_of_memory(errno)) && (flags & MSG_DONTWAIT)) {
            return 0;
        } else if (errno == EAGAIN) { /* an event loop that reads here has made it non-blocking (uvloop) */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (is_short_of_memory(errno)) {
            nanosleep(&(struct timespec){.tv_nsec = SHORT_WAIT}, NULL);
        } else if (errno != EINTR) {
            _exit(1); /* the master is gone, and with it every client */
        }
    }
    return 1;
}

static void
send_whole(int fd, struct iovec *parts)
{
    if (parts[0].iov_len + parts[1].iov_len <= LARGE && send_parts(fd, parts, MSG_DONTWAIT)) {
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    send_parts(fd, parts, 0);
    Py_END_ALLOW_THREADS
}

/* Sends what the batch holds, then tail; the lock is held. */
static void
send_locked(Sender *sender, Batch *batch, char *tail, size_t tail_size)
{
    char *data;
    size_t size, capacity;
    batch_take(batch, &data, &size, &capacity);
    struct iovec parts[2] = {{data, size}, {tail, tail_size}};
    send_whole(sender->fd, parts);
    batch_give_back(batch, data, capacity);
}

/* Sends what the batch holds and empties it; from any thread. Nothing is sent
 * twice: what to send is only known under the lock. */
void
send_batch(Sender *sender, Batch *batch)
{
    lock_writing(sender);
    if (batch->size > 0) {
        send_locked(sender, batch, NULL, 0);
    }
    PyThread_release_lock(sender->writing);
}

/* Sends the batch and a frame without head and body, for which there is no memory. */
void
send_alone(Sender *sender, Batch *batch, unsigned char *frame)
{
    lock_writing(sender);
    send_locked(sender, batch, (char *)frame, RESPONSE_HEAD);
    PyThread_release_lock(sender->writing);
}

/* Sends the batch and a frame whose body, a bytes object, is large, without
 * copying it first. The frame's head enters the batch under the lock, so that no
 * other thread can send it without its body. The body is the app's, which may
 * let go of it while the GIL is released: for the lock, or to send. */
int
send_large(Sender *sender, Batch *batch, const unsigned char *frame, const Head *head, PyObject *body)
{
    Py_INCREF(body);
    lock_writing(sender);
    int failed = batch_add(batch, frame, head, NULL, 0, 0);
    if (!failed) {
        send_locked(sender, batch, BYTES_DATA(body), (size_t)BYTES_SIZE(body));
    }
    PyThread_release_lock(sender->writing);
    Py_DECREF(body);
    return failed;
}
