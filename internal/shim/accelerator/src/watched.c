/* A coroutine whose steps the state page shows: steps.py, for tasks that are not measured. */
#include "asgi.h"

typedef struct {
    PyObject_HEAD
    Intake *intake;      /* owned */
    PyObject *coroutine; /* owned, until it has ended */
} Watched;

/* watch(coroutine): returns what a task may run in its place. */
PyObject *
intake_watch(PyObject *self, PyObject *coroutine)
{
    Intake *intake = (Intake *)self;
    if (intake->state == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this intake was not bound");
        return NULL;
    }
    Watched *watched = PyObject_New(Watched, intake->state->watched);
    if (watched != NULL) {
        watched->intake = (Intake *)Py_NewRef(self);
        watched->coroutine = Py_NewRef(coroutine);
    }
    return (PyObject *)watched;
}

/* Returns the coroutine, which is the caller's; a step begins. */
static PyObject *
begin_step(Watched *watched)
{
    if (watched->coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    __atomic_store_n(watched->intake->step, clock_ns(CLOCK_MONOTONIC), __ATOMIC_RELAXED);
    return Py_NewRef(watched->coroutine);
}

/* After a step of the coroutine, which it takes over. */
static void
end_step(Watched *watched, PyObject *coroutine, int goes_on)
{
    __atomic_store_n(watched->intake->step, 0, __ATOMIC_RELAXED);
    if (!goes_on) {
        Py_CLEAR(watched->coroutine);
    }
    Py_DECREF(coroutine);
}

static PySendResult
step(Watched *watched, PyObject *value, PyObject **result)
{
    *result = NULL;
    PyObject *coroutine = begin_step(watched);
    if (coroutine == NULL) {
        return PYGEN_ERROR;
    }
    PySendResult sent = PyIter_Send(coroutine, value, result);
    end_step(watched, coroutine, sent == PYGEN_NEXT);
    return sent;
}

static PyObject *
watched_py_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = step((Watched *)self, value, &result);
    if (sent == PYGEN_RETURN) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *
watched_next(PyObject *self)
{
    return watched_py_send(self, Py_None);
}

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult
watched_am_send(PyObject *self, PyObject *value, PyObject **result)
{
    return step((Watched *)self, value, result);
}
#endif

/* throw(exception) or throw(type, value, traceback). */
static PyObject *
watched_throw(PyObject *self, PyObject *args)
{
    Watched *watched = (Watched *)self;
    PyObject *coroutine = begin_step(watched);
    if (coroutine == NULL) {
        return NULL;
    }
    PyObject *method = PyObject_GetAttrString(coroutine, "throw");
    PyObject *waited = method != NULL ? PyObject_CallObject(method, args) : NULL;
    Py_XDECREF(method);
    end_step(watched, coroutine, waited != NULL);
    return waited;
}

static PyObject *
watched_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *coroutine = ((Watched *)self)->coroutine;
    return coroutine != NULL ? PyObject_CallMethod(coroutine, "close", NULL) : Py_NewRef(Py_None);
}

static PyObject *
watched_self(PyObject *self)
{
    return Py_NewRef(self);
}

/* An attribute of the coroutine, for who shows stacks. */
static PyObject *
of_coroutine(PyObject *self, void *name)
{
    PyObject *coroutine = ((Watched *)self)->coroutine;
    return coroutine != NULL ? PyObject_GetAttrString(coroutine, name) : Py_NewRef(Py_None);
}

static PyGetSetDef watched_getset[] = {
    {"cr_frame", of_coroutine, NULL, NULL, "cr_frame"},
    {"cr_await", of_coroutine, NULL, NULL, "cr_await"},
    {"cr_code", of_coroutine, NULL, NULL, "cr_code"},
    {"cr_running", of_coroutine, NULL, NULL, "cr_running"},
    {"cr_origin", of_coroutine, NULL, NULL, "cr_origin"},
    {NULL, NULL, NULL, NULL, NULL},
};

static void
watched_dealloc(PyObject *self)
{
    Watched *watched = (Watched *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(watched->coroutine);
    Py_DECREF((PyObject *)watched->intake);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef watched_methods[] = {
    {"send", watched_py_send, METH_O, NULL},
    {"throw", watched_throw, METH_VARARGS, NULL},
    {"close", watched_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot watched_slots[] = {
    {Py_tp_doc, "A coroutine whose steps the state page shows."},
    {Py_tp_dealloc, watched_dealloc},
    {Py_tp_iter, watched_self},
    {Py_tp_iternext, watched_next},
    {Py_am_await, watched_self},
#if PY_VERSION_HEX >= 0x030a0000
    {Py_am_send, watched_am_send},
#endif
    {Py_tp_methods, watched_methods},
    {Py_tp_getset, watched_getset},
    {0, NULL},
};

PyType_Spec watched_spec = {
    .name = "_girin.Watched",
    .basicsize = sizeof(Watched),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = watched_slots,
};
