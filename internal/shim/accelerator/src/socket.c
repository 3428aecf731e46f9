/* An open WebSocket: what of socket.py runs for each message. */
#include <stddef.h>
#include <stdlib.h>

#include "asgi.h"

#include <structmember.h> /* needs Python.h before it */

static void
fill_frame(const Socket *socket, unsigned char *frame, int kind, size_t size)
{
    memset(frame, 0, RESPONSE_HEAD);
    put_u64(frame, socket->id);
    put_u64(frame + 8, socket->began);
    put_u32(frame + 20, NOT_MEASURED);
    put_u32(frame + 28, (uint32_t)size);
    frame[32] = (unsigned char)kind;
}

static int
emit(Socket *socket, int kind, const char *data, size_t size)
{
    unsigned char frame[RESPONSE_HEAD];
    fill_frame(socket, frame, kind, size);
    return outbox_put(socket->outbox, frame, NULL, data, size);
}

enum { TELL_FROM = 8 << 10 }; /* an eighth of what --ws-max-queue is by itself */

/* Is there nothing to come but the disconnect? */
int
socket_has_ended(const Socket *socket)
{
    return socket->end != NULL && socket->end != Py_None;
}

/* What came. */

/* Takes over a message, which counts for so much. */
static int
push(Socket *socket, PyObject *message, size_t size)
{
    if (socket->count == socket->places) {
        size_t places = socket->places > 0 ? 2 * socket->places : 8;
        PyObject **messages = malloc(places * sizeof *messages);
        uint32_t *sizes = malloc(places * sizeof *sizes);
        if (messages == NULL || sizes == NULL) {
            free(messages);
            free(sizes);
            Py_DECREF(message);
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < socket->count; i++) {
            size_t at = (socket->first + i) % socket->places;
            messages[i] = socket->messages[at];
            sizes[i] = socket->sizes[at];
        }
        free(socket->messages);
        free(socket->sizes);
        socket->messages = messages;
        socket->sizes = sizes;
        socket->places = places;
        socket->first = 0;
    }
    size_t at = (socket->first + socket->count++) % socket->places;
    socket->messages[at] = message;
    socket->sizes[at] = (uint32_t)size + MESSAGE_COST;
    return 0;
}

/* Returns the next message, which is the caller's; there is one. */
PyObject *
socket_pop(Socket *socket)
{
    PyObject *message = socket->messages[socket->first];
    socket->in_hand += socket->sizes[socket->first];
    socket->first = (socket->first + 1) % socket->places;
    if (--socket->count == 0 && socket->places > 64) { /* a burst is over */
        free(socket->messages);
        free(socket->sizes);
        socket->messages = NULL;
        socket->sizes = NULL;
        socket->places = socket->first = 0;
    }
    return message;
}

/* Wakes who waits for a message; from then on nobody does. */
static int
wake(Socket *socket)
{
    PyObject *waiter = socket->waiter;
    if (waiter == NULL) {
        return 0;
    }
    socket->waiter = NULL;
    PyObject *args[] = {waiter, Py_None};
    PyObject *done = PyObject_VectorcallMethod(socket->state->name_set_result, args, 2, NULL);
    Py_DECREF(waiter);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear(); /* it was given up, and does not know it yet */
        return 0;
    }
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyObject *
message_of(State *state, int is_text, const char *data, size_t size)
{
    PyObject *content = is_text ? PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "replace")
                                : PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (content == NULL) {
        return NULL;
    }
    PyObject *message = PyDict_New();
    if (message == NULL || PyDict_SetItem(message, state->key_type, state->type_receive) < 0 ||
        PyDict_SetItem(message, is_text ? state->key_text : state->key_bytes, content) < 0) {
        Py_CLEAR(message);
    }
    Py_DECREF(content);
    return message;
}

/* A message came from the client. */
int
socket_came(Socket *socket, int is_text, const char *data, size_t size)
{
    if (socket_has_ended(socket)) {
        return 0;
    }
    PyObject *message = message_of(socket->state, is_text, data, size);
    if (message == NULL || push(socket, message, size) < 0 || wake(socket) < 0) {
        return -1;
    }
    if (PySet_Size(socket->others) == 0) {
        return 0;
    }
    PyObject *done = PyObject_CallMethod((PyObject *)socket, "wake_others", NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Returns the place for what was taken in the socket's message that was sent last, if that is not
 * on its way and nothing has followed it: most answers are followed by the next receive. */
static unsigned char *
taken_of_last(const Socket *socket)
{
    const Batch *batch = socket->outbox->batch;
    if (batch->size == 0) {
        return NULL;
    }
    unsigned char *frame = (unsigned char *)batch->data + batch->last;
    int is_message = frame[32] == TEXT_MESSAGE || frame[32] == BINARY_MESSAGE;
    return is_message && get_u64(frame) == socket->id && get_u32(frame + 16) == 0 ? frame + 16 : NULL;
}

/* Tells the master what the app has received since it was told last, while there is more that it
 * may receive only now and then. Of a socket that is closed it wants to hear nothing more. */
int
socket_tell_taken(Socket *socket)
{
    if (socket->in_hand == 0 || socket->phase != OPEN || (socket->count > 0 && socket->in_hand < TELL_FROM)) {
        return 0;
    }
    unsigned char *place = taken_of_last(socket);
    if (place != NULL) {
        put_u32(place, (uint32_t)socket->in_hand);
        socket->in_hand = 0;
        return 0;
    }
    unsigned char count[4];
    put_u32(count, (uint32_t)socket->in_hand);
    socket->in_hand = 0;
    return emit(socket, TAKEN, (const char *)count, sizeof count);
}

/* The app's receive and send. */

static PyObject *
socket_receive(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Socket *socket = (Socket *)self;
    if (socket->outbox == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this socket was not opened");
        return NULL;
    }
    return receiving_new(socket);
}

/* Finds the bytes of a message that can be sent at once; 0: Python must see to it. */
static int
content_of(State *state, PyObject *message, int *kind, const char **data, Py_ssize_t *size)
{
    PyObject *bytes = PyDict_GetItemWithError(message, state->key_bytes);
    if (bytes != NULL && bytes != Py_None) {
        *kind = BINARY_MESSAGE;
        *data = PyBytes_CheckExact(bytes) ? BYTES_DATA(bytes) : NULL;
        *size = *data != NULL ? BYTES_SIZE(bytes) : 0;
        return *data != NULL;
    }
    PyObject *text = PyErr_Occurred() ? NULL : PyDict_GetItemWithError(message, state->key_text);
    if (text == NULL || !PyUnicode_CheckExact(text)) {
        return 0;
    }
    *kind = TEXT_MESSAGE;
    *data = PyUnicode_AsUTF8AndSize(text, size);
    if (*data == NULL) {
        PyErr_Clear(); /* a lone surrogate: Python says so */
    }
    return *data != NULL;
}

static int
is_send(State *state, PyObject *message)
{
    PyObject *type = PyDict_GetItemWithError(message, state->key_type);
    return type == state->type_send ||
           (type != NULL && PyUnicode_CheckExact(type) && PyUnicode_Compare(type, state->type_send) == 0);
}

static PyObject *
socket_send(PyObject *self, PyObject *message)
{
    Socket *socket = (Socket *)self;
    int kind;
    const char *data;
    Py_ssize_t size;
    if (socket->phase != OPEN || socket->gone || socket->credit <= 0 || !PyDict_CheckExact(message) ||
        !is_send(socket->state, message) || !content_of(socket->state, message, &kind, &data, &size) || size > MAX_BLOCK) {
        if (PyErr_Occurred()) {
            return NULL; /* of a key that cannot be compared */
        }
        return PyObject_CallMethod(self, "send_in_python", "O", message);
    }
    if (emit(socket, kind, data, (size_t)size) < 0) {
        return NULL;
    }
    socket->credit -= size;
    return Py_NewRef(socket->none);
}

/* For Python's receive: the next message, or None. */
static PyObject *
socket_next(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Socket *socket = (Socket *)self;
    return socket->count > 0 ? socket_pop(socket) : Py_NewRef(Py_None);
}

static PyObject *
socket_unread(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(((Socket *)self)->count);
}

static PyObject *
socket_wake(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (wake((Socket *)self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* open(outbox, create_future, others, id, began, credit) */
static PyObject *
socket_open(PyObject *self, PyObject *args)
{
    Socket *socket = (Socket *)self;
    PyObject *outbox, *create_future, *others;
    unsigned long long id, began;
    long long credit;
    if (!PyArg_ParseTuple(args, "OOO!KKL", &outbox, &create_future, &PySet_Type, &others, &id, &began, &credit)) {
        return NULL;
    }
    State *state = PyType_GetModuleState(Py_TYPE(outbox));
    if (state == NULL || Py_TYPE(outbox) != state->outbox || socket->outbox != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this socket cannot be opened so");
        return NULL;
    }
    socket->none = done_new(state, NULL, NULL);
    if (socket->none == NULL) {
        return NULL;
    }
    socket->outbox = (Outbox *)Py_NewRef(outbox);
    socket->state = state;
    socket->create_future = Py_NewRef(create_future);
    socket->others = Py_NewRef(others);
    socket->id = id;
    socket->began = began;
    socket->credit = credit;
    Py_RETURN_NONE;
}

static PyObject *
socket_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    return PyType_GenericAlloc(type, 0); /* all zero */
}

static void
socket_dealloc(PyObject *self)
{
    Socket *socket = (Socket *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free); /* a subclass's may be another */
    while (socket->count > 0) {
        Py_DECREF(socket_pop(socket));
    }
    free(socket->messages);
    free(socket->sizes);
    Py_XDECREF((PyObject *)socket->outbox);
    Py_XDECREF(socket->none);
    Py_XDECREF(socket->create_future);
    Py_XDECREF(socket->waiter);
    Py_XDECREF(socket->others);
    Py_XDECREF(socket->end);
    release(self);
    Py_DECREF(type);
}

static PyMemberDef socket_members[] = {
    {"state", T_INT, offsetof(Socket, phase), 0, NULL},
    {"gone", T_BOOL, offsetof(Socket, gone), 0, NULL},
    {"_connected", T_BOOL, offsetof(Socket, connected), 0, NULL},
    {"_credit", T_LONGLONG, offsetof(Socket, credit), 0, NULL},
    {"_end", T_OBJECT, offsetof(Socket, end), 0, NULL},
    {"_in_hand", T_ULONG, offsetof(Socket, in_hand), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef socket_methods[] = {
    {"open", socket_open, METH_VARARGS, "Gives the socket what it works with."},
    {"receive", socket_receive, METH_NOARGS, NULL},
    {"send", socket_send, METH_O, NULL},
    {"_next", socket_next, METH_NOARGS, "The next message, or None."},
    {"unread", socket_unread, METH_NOARGS, "How many messages the app has not received."},
    {"wake_first", socket_wake, METH_NOARGS, "Wakes who waits for a message in C."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot socket_slots[] = {
    {Py_tp_doc, "An open WebSocket."},
    {Py_tp_new, socket_new},
    {Py_tp_dealloc, socket_dealloc},
    {Py_tp_members, socket_members},
    {Py_tp_methods, socket_methods},
    {0, NULL},
};

PyType_Spec socket_spec = {
    .name = "_girin.Socket",
    .basicsize = sizeof(Socket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = socket_slots,
};
