/* An awaitable that has its result already. */
#include "asgi.h"

typedef struct {
    PyObject_HEAD
    PyObject *value; /* owned; NULL: None, as often as it is awaited */
} Done;

/* Returns an awaitable whose result is value, a dict, which it takes over. */
PyObject *
done_new(State *state, PyObject *value)
{
    Done *done = PyObject_New(Done, state->done);
    if (done == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    done->value = value;
    return (PyObject *)done;
}

static PyObject *
done_self(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *
done_next(PyObject *self)
{
    PyObject *value = ((Done *)self)->value;
    if (value != NULL) {
        ((Done *)self)->value = NULL;
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
done_throw(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *type, *value = Py_None, *traceback = Py_None;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &traceback)) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else {
        PyErr_SetObject(type, value == Py_None ? NULL : value);
    }
    return NULL;
}

static PyObject *
done_close(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static void
done_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
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
    Done *done = (Done *)self;
    *result = done->value != NULL ? done->value : Py_NewRef(Py_None);
    done->value = NULL;
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
