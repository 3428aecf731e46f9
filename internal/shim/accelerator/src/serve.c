/* Runs one request: what Slot.serve of slot.py does, and whole and stream of
 * exchange.py as far as the answer is one final frame. */
#include <stddef.h>

#include "girin.h"

/* What becomes of an iterable after one of its blocks. */
enum { WORKER_ENDS = -1, LEFT_TO_PYTHON, GOES_ON, GIVEN_UP };

/* Finds block and body, in the packet or the arena, and checks that they lie
 * there, and that there is such a base. The master is trusted not to change them while the request runs. */
static int
locate(Loop *loop, const unsigned char *packet, size_t size, Request *request)
{
    uint64_t length = (uint64_t)request->environ_size + request->body_size;
    const char *data = (const char *)packet + REQUEST_HEAD;
    if (request->base >= LIST_SIZE(loop->bases)) {
        PyErr_SetString(PyExc_IndexError, "list index out of range");
        return -1;
    }
    if (request->flags & IN_ARENA) {
        uint64_t at = get_u64(packet + 24), whole = (uint64_t)loop->arena.len;
        if (at > whole || length > whole - at) {
            PyErr_Format(loop->protocol_error, "request of %llu bytes at %llu lies outside the arena",
                         (unsigned long long)length, (unsigned long long)at);
            return -1;
        }
        data = (const char *)loop->arena.buf + at;
    } else if (length != size - REQUEST_HEAD) {
        PyErr_SetString(loop->protocol_error, "the request's lengths are not those of its packet");
        return -1;
    }
    request->environ = data;
    request->body = data + request->environ_size;
    return 0;
}

static void
parse(const unsigned char *packet, Request *request)
{
    *request = (Request){
        .form = packet[0],
        .flags = packet[1],
        .base = packet[2],
        .window = get_u32(packet + 4),
        .id = get_u64(packet + 8),
        .environ_size = get_u32(packet + 16),
        .body_size = get_u32(packet + 20),
    };
}

static void
begin(Exchange *exchange, const Request *request, uint64_t began)
{
    exchange->id = request->id;
    exchange->began = began;
    exchange->cpu_began = -1;
    exchange->window = request->window;
    exchange->quick = request->flags & QUICK;
    exchange->is_head = 0;
    exchange->state = NOTHING;
    exchange->sent = 0;
}

/* Ends the process if the app forked and this is the child. */
static int
check_forked(Loop *loop)
{
    if (LIST_SIZE(loop->forked) == 0) {
        return 0;
    }
    PyObject *never = PyObject_CallMethod(loop->worker, "leave_child", NULL);
    Py_XDECREF(never);
    return never != NULL ? 0 : -1;
}

/* Calls a method of the Python slot with the adopted exchange and another
 * object. */
static int
in_python(Slot *slot, const char *method, PyObject *object)
{
    Exchange *exchange = slot->kit.exchange;
    if (exchange_adopt(exchange) < 0) {
        return -1;
    }
    PyObject *done = PyObject_CallMethod((PyObject *)slot, method, "OO", exchange->full, object);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* The app raised what is being raised: Python logs it and answers. */
static int
failed(Slot *slot)
{
    PyObject *error = PyErr_GetRaisedException();
    int status = in_python(slot, "fail", error);
    Py_DECREF(error);
    return status;
}

/* Sends the whole answer. GIVEN_UP: there was no memory for it, and the request
 * has failed. */
static int
emit_whole(Slot *slot, PyObject *const *blocks, Py_ssize_t count, size_t body)
{
    Exchange *exchange = slot->kit.exchange;
    exchange->sent = body;
    if (exchange_emit(exchange, RESPONSE, FINAL | WHOLE, blocks, count, body) == 0) {
        return GOES_ON;
    }
    exchange->sent = 0;
    exchange->state = NOTHING;
    return failed(slot) < 0 ? WORKER_ENDS : GIVEN_UP;
}

/* Answers with a list or tuple of blocks. */
static int
answer_whole(Slot *slot, PyObject *blocks)
{
    enum { MAX_BLOCKS = 64 }; /* more are left to bytes.join */
    Exchange *exchange = slot->kit.exchange;
    int noted = note_changes(slot); /* first: it may run code of the app's, which may change blocks */
    int list = PyList_CheckExact(blocks);
    Py_ssize_t count = list ? LIST_SIZE(blocks) : TUPLE_SIZE(blocks);
    PyObject *items[MAX_BLOCKS];
    size_t body = 0;
    int simple = exchange->full == NULL && exchange->head.given && exchange->state == NOTHING && !exchange->is_head &&
                 !exchange->head.bodiless && count <= MAX_BLOCKS;
    for (Py_ssize_t i = 0; simple && i < count; i++) {
        items[i] = list ? LIST_ITEM(blocks, i) : TUPLE_ITEM(blocks, i);
        simple = PyBytes_CheckExact(items[i]);
        body += simple ? (size_t)BYTES_SIZE(items[i]) : 0;
    }
    int64_t length = exchange->head.length;
    if (!noted || !simple || body > exchange->window || (length >= 0 && (uint64_t)length != body)) {
        return in_python(slot, "resume", blocks);
    }
    return emit_whole(slot, items, count, body) == WORKER_ENDS ? -1 : 0;
}

/* Is this block the whole body, and nothing in the way of sending it so? */
static int
is_whole_body(Slot *slot, PyObject *block)
{
    const Exchange *exchange = slot->kit.exchange;
    if (exchange->full != NULL || exchange->state != NOTHING || !exchange->head.given || exchange->head.bodiless) {
        return 0;
    }
    size_t size = (size_t)BYTES_SIZE(block);
    return size > 0 && exchange->head.length == (int64_t)size && size <= exchange->window;
}

/* Takes a block of the iterable. */
static int
take_block(Slot *slot, PyObject *block)
{
    Exchange *exchange = slot->kit.exchange;
    if (!PyBytes_CheckExact(block) || exchange->full != NULL) {
        return LEFT_TO_PYTHON;
    }
    if (exchange->state == ENDED) {
        return BYTES_SIZE(block) == 0 ? GOES_ON : LEFT_TO_PYTHON;
    }
    if (is_cancelled(slot->loop, exchange->id)) {
        return LEFT_TO_PYTHON;
    }
    if (BYTES_SIZE(block) == 0) {
        return GOES_ON;
    }
    if (!is_whole_body(slot, block) || !note_changes(slot) || !is_whole_body(slot, block)) {
        return LEFT_TO_PYTHON;
    }
    int sent = emit_whole(slot, &block, 1, (size_t)BYTES_SIZE(block));
    if (sent == GOES_ON) {
        slot_before_tail(slot, exchange->quick);
    }
    return sent;
}

/* Goes on in Python with a block and the iterator that follows it, or, if block
 * is NULL, at the end of the iterable. */
static int
resume_stream(Slot *slot, PyObject *block, PyObject *iterator)
{
    if (exchange_adopt(slot->kit.exchange) < 0) {
        return -1;
    }
    PyObject *self = (PyObject *)slot, *full = slot->kit.exchange->full;
    PyObject *done = block != NULL ? PyObject_CallMethod(self, "resume_stream", "O(O)O", full, block, iterator)
                                   : PyObject_CallMethod(self, "resume_stream", "O()()", full);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int
end_stream(Slot *slot)
{
    const Exchange *exchange = slot->kit.exchange;
    int ended = exchange->full == NULL && exchange->state == ENDED;
    return ended ? 0 : resume_stream(slot, NULL, NULL);
}

static int
iterate(Slot *slot, PyObject *iterator)
{
    int taken = GOES_ON;
    while (taken == GOES_ON) {
        PyObject *block = PyIter_Next(iterator);
        if (block == NULL && PyErr_Occurred()) {
            return failed(slot);
        }
        if (check_forked(slot->loop) < 0) {
            taken = WORKER_ENDS;
        } else if (block == NULL) {
            return end_stream(slot);
        } else {
            taken = take_block(slot, block);
        }
        if (taken == LEFT_TO_PYTHON && resume_stream(slot, block, iterator) < 0) {
            taken = WORKER_ENDS;
        }
        Py_XDECREF(block);
    }
    return taken == WORKER_ENDS ? -1 : 0;
}

/* Answers with any other iterable. Only a first block that is the whole body
 * is sent here. */
static int
answer_stream(Slot *slot, PyObject *result)
{
    Exchange *exchange = slot->kit.exchange;
    int special = (PyObject *)Py_TYPE(result) == slot->loop->file_wrapper || PyUnicode_Check(result) ||
                  PyBytes_Check(result);
    if (special || exchange->full != NULL || exchange->is_head) {
        return in_python(slot, "resume", result);
    }
    PyObject *iterator = PyObject_GetIter(result);
    if (iterator == NULL) {
        return failed(slot);
    }
    int status = iterate(slot, iterator);
    Py_DECREF(iterator);
    return status;
}

static int
close_failed(Slot *slot, PyObject *environ)
{
    PyObject *error = PyErr_GetRaisedException();
    PyObject *done = PyObject_CallMethod((PyObject *)slot, "close_failed", "OO", error, environ);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Calls the iterable's close(), if it has one. To look for it may run code of
 * the app's as well. */
static int
close_result(Slot *slot, PyObject *result, PyObject *environ)
{
    PyObject *close = PyObject_GetAttr(result, slot->loop->name_close);
    if (close == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *done = close != NULL ? PyObject_CallNoArgs(close) : NULL;
    Py_XDECREF(close);
    Py_XDECREF(done);
    if (done == NULL && close_failed(slot, environ) < 0) {
        return -1;
    }
    slot_after_tail(slot);
    return check_forked(slot->loop);
}

static int
run_app(Slot *slot, PyObject *environ)
{
    PyObject *args[3] = {NULL, environ, slot->kit.start_response};
    PyObject *result = PyObject_Vectorcall(slot->app, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (result == NULL) {
        return failed(slot);
    }
    int status = check_forked(slot->loop);
    if (status == 0 && (PyList_CheckExact(result) || PyTuple_CheckExact(result))) {
        status = answer_whole(slot, result);
        slot->environ = NULL;
    } else if (status == 0) {
        status = answer_stream(slot, result);
        slot->environ = NULL;
        status = status == 0 ? close_result(slot, result, environ) : status;
    }
    Py_DECREF(result);
    return status;
}

/* Leaves the packet to Python's Slot.serve. */
static int
serve_in_python(Slot *slot, size_t size, uint64_t began)
{
    PyObject *done = PyObject_CallMethod((PyObject *)slot, "serve_packet", "y#K", (const char *)slot->packet,
                                         (Py_ssize_t)size, (unsigned long long)began);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Is the final frame out? -1: an exception is set. */
static int
is_answered(Slot *slot, uint64_t id)
{
    Exchange *exchange = slot->kit.exchange;
    if (exchange == NULL || exchange->id != id) { /* Python's alone, which then has not answered: Slot.serve */
        return 0;
    }
    if (exchange->full == NULL) {
        return exchange->state == ENDED;
    }
    PyObject *state = PyObject_GetAttr(exchange->full, slot->loop->name_state);
    long value = state != NULL ? PyLong_AsLong(state) : -1;
    Py_XDECREF(state);
    return PyErr_Occurred() ? -1 : value == ENDED;
}

/* What the app still holds of the exchange must reach nobody from now on. */
static void
note_end(Slot *slot, uint64_t id)
{
    Exchange *exchange = slot->kit.exchange;
    if (exchange == NULL || exchange->id != id) {
        return;
    }
    exchange->state = ENDED;
    PyObject *state = exchange->full != NULL ? PyLong_FromLong(ENDED) : NULL; /* a small one: it exists */
    if (state != NULL && PyObject_SetAttr(exchange->full, slot->loop->name_state, state) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(state);
}

/* There is no memory for what Python would do: who was not answered is told, which needs none. */
static int
fail_without_memory(Slot *slot, const Request *request, uint64_t began)
{
    PyErr_Clear();
    int answered = is_answered(slot, request->id);
    if (answered != 0) {
        return answered < 0 ? -1 : 0;
    }
    Exchange bare = {.slot = slot};
    begin(&bare, request, began);
    note_end(slot, request->id);
    return exchange_emit(&bare, FAILED, FINAL, NULL, 0, 0);
}

static int
run(Slot *slot, const Request *request)
{
    Exchange *exchange = slot->kit.exchange;
    PyObject *environ = environ_new(slot, request, &exchange->is_head);
    if (environ == NULL) {
        return PyErr_ExceptionMatches(PyExc_MemoryError) ? failed(slot) : -1; /* there was none for what comes before the app */
    }
    slot->environ = environ;
    watch(slot, environ);
    int status = run_app(slot, environ);
    unwatch(slot);
    slot->environ = NULL;
    Py_DECREF(environ);
    return status;
}

static int
serve_request(Slot *slot, Request *request, size_t size, uint64_t began)
{
    if (request->flags & (SPOOLED | STREAMED) || (request->form != JOINED && request->form != LENGTHS)) {
        return serve_in_python(slot, size, began);
    }
    if (kit_fill(slot) < 0) {
        return -1;
    }
    Exchange *exchange = slot->kit.exchange;
    begin(exchange, request, began);
    if (is_cancelled(slot->loop, request->id)) {
        return exchange_emit(exchange, DROPPED, FINAL, NULL, 0, 0);
    }
    if (locate(slot->loop, slot->packet, size, request) < 0) {
        return -1;
    }
    if (request->flags & MEASURE_CPU) {
        exchange->cpu_began = (int64_t)clock_ns(CLOCK_THREAD_CPUTIME_ID);
    }
    return run(slot, request);
}

/* Serves the packet of so many bytes that the slot holds. Its frame may still
 * be in the batch afterwards. -1: the worker cannot go on. */
int
serve(Slot *slot, size_t size, uint64_t began)
{
    Request request;
    parse(slot->packet, &request);
    int status = serve_request(slot, &request, size, began);
    if (status < 0 && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        status = fail_without_memory(slot, &request, began);
    }
    if (slot->kit.exchange != NULL) {
        kit_recycle(slot);
    }
    return status;
}
