/* An awaitable that has its result already. */
#include "asgi.h"

typedef struct {
    PyObject_HEAD
    PyObject *value; /* owned; NULL: None, as often as it is awaited */
    Call *call;      /* owned; NULL, or whose body value is, until it is taken */
} Done;

/* Returns an awaitable whose result is value, a dict, which it takes over. If
 * that is call's body, call, which may be NULL, is told what becomes of it. */
PyObject *
done_new(State *state, PyObject *value, Call *call)
{
    Done *done = PyObject_New(Done, state->done);
    if (done == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    done->value = value;
    done->call = call;
    Py_XINCREF((PyObject *)call);
    return (PyObject *)done;
}

/* Takes the value out, which is the caller's; NULL: None. */
static PyObject *
take(Done *done)
{
    PyObject *value = done->value;
    done->value = NULL;
    if (done->call != NULL) {
        call_received(done->call);
        Py_CLEAR(done->call);
    }
    return value;
}

/* It is given up, as a task is that was cancelled before it began: the app has
 * received nothing. */
static void
give_up(Done *done)
{
    if (done->call != NULL) {
        call_not_received(done->call);
        Py_CLEAR(done->call);
        Py_CLEAR(done->value);
    }
}

static PyObject *
done_self(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *
done_next(PyObject *self)
{
    PyObject *value = take((Done *)self);
    if (value != NULL) {
        PyErr_SetObject(PyExc_StopIteration, value);
        Py_DECREF(value);
    }
    return NULL;
}

static PyObject *
done_py_send(PyObject *self, PyObject *Py_UNUSED(value))
{
    done_next(self);
    if (!PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return NULL;
}

/* throw(exception) or throw(type, value, traceback). */
static PyObject *
done_throw(PyObject *self, PyObject *args)
{
    PyObject *type, *value = Py_None, *traceback = Py_None;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &traceback)) {
        return NULL;
    }
    give_up((Done *)self);
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else {
        PyErr_SetObject(type, value == Py_None ? NULL : value);
    }
    return NULL;
}

static PyObject *
done_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    give_up((Done *)self);
    Py_RETURN_NONE;
}

static void
done_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    give_up((Done *)self);
    Py_XDECREF(((Done *)self)->value);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef done_methods[] = {
    {"send", done_py_send, METH_O, NULL},
    {"throw", done_throw, METH_VARARGS, NULL},
    {"close", done_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult
done_am_send(PyObject *self, PyObject *Py_UNUSED(value), PyObject **result)
{
    PyObject *value = take((Done *)self);
    *result = value != NULL ? value : Py_NewRef(Py_None);
    return PYGEN_RETURN;
}
#endif

static PyType_Slot done_slots[] = {
    {Py_tp_doc, "An awaitable that has its result already; a coroutine to who asks."},
    {Py_tp_dealloc, done_dealloc},
    {Py_tp_iter, done_self},
    {Py_tp_iternext, done_next},
    {Py_am_await, done_self},
#if PY_VERSION_HEX >= 0x030a0000
    {Py_am_send, done_am_send},
#endif
    {Py_tp_methods, done_methods},
    {0, NULL},
};

PyType_Spec done_spec = {
    .name = "_girin.Done",
    .basicsize = sizeof(Done),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = done_slots,
};
