/* _girin: the inner loop of the worker classes sync and gthread in C; that of
 * asgi is in asgi.h.
 *
 * It does what threads.py, slot.py and exchange.py of _girin_shim do, for the
 * requests that nearly all requests are: packet read, environ built, app
 * called, one final frame put into a batch. As soon as a request turns out to
 * be anything else (streamed, spooled, an error, a call of write) the exchange
 * is handed over, once and for good, to the Python classes: exchange_adopt.
 * They are the reference; whatever this code is not sure of it hands over, so
 * that rules and error texts exist only there.
 *
 *     Loop      what the slots of a worker share: descriptors, mapped memory
 *     Slot      base class of a thread's slot: leads, serves, flushes
 *     Batch     the slot's finished frames; stands in for the list slot.out
 *     Exchange  one request and its answer, until it is handed over
 *
 * Everything runs under the GIL, and it is released only where a thread would
 * wait: on the lanes, on the response socket when it is full, on its lock, and
 * to copy a large body into it. Beside a thread that computes each release
 * would cost a switch interval, so system calls that cannot wait keep it.
 *
 * References are the caller's to give ("borrows") unless a comment says that
 * the function owns or returns one. A function that returns int returns -1
 * with an exception set.
 */
#ifndef GIRIN_H
#define GIRIN_H

#include <stdint.h>
#include <time.h>

#include "compat.h"
#include "wire.h"

typedef struct Batch Batch;
typedef struct Exchange Exchange;
typedef struct Key Key;
typedef struct Loop Loop;
typedef struct Slot Slot;

/* What the module owns: its types first. */
typedef struct {
    PyTypeObject *batch, *exchange, *loop, *slot;
    PyTypeObject *outbox, *intake, *call, *done, *streaming, *watched, *socket, *receiving, *inbound;
    /* Interned strings of WebSocket messages. */
    PyObject *key_type, *key_text, *key_bytes, *type_receive, *type_send;
    PyObject *name_set_result; /* owned, interned */
} State;

extern PyType_Spec batch_spec, exchange_spec, loop_spec, slot_spec;

/* Finished frames that wait to be sent, by whoever flushes first. */
struct Batch {
    PyObject_HEAD
    char *data; /* owned; NULL if capacity is 0 */
    size_t size, capacity;
    size_t last; /* where the frame begins that was added last, if there is any */
    int frames;
    size_t placed; /* bytes of its frames' bodies that lie in the state page */
};

/* An encoded head block. The memory is kept for the next request. */
typedef struct {
    char *data; /* owned */
    size_t size, capacity;
    int given;        /* start_response was called */
    unsigned fields;
    int64_t length;   /* the declared Content-Length; -1: none */
    int bodiless;     /* the status allows no body */
    size_t notes_size; /* at its end: notes for the access log, of the size and fields above */
    unsigned notes;
} Head;

/* The socket that frames are sent on. */
typedef struct {
    int fd;
    PyThread_type_lock writing; /* held while frames are sent: they must not interleave */
} Sender;

/* Room for bodies in the state page: so many units of PAGE_UNIT bytes. */
typedef struct {
    char *memory;
    uint64_t *states; /* how many units are taken from this one on */
    uint32_t count;
} Units;

enum {
    LEAST_PLACED = 8 << 10, /* smaller bodies are as cheap on the socket */
    MAX_PLACED = 256 << 10, /* bytes of bodies in the page that may wait in a batch */
};

/* A copy of more bytes takes long enough (tens of microseconds) that other
 * threads should run meanwhile. */
enum { LARGE = 64 << 10 };

enum { NOTHING = 0, ENDED = 2 }; /* states of an exchange, as in exchange.py */

/* Refers to nothing of the app's, so it needs no garbage collection. */
struct Exchange {
    PyObject_HEAD
    Slot *slot;     /* owned */
    PyObject *full; /* owned: the Python exchange that took over; NULL: none did */
    uint64_t id, began;
    int64_t cpu_began; /* -1: not measured */
    uint32_t window;
    int quick, is_head, state;
    size_t sent; /* body bytes */
    Head head;
};

/* The callables that an app gets, and the exchange they belong to. A slot
 * keeps them for its next request if the app let go of them all. */
typedef struct {
    Exchange *exchange;
    PyObject *start_response, *write, *early_hints;
} Kit;

/* A string in a packet, the arena, or another object. */
typedef struct {
    const char *at;
    Py_ssize_t size;
} Text;

/* A variable of a template; the name is the key table's, the texts lie in the
 * template's block. */
typedef struct {
    PyObject *name;
    Text name_text, value_text;
} Variable;

enum { MAX_VARIABLES = 40, MAX_TEMPLATE = 1536 };

/* An environ to copy, and the block that it was made from. */
typedef struct {
    PyObject *environ; /* owned; no app has seen it; NULL: there is none */
    uint8_t base;
    unsigned misses; /* how often it did not suit */
    int count;
    Variable variables[MAX_VARIABLES];
    char block[MAX_TEMPLATE];
} Template;

enum { MAX_WATCHED = 8 };

struct Slot {
    PyObject_HEAD
    Loop *loop;        /* owned; NULL until Loop.bind */
    Batch *batch;      /* owned */
    uint64_t *cells;   /* in the state page: the id, and when it began */
    PyObject *app;     /* borrowed from lead, while it runs */
    PyObject *environ; /* borrowed from serve, while a request runs */
    PyObject *watched[MAX_WATCHED]; /* owned: what the watched variables were; NULL: not there */
    Kit kit;
    Template template;
    int token;           /* leadership can be taken from this slot */
    int wary;            /* how many more answers are sent before their close() */
    uint64_t tail_began; /* 0: no answer waits for its close() */
    unsigned char packet[MAX_PACKET];
};

struct Loop {
    PyObject_HEAD
    /* Owned attributes of the shim's Worker, and what it works with. */
    PyObject *worker, *lanes, *leadership, *forked, *bases;
    PyObject *watched, *notes; /* lists of variables, at most MAX_WATCHED, and of what their notes are called */
    PyObject *bytes_io, *file_wrapper, *protocol_error;
    /* Owned interned strings. */
    PyObject *name_first, *name_active, *name_watched, *name_close, *name_state, *key_input, *key_hints, *key_method;
    Key *keys;         /* owned: environ names seen before */
    int key_count;
    Py_buffer page, arena;        /* held while the loop lives */
    Units units;                  /* of the page */
    Sender sender;
    int epoll_fd, wake_fd; /* of lanes; -1 where there is no epoll */
    int lifetime;          /* packets that may still be read; 0: any number */
};

/* One packet, taken apart and checked against its own length. */
typedef struct {
    uint8_t form, flags, base;
    uint32_t window;
    uint64_t id;
    const char *environ, *body; /* in the packet or the arena */
    size_t environ_size, body_size;
} Request;

/* batch.c */
Batch *batch_new(State *state);
int batch_add(Batch *batch, const unsigned char *frame, const Head *head, PyObject *const *blocks, Py_ssize_t count,
              size_t body);
int batch_add_bytes(Batch *batch, const unsigned char *frame, const Head *head, const char *body, size_t size);
int batch_add_placed(Batch *batch, const unsigned char *frame, const Head *head, uint32_t place, size_t body);
void batch_take(Batch *batch, char **data, size_t *size, size_t *capacity);
void batch_give_back(Batch *batch, char *data, size_t capacity);

/* send.c */
void send_batch(Sender *sender, Batch *batch);
void send_alone(Sender *sender, Batch *batch, unsigned char *frame);
int send_large(Sender *sender, Batch *batch, const unsigned char *frame, const Head *head, PyObject *body);

/* page.c */
int page_find(Units *units, const Py_buffer *page);
int64_t page_take(Units *units, size_t size);
void page_fill(Units *units, uint32_t place, PyObject *const *blocks, Py_ssize_t count);
void page_give_back(Units *units, uint32_t place);

/* head.c */
int head_encode(Head *head, PyObject *status, PyObject *headers);
int head_begin(Head *head, PyObject *status);
int head_add(Head *head, PyObject *name, PyObject *value);
int head_note(Head *head, PyObject *name, PyObject *value);
void head_reset(Head *head);

/* environ.c */
int keys_new(Loop *loop);
void keys_free(Loop *loop);
PyObject *environ_new(Slot *slot, const Request *request, int *is_head);

/* exchange.c */
int kit_fill(Slot *slot);
void kit_recycle(Slot *slot);
void kit_drop(Slot *slot);
int exchange_emit(Exchange *exchange, int kind, int flags, PyObject *const *blocks, Py_ssize_t count, size_t body);
int exchange_adopt(Exchange *exchange);

/* noting.c */
void watch(Slot *slot, PyObject *environ);
void unwatch(Slot *slot);
PyObject *watched_before(Slot *slot);
int note_changes(Slot *slot);

/* serve.c */
int serve(Slot *slot, size_t size, uint64_t began);

/* tail.c */
void slot_flush(Slot *slot);
void slot_before_tail(Slot *slot, int quick);
void slot_after_tail(Slot *slot);

/* lanes.c */
Py_ssize_t lanes_next(Slot *slot);

static inline uint64_t
clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int
is_cancelled(const Loop *loop, uint64_t id)
{
    const volatile unsigned char *flags = loop->arena.buf; /* the flag table is its start */
    return flags[id & FLAG_MASK] != 0;
}

#endif
