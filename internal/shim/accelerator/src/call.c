/* One request: what its task runs in place of a coroutine. */
#include <stdlib.h>

#include "asgi.h"

/* Returns a call that knows nothing yet. */
Call *
call_new(Intake *intake)
{
    Call *call = (Call *)PyType_GenericAlloc(intake->state->call, 0); /* all zero */
    if (call != NULL) {
        call->intake = (Intake *)Py_NewRef((PyObject *)intake);
        call->head.length = -1;
    }
    return call;
}

static PyObject *
call_py_send(PyObject *self, PyObject *value)
{
    int failed;
    PyObject *waited = call_step((Call *)self, value, &failed);
    if (waited == NULL && !failed) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return waited;
}

static PyObject *
call_next(PyObject *self)
{
    int failed;
    return call_step((Call *)self, Py_None, &failed); /* without an exception: StopIteration */
}

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult
call_am_send(PyObject *self, PyObject *value, PyObject **result)
{
    int failed;
    *result = call_step((Call *)self, value, &failed);
    if (*result != NULL || failed) {
        return *result != NULL ? PYGEN_NEXT : PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}
#endif

/* throw(exception) or throw(type, value, traceback). */
static PyObject *
call_throw(PyObject *self, PyObject *args)
{
    Call *call = (Call *)self;
    PyObject *waited = NULL;
    int failed;
    if (call->coroutine == NULL) { /* it has not begun: it ends there */
        PyObject *error = TUPLE_SIZE(args) > 0 ? TUPLE_ITEM(args, 0) : PyExc_RuntimeError;
        PyErr_SetObject(PyExceptionInstance_Check(error) ? (PyObject *)Py_TYPE(error) : error,
                        PyExceptionInstance_Check(error) ? error : NULL);
        if (call->scope == NULL) {
            return NULL;
        }
        Py_CLEAR(call->scope);
    } else {
        PyObject *method = PyObject_GetAttrString(call->coroutine, "throw");
        waited = method != NULL && call_begin_step(call) == 0 ? PyObject_CallObject(method, args) : NULL;
        Py_XDECREF(method);
        if (waited == NULL && PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
        }
    }
    waited = call_stepped(call, waited, &failed);
    if (waited == NULL && !failed) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return waited;
}

/* Its task is given up. */
static PyObject *
call_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Call *call = (Call *)self;
    if (call->coroutine != NULL) {
        PyObject *done = PyObject_CallMethod(call->coroutine, "close", NULL);
        if (done != NULL) {
            Py_DECREF(done);
            PyErr_SetNone(PyExc_GeneratorExit);
        }
        if (call_end(call) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
call_self(PyObject *self)
{
    return Py_NewRef(self);
}

/* What others ask for. */

/* An attribute of the app's coroutine, for who shows stacks. */
static PyObject *
of_coroutine(PyObject *self, void *name)
{
    PyObject *coroutine = ((Call *)self)->coroutine;
    return coroutine != NULL ? PyObject_GetAttrString(coroutine, name) : Py_NewRef(Py_None);
}

/* A method of the exchange's. */
static PyObject *
of_exchange(PyObject *self, void *name)
{
    PyObject *full = call_adopt((Call *)self);
    return full != NULL ? PyObject_GetAttrString(full, name) : NULL;
}

/* What can be told of it from any thread, before and after it was handed over. */
static PyObject *
get_task(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *task = ((Call *)self)->task;
    return Py_NewRef(task != NULL ? task : Py_None);
}

static PyObject *
get_id(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Call *)self)->id);
}

static PyObject *
get_slot(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Call *)self)->slot);
}

static PyObject *
get_began(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Call *)self)->began);
}

static PyObject *
get_name(PyObject *self, void *Py_UNUSED(closure))
{
    Call *call = (Call *)self;
    return PyObject_CallMethod((PyObject *)call->intake, "name_of", "OO", call->method, call->raw_path);
}

static PyGetSetDef call_getset[] = {
    {"task", get_task, NULL, NULL, NULL},
    {"id", get_id, NULL, NULL, NULL},
    {"slot", get_slot, NULL, NULL, NULL},
    {"began", get_began, NULL, NULL, NULL},
    {"name", get_name, NULL, NULL, NULL},
    {"gone", of_exchange, NULL, NULL, "gone"},
    {"grant", of_exchange, NULL, NULL, "grant"},
    {"left", of_exchange, NULL, NULL, "left"},
    {"body_came", of_exchange, NULL, NULL, "body_came"},
    {"cr_frame", of_coroutine, NULL, NULL, "cr_frame"},
    {"cr_await", of_coroutine, NULL, NULL, "cr_await"},
    {"cr_code", of_coroutine, NULL, NULL, "cr_code"},
    {"cr_running", of_coroutine, NULL, NULL, "cr_running"},
    {"cr_origin", of_coroutine, NULL, NULL, "cr_origin"},
    {NULL, NULL, NULL, NULL, NULL},
};

static void
call_dealloc(PyObject *self)
{
    Call *call = (Call *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject *owned[] = {(PyObject *)call->intake, call->full, call->scope, call->coroutine,
                         call->task, call->body, call->method, call->raw_path, call->thread_time};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        Py_XDECREF(owned[i]);
    }
    free(call->head.data);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef call_methods[] = {
    {"send", call_py_send, METH_O, "A step of the app's coroutine."},
    {"throw", call_throw, METH_VARARGS, NULL},
    {"close", call_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "One request: the coroutine of its task."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_iter, call_self},
    {Py_tp_iternext, call_next},
    {Py_am_await, call_self},
#if PY_VERSION_HEX >= 0x030a0000
    {Py_am_send, call_am_send},
#endif
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {0, NULL},
};

PyType_Spec call_spec = {
    .name = "_girin.Call",
    .basicsize = sizeof(Call),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = call_slots,
};
