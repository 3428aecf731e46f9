/* What the master sends for WebSockets, cut into frames: inbound.py. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asgi.h"

enum { FIRST_CAPACITY = 64 << 10, KEPT_CAPACITY = 256 << 10 };

typedef struct {
    PyObject_HEAD
    State *state;
    PyObject *exchanges, *incoming; /* owned */
    int fd;                         /* the response socket */
    char *data;                     /* owned */
    size_t size, capacity;
} Inbound;

/* Makes room for a frame of so many bytes, and for more than what is there. */
static int
make_room(Inbound *inbound, size_t whole)
{
    size_t capacity = whole > FIRST_CAPACITY ? whole : FIRST_CAPACITY;
    if (inbound->capacity >= capacity && (inbound->capacity <= KEPT_CAPACITY || inbound->size > KEPT_CAPACITY)) {
        return 0;
    }
    char *data = realloc(inbound->data, capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    inbound->data = data;
    inbound->capacity = capacity;
    return 0;
}

/* Hands a frame over: a message to its socket, anything else to Python. */
static int
hand_over(Inbound *inbound, const char *head, const char *data, size_t size)
{
    int kind = (unsigned char)head[16];
    PyObject *id = PyLong_FromUnsignedLongLong(get_u64(head));
    PyObject *socket = id != NULL ? PyDict_GetItemWithError(inbound->exchanges, id) : NULL;
    int status = PyErr_Occurred() ? -1 : 0;
    if (status == 0 && socket != NULL && (kind == TEXT_CAME || kind == BINARY_CAME) &&
        PyObject_TypeCheck(socket, inbound->state->socket)) {
        Py_INCREF(socket);
        status = socket_came((Socket *)socket, kind == TEXT_CAME, data, size);
        Py_DECREF(socket);
    } else if (status == 0) {
        int code = (unsigned char)head[18] | (unsigned char)head[19] << 8;
        PyObject *done = PyObject_CallFunction(inbound->incoming, "iOiy#", kind, id, code, data, (Py_ssize_t)size);
        Py_XDECREF(done);
        status = done != NULL ? 0 : -1;
    }
    Py_XDECREF(id);
    return status;
}

/* Hands over what is whole, and makes room for the rest. */
static int
cut(Inbound *inbound)
{
    size_t at = 0, whole = INBOUND_HEAD;
    int status = 0;
    while (status == 0 && inbound->size - at >= INBOUND_HEAD) {
        const char *head = inbound->data + at;
        size_t size = get_u32(head + 8);
        if (inbound->size - at - INBOUND_HEAD < size) {
            whole = INBOUND_HEAD + size;
            break;
        }
        status = hand_over(inbound, head, head + INBOUND_HEAD, size);
        at += INBOUND_HEAD + size;
    }
    inbound->size -= at;
    memmove(inbound->data, inbound->data + at, inbound->size);
    return status < 0 ? -1 : make_room(inbound, whole);
}

/* read(): something can be read. */
static PyObject *
inbound_read(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Inbound *inbound = (Inbound *)self;
    ssize_t n = recv(inbound->fd, inbound->data + inbound->size, inbound->capacity - inbound->size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        Py_RETURN_NONE;
    }
    if (n <= 0) {
        _exit(1); /* the master is gone, and with it every client */
    }
    inbound->size += (size_t)n;
    if (cut(inbound) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
inbound_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    int fd;
    PyObject *exchanges, *incoming;
    if (!PyArg_ParseTuple(args, "iO!O", &fd, &PyDict_Type, &exchanges, &incoming)) {
        return NULL;
    }
    Inbound *inbound = (Inbound *)PyType_GenericAlloc(type, 0); /* all zero */
    if (inbound == NULL) {
        return NULL;
    }
    inbound->fd = fd;
    inbound->state = PyType_GetModuleState(type);
    inbound->exchanges = Py_NewRef(exchanges);
    inbound->incoming = Py_NewRef(incoming);
    if (make_room(inbound, 0) < 0) {
        Py_DECREF((PyObject *)inbound);
        return NULL;
    }
    return (PyObject *)inbound;
}

static void
inbound_dealloc(PyObject *self)
{
    Inbound *inbound = (Inbound *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(inbound->exchanges);
    Py_XDECREF(inbound->incoming);
    free(inbound->data);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef inbound_methods[] = {
    {"read", inbound_read, METH_NOARGS, "Something can be read."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot inbound_slots[] = {
    {Py_tp_doc, "Inbound(fd, exchanges, incoming): cuts what comes into frames and hands them over."},
    {Py_tp_new, inbound_new},
    {Py_tp_dealloc, inbound_dealloc},
    {Py_tp_methods, inbound_methods},
    {0, NULL},
};

PyType_Spec inbound_spec = {
    .name = "_girin.Inbound",
    .basicsize = sizeof(Inbound),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = inbound_slots,
};
