/* Reads packets and runs the first step of each: intake.py. */
#include <errno.h>
#include <unistd.h>

#include "asgi.h"

enum { READ_AT_ONCE = 64, READ_FOR = 1000000, TURNS = 16 }; /* as in intake.py */

static int
call_python(PyObject *object, const char *method)
{
    PyObject *done = PyObject_CallMethod(object, method, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Reads a packet into intake->packet. 0: there is none now; -1: Python must
 * find out why, or an exception is set. */
static Py_ssize_t
read_packet(Intake *intake)
{
    PyObject *active = PyObject_GetAttr(intake->lanes, intake->name_active);
    Py_ssize_t size = active != NULL && PyTuple_Size(active) > 0 ? 0 : -1;
    for (Py_ssize_t i = 0; size == 0 && i < TUPLE_SIZE(active); i++) {
        int lane = (int)PyLong_AsLong(TUPLE_ITEM(active, i));
        ssize_t n = read(lane, intake->packet, MAX_PACKET); /* never waits: O_NONBLOCK */
        size = n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    Py_XDECREF(active);
    return size;
}

/* Takes the last of the free places. */
static int
take_place(Intake *intake, Call *call)
{
    Py_ssize_t last = LIST_SIZE(intake->free) - 1;
    PyObject *place = PyList_GetItem(intake->free, last);
    call->slot = place != NULL ? (int)PyLong_AsLong(place) : -1;
    if (call->slot < 0 || call->slot >= intake->slots || PyList_SetSlice(intake->free, last, last + 1, NULL) < 0) {
        return -1;
    }
    uint64_t *cells = intake->cells + 2 * call->slot;
    __atomic_store_n(&cells[1], call->began, __ATOMIC_RELAXED); /* the time first, as the page's reader expects */
    __atomic_store_n(&cells[0], call->id, __ATOMIC_RELEASE);
    return 0;
}

static int
start(Intake *intake, Call *call)
{
    PyObject *id = PyLong_FromUnsignedLongLong(call->id);
    int failed = id == NULL || take_place(intake, call) < 0 ||
                 PyDict_SetItem(intake->exchanges, id, (PyObject *)call) < 0;
    Py_XDECREF(id);
    if (failed) {
        return -1;
    }
    intake->starting = 1;
    PyObject *done = PyObject_CallFunctionObjArgs(intake->start, (PyObject *)call, NULL);
    intake->starting = 0;
    if (done == NULL && !call->over) { /* of a task factory of the app's */
        Py_CLEAR(call->scope);
        return call_end(call);
    }
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Returns what is to be started; NULL without an exception: Python must see to it. */
static Call *
prepare(Intake *intake, const Request *request)
{
    Call *call = call_new(intake);
    if (call == NULL) {
        return NULL;
    }
    call->id = request->id;
    call->began = clock_ns(CLOCK_MONOTONIC);
    call->window = request->window;
    call->measured = (request->flags & MEASURE_CPU) != 0;
    int status = 1;
    if (request->body_size > 0) {
        call->body = PyBytes_FromStringAndSize(request->body, (Py_ssize_t)request->body_size);
        status = call->body != NULL ? 1 : -1;
    }
    if (status > 0) {
        status = scope_new(intake, request, call);
    }
    if (status <= 0) {
        Py_DECREF((PyObject *)call);
        return NULL;
    }
    return call;
}

/* There is no memory for this request, a large one perhaps: the others go on. */
static int
fail_without_memory(Intake *intake, uint64_t id)
{
    PyErr_Clear();
    outbox_fail(intake->outbox, id);
    if (call_python((PyObject *)intake, "tell_shortage") < 0) {
        PyErr_Clear(); /* not even for a line; the client is told */
    }
    return 1;
}

/* Begins a request here; 0: Python must see to it. */
static int
begin(Intake *intake, const Request *request)
{
    Call *call = prepare(intake, request);
    if (call == NULL) {
        return !PyErr_Occurred()                              ? 0
               : PyErr_ExceptionMatches(PyExc_MemoryError) ? fail_without_memory(intake, request->id)
                                                              : -1;
    }
    int status = start(intake, call) < 0 ? -1 : 1;
    Py_DECREF((PyObject *)call);
    return status;
}

/* Finds block and body, in the packet or the arena; 0: Python must see to it. */
static int
locate(const Intake *intake, size_t size, Request *request)
{
    const char *data = (const char *)intake->packet + REQUEST_HEAD;
    uint64_t length = (uint64_t)request->environ_size + request->body_size;
    if (request->flags & IN_ARENA) {
        uint64_t at = get_u64(intake->packet + 24), whole = (uint64_t)intake->arena.len;
        if (at > whole || length > whole - at) {
            return 0;
        }
        data = (const char *)intake->arena.buf + at;
    } else if (length != size - REQUEST_HEAD) {
        return 0;
    }
    request->environ = data;
    request->body = data + request->environ_size;
    return 1;
}

static int
is_plain(const Intake *intake, const Request *request)
{
    const volatile unsigned char *flags = intake->arena.buf; /* the flag table is its start */
    return request->form == ASGI_JOINED && !(request->flags & (SPOOLED | STREAMED | UPGRADE)) &&
           flags[request->id & FLAG_MASK] == 0;
}

/* Runs the first step of the packet of so many bytes. */
static int
serve_packet(Intake *intake, size_t size)
{
    const unsigned char *packet = intake->packet;
    if (size >= REQUEST_HEAD) {
        Request request = {
            .form = packet[0],
            .flags = packet[1],
            .base = packet[2],
            .window = get_u32(packet + 4),
            .id = get_u64(packet + 8),
            .environ_size = get_u32(packet + 16),
            .body_size = get_u32(packet + 20),
        };
        int status = is_plain(intake, &request) && locate(intake, size, &request) ? begin(intake, &request) : 0;
        if (status != 0) {
            return status;
        }
    }
    PyObject *done = PyObject_CallMethod((PyObject *)intake, "begin_packet", "y#", (const char *)packet, (Py_ssize_t)size);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

PyObject *
intake_take_packet(PyObject *self, PyObject *packet)
{
    Intake *intake = (Intake *)self;
    if (intake->app == NULL || !PyBytes_CheckExact(packet) || BYTES_SIZE(packet) > MAX_PACKET) {
        PyErr_SetString(PyExc_ValueError, "no packet of this intake's");
        return NULL;
    }
    memcpy(intake->packet, BYTES_DATA(packet), (size_t)BYTES_SIZE(packet));
    if (serve_packet(intake, (size_t)BYTES_SIZE(packet)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
count_packet(Intake *intake, Py_ssize_t size)
{
    uint64_t id = size >= REQUEST_HEAD ? get_u64(intake->packet + 8) : 0;
    PyObject *done = PyObject_CallMethod(intake->worker, "count", "K", (unsigned long long)id);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Reads a packet and runs its first step; 0: enough for this turn. */
static int
take(Intake *intake)
{
    if (LIST_SIZE(intake->forked) > 0) {
        return call_python(intake->worker, "leave_child");
    }
    if (LIST_SIZE(intake->free) == 0) {
        return 0;
    }
    Py_ssize_t size = read_packet(intake);
    if (size <= 0) {
        return size == 0 ? 0 : PyErr_Occurred() ? -1 : call_python((PyObject *)intake, "take_in_python");
    }
    if (intake->counts && count_packet(intake, size) < 0) {
        return -1;
    }
    int quick = size >= REQUEST_HEAD && intake->packet[1] & QUICK;
    if (!quick) {
        outbox_send(intake->outbox); /* what is finished does not wait for it */
        intake->turns = TURNS;
    }
    return serve_packet(intake, (size_t)size) < 0 ? -1 : quick;
}

/* Ends the process after what is being raised. Without memory for that it says nothing. */
void
intake_fatal(Intake *intake)
{
    enum { EXIT_INTERNAL = 70 }; /* as in worker.py */
    PyObject *error = PyErr_GetRaisedException();
    (void)PyObject_CallMethod(intake->worker, "fatal", "O", error);
    _exit(EXIT_INTERNAL);
}

PyObject *
intake_read(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Intake *intake = (Intake *)self;
    if (intake->app == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake was not bound");
        return NULL;
    }
    uint64_t ends = clock_ns(CLOCK_MONOTONIC) + READ_FOR;
    intake->outbox->due = 1;
    intake->turns++;
    int status = 1;
    for (int i = 0; status > 0 && i < READ_AT_ONCE; i++) {
        status = take(intake);
        if (status > 0 && clock_ns(CLOCK_MONOTONIC) > ends) {
            break;
        }
    }
    if (status >= 0 && intake->takes_turns && intake->turns >= TURNS) {
        intake->turns = 0;
        status = call_python((PyObject *)intake, "go_last");
    }
    if (status >= 0 && LIST_SIZE(intake->free) == 0) { /* what waits in the lanes would wake this loop again and again */
        status = call_python((PyObject *)intake, "room");
    }
    if (status < 0) {
        intake_fatal(intake);
    }
    intake->outbox->due = 0;
    outbox_send(intake->outbox);
    Py_RETURN_NONE;
}
