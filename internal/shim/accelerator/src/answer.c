/* A call's receive and send, and how it is handed over to Python. */
#include "asgi.h"

/* Hands the call over to the Python class; returns the exchange, which the call
 * owns. */
PyObject *
call_adopt(Call *call)
{
    if (call->full != NULL) {
        return call->full;
    }
    const Head *head = &call->head;
    PyObject *block = head->given ? Py_BuildValue("y#ILi", head->data, (Py_ssize_t)head->size, head->fields,
                                                  (long long)head->length, head->bodiless)
                                  : PyTuple_New(0);
    if (block == NULL) {
        return NULL;
    }
    PyObject *body = call->body != NULL && !call->received ? Py_NewRef(call->body) : PyBytes_FromStringAndSize(NULL, 0);
    PyObject *full = PyObject_CallMethod(
        (PyObject *)call->intake, "adopt", "iKKIiOOONNiniOiKK(Kl)O", call->slot, (unsigned long long)call->id,
        (unsigned long long)call->began, call->window, call->is_head, call->method, call->raw_path,
        call->task != NULL ? call->task : Py_None, body, block, call->state, (Py_ssize_t)call->sent, call->received,
        call->over ? Py_False : Py_True, call->measured, (unsigned long long)call->held,
        (unsigned long long)call->stepping, (unsigned long long)call->usage.cpu, call->usage.waits,
        call->thread_time != NULL ? call->thread_time : Py_None);
    if (full != NULL && call->full == NULL) {
        call->full = full;
        Py_CLEAR(call->body); /* it is the exchange's, and may be large */
    } else {
        Py_XDECREF(full);
    }
    return full != NULL ? call->full : NULL;
}

/* The app's receive and send. */

static PyObject *
in_python(Call *call, const char *method, PyObject *message)
{
    PyObject *full = call_adopt(call);
    return full == NULL        ? NULL
           : message != NULL ? PyObject_CallMethod(full, method, "O", message)
                             : PyObject_CallMethod(full, method, NULL);
}

static PyObject *
call_receive(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Call *call = (Call *)self;
    Intake *intake = call->intake;
    if (call->received || call->full != NULL || call->over || call->state == ENDED) {
        return in_python(call, "receive", NULL);
    }
    PyObject *message = PyDict_New();
    PyObject *body = call->body != NULL ? Py_NewRef(call->body) : PyBytes_FromStringAndSize(NULL, 0);
    int failed = message == NULL || body == NULL || PyDict_SetItem(message, intake->key_type, intake->type_request) < 0 ||
                 PyDict_SetItem(message, intake->key_body, body) < 0 ||
                 PyDict_SetItem(message, intake->key_more, Py_False) < 0;
    Py_XDECREF(body);
    if (failed) {
        Py_XDECREF(message);
        return NULL;
    }
    call->received = 1;
    return done_new(intake->state, message, call);
}

/* The app has what receive has returned. */
void
call_received(Call *call)
{
    Py_CLEAR(call->body);
}

/* The app has given up what receive has returned: the next one has it. */
void
call_not_received(Call *call)
{
    if (call->full == NULL) {
        call->received = 0;
    }
}

static int
is_transfer_encoding(PyObject *name)
{
    static const char lower[] = "transfer-encoding";
    Py_ssize_t size = BYTES_SIZE(name);
    const char *text = BYTES_DATA(name);
    if (size != sizeof lower - 1) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if ((text[i] | 0x20) != lower[i]) {
            return 0;
        }
    }
    return 1;
}

static int
add_field(Head *head, PyObject *item)
{
    PyObject *name, *value;
    if (PyTuple_CheckExact(item) && TUPLE_SIZE(item) == 2) {
        name = TUPLE_ITEM(item, 0);
        value = TUPLE_ITEM(item, 1);
    } else if (PyList_CheckExact(item) && LIST_SIZE(item) == 2) {
        name = LIST_ITEM(item, 0);
        value = LIST_ITEM(item, 1);
    } else {
        return 0;
    }
    return PyBytes_CheckExact(name) && PyBytes_CheckExact(value) && !is_transfer_encoding(name) &&
           head_add(head, name, value);
}

/* Encodes a head block into the call; 0: that is left to Python. Runs no code of
 * the app's: only exact types are accepted. */
static int
encode(Call *call, PyObject *status, PyObject *headers)
{
    PyObject *line = PyLong_CheckExact(status) ? PyDict_GetItemWithError(call->intake->statuses, status) : NULL;
    if (line == NULL || !head_begin(&call->head, line)) {
        return 0;
    }
    if (headers == NULL) {
        return 1;
    }
    int list = PyList_CheckExact(headers);
    if (!list && !PyTuple_CheckExact(headers)) {
        return 0;
    }
    Py_ssize_t count = list ? LIST_SIZE(headers) : TUPLE_SIZE(headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!add_field(&call->head, list ? LIST_ITEM(headers, i) : TUPLE_ITEM(headers, i))) {
            return 0;
        }
    }
    return 1;
}

/* Nothing may follow the head for long: then it goes out alone, for which the
 * Python class sees. */
int
call_keep_head(Call *call)
{
    return call_adopt(call) != NULL ? 0 : -1;
}

/* http.response.start; 0: Python must see to it. */
static int
take_start(Call *call, PyObject *message)
{
    Intake *intake = call->intake;
    if (call->head.given) {
        return 0;
    }
    PyObject *status = PyDict_GetItemWithError(message, intake->key_status);
    PyObject *headers = status != NULL ? PyDict_GetItemWithError(message, intake->key_headers) : NULL;
    int trails = status != NULL && PyDict_GetItemWithError(message, intake->key_trailers) != NULL;
    if (status == NULL || trails || PyErr_Occurred() || !encode(call, status, headers)) {
        head_reset(&call->head);
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!call->stepping && call_keep_head(call) < 0) {
        return -1;
    }
    return 1;
}

/* How many microseconds the request has held the loop, and its threads have computed. */
static uint32_t
held_until(const Call *call, uint64_t now)
{
    if (!call->measured) {
        return NOT_MEASURED;
    }
    uint64_t held = call->held + (call->stepping != 0 ? call_step_cost(call, now) : 0);
    if (call->thread_time != NULL) {
        held += PyLong_AsUnsignedLongLong(PyList_GetItem(call->thread_time, 0));
    }
    return held / 1000 < MAX_MICROSECONDS ? (uint32_t)(held / 1000) : MAX_MICROSECONDS;
}

static int
emit(Call *call, PyObject *body)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC), service = (now - call->began) / 1000;
    size_t size = (size_t)BYTES_SIZE(body); /* a thread of the app's may let go of it while it is copied */
    unsigned char frame[RESPONSE_HEAD];
    put_u64(frame, call->id);
    put_u64(frame + 8, call->began);
    put_u32(frame + 16, service < MAX_MICROSECONDS ? (uint32_t)service : MAX_MICROSECONDS);
    put_u32(frame + 20, held_until(call, now));
    put_u32(frame + 24, (uint32_t)call->head.size);
    put_u32(frame + 28, (uint32_t)size);
    frame[32] = RESPONSE;
    frame[33] = FINAL | WHOLE;
    put_u16(frame + 34, (uint16_t)call->head.fields);
    if (outbox_put_body(call->intake->outbox, frame, &call->head, body) < 0) {
        return -1;
    }
    call->state = ENDED;
    call->sent = size;
    return 1;
}

/* http.response.body, if it is the whole body; 0: Python must see to it. */
static int
take_body(Call *call, PyObject *message)
{
    Intake *intake = call->intake;
    PyObject *more = PyDict_GetItemWithError(message, intake->key_more);
    PyObject *body = PyErr_Occurred() ? NULL : PyDict_GetItemWithError(message, intake->key_body); /* last: see find_part */
    if (PyErr_Occurred()) {
        return -1;
    }
    if (body == NULL || !PyBytes_CheckExact(body) || (more != NULL && more != Py_False) || !call->head.given ||
        call->state != NOTHING || call->is_head || call->head.bodiless) {
        return 0;
    }
    size_t size = (size_t)BYTES_SIZE(body);
    if (size > call->window || (call->head.length >= 0 && (size_t)call->head.length != size)) {
        return 0;
    }
    return emit(call, body);
}

/* Is the string that text? */
int
same_text(PyObject *string, PyObject *text)
{
    return string == text || (PyUnicode_CheckExact(string) && PyUnicode_Compare(string, text) == 0);
}

static PyObject *
call_send(PyObject *self, PyObject *message)
{
    Call *call = (Call *)self;
    Intake *intake = call->intake;
    int taken = 0;
    if (call->full == NULL && !call->over && PyDict_CheckExact(message)) {
        PyObject *type = PyDict_GetItemWithError(message, intake->key_type);
        if (type != NULL && same_text(type, intake->type_start)) {
            taken = take_start(call, message);
        } else if (type != NULL && same_text(type, intake->type_body)) {
            taken = take_body(call, message);
        }
        if (taken < 0 || PyErr_Occurred()) {
            return NULL;
        }
    }
    if (taken) {
        return Py_NewRef(intake->none);
    }
    if (call->full != NULL && PyObject_TypeCheck(call->full, intake->state->streaming)) {
        return streaming_send(call->full, message);
    }
    return in_python(call, "send", message);
}

PyMethodDef call_receive_def = {"receive", call_receive, METH_NOARGS, NULL};
PyMethodDef call_send_def = {"send", call_send, METH_O, NULL};
