/* The steps of a request's application, from its first to its end. */
#include "asgi.h"

enum { TRIES = 500, SHORT_WAIT = 1000000 }; /* ns, as in shortage.py */

/* The threads that the app uses from now on are measured. */
static int
measure_threads(Call *call)
{
    Intake *intake = call->intake;
    if (!call->measured || intake->set_thread_time == Py_None) {
        return 0;
    }
    call->thread_time = Py_BuildValue("[i]", 0);
    PyObject *token = call->thread_time != NULL ? PyObject_CallFunctionObjArgs(intake->set_thread_time, call->thread_time, NULL) : NULL;
    Py_XDECREF(token);
    return token != NULL ? 0 : -1;
}

/* Calls the app, within its task; what is awaited then is call->coroutine. */
static int
begin(Call *call)
{
    PyObject *scope = call->scope;
    call->scope = NULL;
    PyObject *receive = PyCFunction_NewEx(&call_receive_def, (PyObject *)call, NULL);
    PyObject *send = PyCFunction_NewEx(&call_send_def, (PyObject *)call, NULL);
    PyObject *args[4] = {NULL, scope, receive, send};
    if (receive != NULL && send != NULL && measure_threads(call) == 0) {
        call->coroutine = PyObject_Vectorcall(call->intake->app, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(receive);
    Py_XDECREF(send);
    Py_DECREF(scope);
    if (call->coroutine != NULL && (PyObject *)Py_TYPE(call->coroutine) != call->intake->coroutine_type) {
        PyObject *wrapped = PyObject_CallMethod((PyObject *)call->intake, "await_it", "O", call->coroutine);
        Py_DECREF(call->coroutine);
        call->coroutine = wrapped;
    }
    return call->coroutine != NULL ? 0 : -1;
}

/* Lets another request have the place. */
static int
leave(Call *call)
{
    Intake *intake = call->intake;
    PyObject *id = PyLong_FromUnsignedLongLong(call->id), *slot = PyLong_FromLong(call->slot);
    int failed = id == NULL || slot == NULL || PyDict_DelItem(intake->exchanges, id) < 0 ||
                 PyList_Append(intake->free, slot) < 0;
    Py_XDECREF(id);
    Py_XDECREF(slot);
    if (failed) {
        return -1;
    }
    __atomic_store_n(&intake->cells[2 * call->slot], 0, __ATOMIC_RELEASE);
    PyObject *stopped = PyObject_GetAttr(intake->lanes, intake->name_stopped);
    int look = stopped == NULL ? -1 : stopped == Py_True || LIST_SIZE(intake->free) == 1;
    Py_XDECREF(stopped);
    if (look > 0) {
        PyObject *done = PyObject_CallMethod((PyObject *)intake, "room", NULL);
        Py_XDECREF(done);
        look = done != NULL ? 0 : -1;
    }
    return look;
}

/* As call_adopt, again and again while there is no memory for it: patiently in shortage.py. */
static PyObject *
adopt_patiently(Call *call)
{
    PyObject *full = call_adopt(call);
    for (int i = 0; i < TRIES && full == NULL && PyErr_ExceptionMatches(PyExc_MemoryError); i++) {
        PyErr_Clear();
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&(struct timespec){.tv_nsec = SHORT_WAIT}, NULL);
        Py_END_ALLOW_THREADS
        full = call_adopt(call);
    }
    return full;
}

/* The app has returned, or raised what is being raised. */
int
call_end(Call *call)
{
    Py_CLEAR(call->coroutine);
    PyObject *error = PyErr_Occurred() ? PyErr_GetRaisedException() : NULL;
    int status = 0;
    if (error == NULL && call->full == NULL && call->state == ENDED) {
        call->over = 1;
        status = leave(call);
    } else {
        PyObject *full = adopt_patiently(call);
        call->over = 1;
        PyObject *done = full == NULL ? NULL
                                      : PyObject_CallMethod((PyObject *)call->intake, "over", "OO", full,
                                                            error != NULL ? error : Py_None);
        Py_XDECREF(done);
        status = done != NULL ? 0 : -1;
    }
    Py_XDECREF(error);
    Py_CLEAR(call->task);
    if (status < 0) {
        intake_fatal(call->intake);
    }
    return status;
}

/* The app waits for something: from now on its task may have to be cancelled. -1: it cannot wait. */
static int
waits(Call *call)
{
    if (call->task == NULL) {
        call->task = PyObject_CallMethod((PyObject *)call->intake, "current_task", NULL);
        if (call->task == NULL ||
            (call->full != NULL && PyObject_SetAttrString(call->full, "task", call->task) < 0)) {
            return -1;
        }
    }
    return call->full == NULL && call->head.given && call->state == NOTHING ? call_keep_head(call) : 0;
}

/* After a step: returns what the app waits for, which is the caller's, or NULL:
 * it has ended, or -1 is in *failed. */
PyObject *
call_stepped(Call *call, PyObject *waited, int *failed)
{
    *failed = 0;
    if (waited == NULL) {
        call->stepping = 0;
        *failed = call_end(call);
    } else if (call_end_step(call) < 0 || waits(call) < 0) {
        Py_CLEAR(waited);
        *failed = call_end(call); /* as if the app had raised it */
    }
    __atomic_store_n(call->intake->step, 0, __ATOMIC_RELAXED);
    return waited;
}

/* One step of the app. Returns as call_stepped does. */
PyObject *
call_step(Call *call, PyObject *value, int *failed)
{
    PyObject *waited = NULL;
    if (call->scope == NULL && call->coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        *failed = -1;
        return NULL;
    }
    Py_INCREF((PyObject *)call);
    if (call_begin_step(call) == 0 && (call->coroutine != NULL || begin(call) == 0)) {
        PyObject *coroutine = Py_NewRef(call->coroutine);
        if (PyIter_Send(coroutine, value, &waited) == PYGEN_RETURN) {
            Py_CLEAR(waited);
        }
        Py_DECREF(coroutine);
    }
    waited = call_stepped(call, waited, failed);
    Py_DECREF((PyObject *)call);
    return waited;
}
