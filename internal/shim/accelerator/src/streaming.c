/* An answer whose head is out: what of http.py runs for each further part. */
#include <stddef.h>

#include "asgi.h"

#include <structmember.h> /* needs Python.h before it */

static void
fill_frame(const Streaming *streaming, unsigned char *frame, int flags, size_t size)
{
    uint64_t service = (clock_ns(CLOCK_MONOTONIC) - streaming->began) / 1000;
    memset(frame, 0, RESPONSE_HEAD);
    put_u64(frame, streaming->id);
    put_u64(frame + 8, streaming->began);
    put_u32(frame + 16, service < MAX_MICROSECONDS ? (uint32_t)service : MAX_MICROSECONDS);
    put_u32(frame + 20, NOT_MEASURED);
    put_u32(frame + 28, (uint32_t)size);
    frame[32] = BLOCK;
    frame[33] = (unsigned char)flags;
}

/* Sends a part of the body. */
static int
emit_part(Streaming *streaming, PyObject *body, size_t size)
{
    Outbox *outbox = streaming->intake->outbox;
    unsigned char frame[RESPONSE_HEAD];
    fill_frame(streaming, frame, 0, size);
    int failed = outbox_put_body(outbox, frame, NULL, body);
    if (!failed) { /* without memory none of it is out, and the app may try again */
        streaming->sent += (long long)size;
    }
    return failed;
}

static int
emit_end(Streaming *streaming)
{
    unsigned char frame[RESPONSE_HEAD];
    fill_frame(streaming, frame, FINAL, 0);
    if (outbox_put(streaming->intake->outbox, frame, NULL, "", 0) < 0) {
        return -1;
    }
    PyObject *done = PyObject_CallMethod((PyObject *)streaming, "_ended", NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Is this a part of the body that may go out at once? Only exact types are accepted, so that code of
 * the app's runs nowhere but in the looks into the dict, where a key of its own compares: the body,
 * which that could take out again, is looked up last. */
static int
find_part(const Streaming *streaming, PyObject *message, PyObject **body, int *more)
{
    Intake *intake = streaming->intake;
    PyObject *type = PyDict_GetItemWithError(message, intake->key_type);
    if (type == NULL || !same_text(type, intake->type_body)) {
        return 0;
    }
    PyObject *follows = PyDict_GetItemWithError(message, intake->key_more);
    *more = follows == Py_True;
    if (follows == NULL ? PyErr_Occurred() != NULL : follows != Py_True && follows != Py_False) {
        return 0;
    }
    *body = PyDict_GetItemWithError(message, intake->key_body);
    if (*body == NULL || !PyBytes_CheckExact(*body)) {
        return 0;
    }
    long long size = (long long)BYTES_SIZE(*body), sent = streaming->sent + size;
    return size <= MAX_BLOCK && sent <= streaming->window + streaming->granted &&
           (streaming->length < 0 || sent == streaming->length || (*more && sent < streaming->length));
}

/* Takes a message; 0: Python must see to it. */
static int
take(Streaming *streaming, PyObject *message)
{
    PyObject *body = NULL;
    int more = 0;
    if (!find_part(streaming, message, &body, &more)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    size_t size = (size_t)BYTES_SIZE(body);
    if ((size > 0 && emit_part(streaming, body, size) < 0) || (!more && emit_end(streaming) < 0)) {
        return -1;
    }
    return 1;
}

PyObject *
streaming_send(PyObject *self, PyObject *message)
{
    Streaming *streaming = (Streaming *)self;
    int taken = 0;
    if (streaming->state == STARTED && streaming->plain && !streaming->gone && PyDict_CheckExact(message)) {
        taken = take(streaming, message);
    }
    return taken < 0   ? NULL
           : taken > 0 ? Py_NewRef(streaming->intake->none)
                       : PyObject_CallMethod(self, "send_in_python", "O", message);
}

/* open(outbox, intake): gives it what it works with. */
static PyObject *
streaming_open(PyObject *self, PyObject *args)
{
    Streaming *streaming = (Streaming *)self;
    PyObject *outbox, *intake;
    if (!PyArg_ParseTuple(args, "OO", &outbox, &intake)) {
        return NULL;
    }
    State *state = PyType_GetModuleState(Py_TYPE(outbox));
    if (state == NULL || !PyObject_TypeCheck(intake, state->intake) || streaming->intake != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this answer cannot be opened so");
        return NULL;
    }
    streaming->intake = (Intake *)Py_NewRef(intake);
    Py_RETURN_NONE;
}

static PyObject *
streaming_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    return PyType_GenericAlloc(type, 0); /* all zero */
}

static void
streaming_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free); /* a subclass's may be another */
    Py_XDECREF((PyObject *)((Streaming *)self)->intake);
    release(self);
    Py_DECREF(type);
}

static PyMemberDef streaming_members[] = {
    {"id", T_ULONGLONG, offsetof(Streaming, id), 0, NULL},
    {"began", T_ULONGLONG, offsetof(Streaming, began), 0, NULL},
    {"state", T_INT, offsetof(Streaming, state), 0, NULL},
    {"gone", T_BOOL, offsetof(Streaming, gone), 0, NULL},
    {"plain", T_BOOL, offsetof(Streaming, plain), 0, NULL},
    {"window", T_LONGLONG, offsetof(Streaming, window), 0, NULL},
    {"granted", T_LONGLONG, offsetof(Streaming, granted), 0, NULL},
    {"sent", T_LONGLONG, offsetof(Streaming, sent), 0, NULL},
    {"length", T_LONGLONG, offsetof(Streaming, length), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef streaming_methods[] = {
    {"open", streaming_open, METH_VARARGS, "Gives it what it works with."},
    {"send", streaming_send, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot streaming_slots[] = {
    {Py_tp_doc, "An answer that is sent in parts."},
    {Py_tp_new, streaming_new},
    {Py_tp_dealloc, streaming_dealloc},
    {Py_tp_members, streaming_members},
    {Py_tp_methods, streaming_methods},
    {0, NULL},
};

PyType_Spec streaming_spec = {
    .name = "_girin.Streaming",
    .basicsize = sizeof(Streaming),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = streaming_slots,
};
