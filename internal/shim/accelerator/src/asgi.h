/* The hot path of the class asgi in C: what intake.py, outbox.py, scope.py and
 * http.py of _girin_shim/asgi do, for the requests that nearly all are: a body
 * that came with the head, an answer that is one start and one whole body.
 *
 *     Outbox  frames that go out together in one write for a turn of the loop
 *     Intake  base class of the one in Python: reads packets, starts tasks
 *     Call    one request: what its task runs in place of a coroutine, and what
 *             the app's receive and send are methods of
 *     Streaming  base class of the exchange in Python: the parts of an answer after its head
 *     Socket  an open WebSocket; Receiving is what its receive returns
 *     Watched    the coroutine of a task whose steps are seen, but not measured
 *     Inbound what the master sends for WebSockets, cut into frames
 *     Done    what receive and send return where nobody has to wait
 *
 * As in girin.h a call is handed over to the Python class Exchange, once and for
 * good, as soon as it is anything else. All of it runs on the loop's thread, but
 * for Outbox.flush. */
#ifndef GIRIN_ASGI_H
#define GIRIN_ASGI_H

#include "girin.h"

typedef struct {
    PyObject_HEAD
    Sender sender;
    Batch *batch;        /* owned */
    Py_buffer page;      /* held for units */
    Units units;
    PyObject *call_soon; /* owned */
    int due;             /* somebody will flush */
} Outbox;

/* The object that was made last from a text. */
typedef struct {
    PyObject *value; /* owned; NULL: there is none */
    Py_ssize_t size;
    char text[80];
} Latest;

enum { PAIRS = 256 }; /* fields that were seen: a power of two */

typedef struct {
    PyObject_HEAD
    State *state;
    Outbox *outbox; /* owned */
    /* Owned parts of the shim's Worker and Loop. */
    PyObject *worker, *lanes, *forked, *free, *exchanges, *start, *app, *statuses,
        *coroutine_type;
    PyObject *set_thread_time; /* owned: sets the place for it in the context; None: nobody measures */
    /* Owned, of Scopes. */
    PyObject *templates, *shared_state, *extensions;
    PyObject *none; /* owned: a Done without a value */
    /* Owned interned strings. */
    PyObject *key_version, *key_scheme, *key_path, *key_raw_path, *key_query, *key_root, *key_headers, *key_client;
    PyObject *key_extensions, *key_method, *key_state, *key_type, *key_status, *key_body, *key_more, *key_asgi;
    PyObject *key_trailers, *type_start, *type_body, *type_request, *name_active, *name_stopped, *name_held, *name_stepping, *name_usage;
    Latest version, scheme, path, raw_path, query, root, client, method;
    PyObject *pairs[PAIRS]; /* owned: tuples of two bytes objects, or NULL */
    Py_buffer page, arena;
    uint64_t *cells; /* of the state page's first slot */
    uint64_t *step;  /* in the state page: since when a step holds the loop */
    int starting;    /* a task is made whose first step runs at once */
    Py_ssize_t slots;
    int counts; /* packets are counted */
    int takes_turns, turns;
    unsigned char packet[MAX_PACKET];
} Intake;

/* Of a thread: its CPU time in ns, and how often it gave its core up by itself. */
typedef struct {
    uint64_t cpu;
    long waits;
} Usage;

typedef struct {
    PyObject_HEAD
    Intake *intake; /* owned */
    PyObject *full; /* owned: the Exchange that took over */
    PyObject *scope;        /* owned, until the app is called */
    PyObject *coroutine;    /* owned, while the app runs */
    PyObject *task;         /* owned, once it has waited, while it runs */
    PyObject *body;         /* owned, until the app has it */
    PyObject *method, *raw_path; /* owned, for the log */
    uint64_t id, began;
    uint32_t window;
    int slot;
    int is_head, received, state, over;
    int measured; /* it is to be told how long the loop was held */
    uint64_t held; /* ns that the steps so far have held the loop */
    /* ns: when the present step of the app's own began, or 0: none runs. What a step
     * puts off will be seen at its end. */
    uint64_t stepping;
    Usage usage; /* then, if it is measured */
    PyObject *thread_time; /* owned: a list of the ns that its threads have used, or NULL */
    size_t sent;
    Head head;
} Call;

/* An open WebSocket; base class of the one in Python. */
typedef struct {
    PyObject_HEAD
    State *state;
    Outbox *outbox;      /* owned */
    PyObject *none;      /* owned: a Done without a value */
    PyObject *create_future; /* owned */
    PyObject *waiter;    /* owned: the future of who waits for a message */
    PyObject *others;    /* owned: the set of all other futures */
    PyObject *end;       /* owned: the disconnect that the app gets in the end, or NULL, None */
    PyObject **messages; /* owned: a ring of so many places, all references owned */
    uint32_t *sizes;     /* owned: what each counts for */
    size_t places, first, count;
    uint64_t id, began;
    long long credit;
    unsigned long in_hand; /* what the messages count for that the app has, and the master does not know of */
    int phase; /* state in socket.py */
    char gone, connected;
} Socket;

enum { OPEN = 2 }; /* the state of a socket, as in socket.py */

/* An answer that is sent in parts; base class of the exchange in Python, whose attributes are here
 * where C needs them. */
typedef struct {
    PyObject_HEAD
    Intake *intake; /* owned; NULL until open */
    uint64_t id, began;
    long long window, granted, sent; /* body bytes */
    long long length;                /* the declared Content-Length; -1: none */
    int state;
    char gone;
    char plain; /* parts of a body may follow, and nothing else */
} Streaming;

enum { STARTED = 1 }; /* the state of an exchange, as in http.py */

extern PyType_Spec outbox_spec, intake_spec, call_spec, done_spec, socket_spec, receiving_spec, inbound_spec;
extern PyType_Spec streaming_spec, watched_spec;

/* done.c */
PyObject *done_new(State *state, PyObject *value, Call *call);

/* outbox.c */
void outbox_fail(Outbox *outbox, uint64_t id);
int outbox_put(Outbox *outbox, const unsigned char *frame, const Head *head, const char *body, size_t size);
int outbox_put_body(Outbox *outbox, unsigned char *frame, const Head *head, PyObject *body);
void outbox_send(Outbox *outbox);

/* socket.c */
int socket_came(Socket *socket, int is_text, const char *data, size_t size);
int socket_has_ended(const Socket *socket);
int socket_tell_taken(Socket *socket);
PyObject *socket_pop(Socket *socket);

/* receiving.c */
PyObject *receiving_new(Socket *socket);

/* scope.c */
int scope_new(Intake *intake, const Request *request, Call *call);

/* packets.c */
_Noreturn void intake_fatal(Intake *intake);
PyObject *intake_read(PyObject *self, PyObject *ignored);

PyObject *intake_take_packet(PyObject *self, PyObject *packet);

/* streaming.c */
PyObject *streaming_send(PyObject *self, PyObject *message);

/* watched.c */
PyObject *intake_watch(PyObject *self, PyObject *coroutine);

/* call.c */
Call *call_new(Intake *intake);

/* held.c */
int call_begin_step(Call *call);
int call_end_step(Call *call);
uint64_t call_step_cost(const Call *call, uint64_t now);

/* step.c */
PyObject *call_step(Call *call, PyObject *value, int *failed);
PyObject *call_stepped(Call *call, PyObject *waited, int *failed);
int call_end(Call *call);

/* answer.c */
extern PyMethodDef call_receive_def, call_send_def;
PyObject *call_adopt(Call *call);
int call_keep_head(Call *call);
void call_received(Call *call);
void call_not_received(Call *call);
int same_text(PyObject *string, PyObject *text);

#endif
