/* The next message of a WebSocket, as an awaitable. */
#include "asgi.h"

/* What receive returns: it takes a message only when it is awaited. */
typedef struct {
    PyObject_HEAD
    Socket *socket;  /* owned */
    PyObject *inner; /* owned: what it waits in; NULL: nothing */
    PyObject *future; /* owned: what wakes it; NULL: inner is Python's receive */
} Receiving;

/* Returns what waits for the next message of a socket. */
PyObject *
receiving_new(Socket *socket)
{
    Receiving *receiving = PyObject_New(Receiving, socket->state->receiving);
    if (receiving != NULL) {
        receiving->socket = (Socket *)Py_NewRef((PyObject *)socket);
        receiving->inner = receiving->future = NULL;
    }
    return (PyObject *)receiving;
}

/* Begins to wait in Python's receive. */
static int
wait_in_python(Receiving *receiving)
{
    receiving->inner = PyObject_CallMethod((PyObject *)receiving->socket, "receive_in_python", NULL);
    return receiving->inner != NULL ? 0 : -1;
}

/* Begins to wait for the next message. */
static int
wait_for_message(Receiving *receiving)
{
    Socket *socket = receiving->socket;
    PyObject *future = PyObject_CallNoArgs(socket->create_future);
    receiving->inner = future != NULL ? PyObject_GetIter(future) : NULL;
    if (receiving->inner == NULL) {
        Py_XDECREF(future);
        return -1;
    }
    receiving->future = future;
    socket->waiter = Py_NewRef(future);
    return 0;
}

/* Ends a wait. */
static void
stop_waiting(Receiving *receiving)
{
    Socket *socket = receiving->socket;
    if (receiving->future != NULL && socket->waiter == receiving->future) {
        Py_CLEAR(socket->waiter);
    }
    Py_CLEAR(receiving->future);
    Py_CLEAR(receiving->inner);
}

/* Returns a message if there is one, or NULL with the wait for one begun; -1 in
 * *failed. */
static PyObject *
next_message(Receiving *receiving, int *failed)
{
    Socket *socket = receiving->socket;
    if (!socket->connected || socket_tell_taken(socket) < 0) {
        *failed = socket->connected ? -1 : wait_in_python(receiving);
        return NULL;
    }
    if (socket->count > 0) {
        return socket_pop(socket);
    }
    int in_python = socket->phase != OPEN || socket_has_ended(socket) || socket->waiter != NULL;
    *failed = in_python ? wait_in_python(receiving) : wait_for_message(receiving);
    return NULL;
}

/* Goes on: PYGEN_RETURN with a message in *result, PYGEN_NEXT with what is waited
 * for, or PYGEN_ERROR. */
static PySendResult
receiving_step(Receiving *receiving, PyObject *value, PyObject **result)
{
    for (;;) {
        if (receiving->inner != NULL) {
            PyObject *inner = Py_NewRef(receiving->inner);
            PySendResult sent = PyIter_Send(inner, value, result);
            Py_DECREF(inner);
            if (sent == PYGEN_NEXT) {
                return sent;
            }
            int by_future = receiving->future != NULL;
            stop_waiting(receiving);
            if (sent == PYGEN_ERROR || !by_future) {
                return sent;
            }
            Py_CLEAR(*result);
            value = Py_None;
        }
        int failed = 0;
        *result = next_message(receiving, &failed);
        if (*result != NULL) {
            return PYGEN_RETURN;
        }
        if (failed) {
            return PYGEN_ERROR;
        }
    }
}

static PyObject *
receiving_self(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *
raise_result(PySendResult sent, PyObject *result)
{
    if (sent == PYGEN_RETURN) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_CLEAR(result);
    }
    return sent == PYGEN_NEXT ? result : NULL;
}

static PyObject *
receiving_py_send(PyObject *self, PyObject *value)
{
    PyObject *result = NULL;
    PySendResult sent = receiving_step((Receiving *)self, value, &result);
    return raise_result(sent, result);
}

static PyObject *
receiving_next(PyObject *self)
{
    return receiving_py_send(self, Py_None);
}

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult
receiving_am_send(PyObject *self, PyObject *value, PyObject **result)
{
    *result = NULL;
    return receiving_step((Receiving *)self, value, result);
}
#endif

/* throw(exception) or throw(type, value, traceback). */
static PyObject *
receiving_throw(PyObject *self, PyObject *args)
{
    Receiving *receiving = (Receiving *)self;
    if (receiving->inner == NULL) {
        PyObject *error = TUPLE_SIZE(args) > 0 ? TUPLE_ITEM(args, 0) : PyExc_RuntimeError;
        int instance = PyExceptionInstance_Check(error);
        PyErr_SetObject(instance ? (PyObject *)Py_TYPE(error) : error, instance ? error : NULL);
        return NULL;
    }
    PyObject *inner = Py_NewRef(receiving->inner);
    PyObject *method = PyObject_GetAttrString(inner, "throw");
    PyObject *waited = method != NULL ? PyObject_CallObject(method, args) : NULL;
    Py_XDECREF(method);
    Py_DECREF(inner);
    if (waited == NULL) {
        stop_waiting(receiving);
    }
    return waited;
}

static PyObject *
receiving_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Receiving *receiving = (Receiving *)self;
    if (receiving->inner != NULL && receiving->future == NULL) {
        PyObject *done = PyObject_CallMethod(receiving->inner, "close", NULL);
        if (done == NULL) {
            return NULL;
        }
        Py_DECREF(done);
    }
    stop_waiting(receiving);
    Py_RETURN_NONE;
}

static void
receiving_dealloc(PyObject *self)
{
    Receiving *receiving = (Receiving *)self;
    PyTypeObject *type = Py_TYPE(self);
    stop_waiting(receiving);
    Py_DECREF((PyObject *)receiving->socket);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef receiving_methods[] = {
    {"send", receiving_py_send, METH_O, NULL},
    {"throw", receiving_throw, METH_VARARGS, NULL},
    {"close", receiving_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot receiving_slots[] = {
    {Py_tp_doc, "The next message of a socket; a coroutine to who asks."},
    {Py_tp_dealloc, receiving_dealloc},
    {Py_tp_iter, receiving_self},
    {Py_tp_iternext, receiving_next},
    {Py_am_await, receiving_self},
#if PY_VERSION_HEX >= 0x030a0000
    {Py_am_send, receiving_am_send},
#endif
    {Py_tp_methods, receiving_methods},
    {0, NULL},
};

PyType_Spec receiving_spec = {
    .name = "_girin.Receiving",
    .basicsize = sizeof(Receiving),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = receiving_slots,
};
