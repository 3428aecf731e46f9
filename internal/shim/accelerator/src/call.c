/* One request: what its task runs, and its receive and send. */
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

/* Hands the call over to the Python class; returns the exchange, which the call
 * owns. */
static PyObject *
adopt(Call *call)
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
    PyObject *body = call->body != NULL ? Py_NewRef(call->body) : PyBytes_FromStringAndSize(NULL, 0);
    PyObject *full = PyObject_CallMethod(
        (PyObject *)call->intake, "adopt", "iKKIiOOONNiniO", call->slot, (unsigned long long)call->id,
        (unsigned long long)call->began, call->window, call->is_head, call->method, call->raw_path,
        call->task != NULL ? call->task : Py_None, body, block, call->state, (Py_ssize_t)call->sent, call->received,
        call->over ? Py_False : Py_True);
    if (full != NULL && call->full == NULL) {
        call->full = full;
    } else {
        Py_XDECREF(full);
    }
    return full != NULL ? call->full : NULL;
}

/* The app's receive and send. */

static PyObject *
in_python(Call *call, const char *method, PyObject *message)
{
    PyObject *full = adopt(call);
    return full == NULL        ? NULL
           : message != NULL ? PyObject_CallMethod(full, method, "O", message)
                             : PyObject_CallMethod(full, method, NULL);
}

static PyObject *
call_receive(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Call *call = (Call *)self;
    Intake *intake = call->intake;
    if (call->received || call->full != NULL || call->over) {
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
    Py_CLEAR(call->body);
    return done_new(intake->state, message);
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

/* Nothing may follow the head for long: then it goes out alone. */
static int
keep_head(Call *call)
{
    PyObject *full = adopt(call);
    PyObject *done = full != NULL ? PyObject_CallMethod((PyObject *)call->intake, "keep_head", "O", full) : NULL;
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
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
    if (status == NULL || PyErr_Occurred() || !encode(call, status, headers)) {
        head_reset(&call->head);
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!call->stepping && keep_head(call) < 0) {
        return -1;
    }
    return 1;
}

static int
emit(Call *call, PyObject *body)
{
    uint64_t service = (clock_ns(CLOCK_MONOTONIC) - call->began) / 1000;
    unsigned char frame[RESPONSE_HEAD];
    put_u64(frame, call->id);
    put_u64(frame + 8, call->began);
    put_u32(frame + 16, service < MAX_MICROSECONDS ? (uint32_t)service : MAX_MICROSECONDS);
    put_u32(frame + 20, NOT_MEASURED);
    put_u32(frame + 24, (uint32_t)call->head.size);
    put_u32(frame + 28, (uint32_t)BYTES_SIZE(body));
    frame[32] = RESPONSE;
    frame[33] = FINAL | WHOLE;
    put_u16(frame + 34, (uint16_t)call->head.fields);
    if (outbox_put(call->intake->outbox, frame, &call->head, BYTES_DATA(body), (size_t)BYTES_SIZE(body)) < 0) {
        return -1;
    }
    call->state = ENDED;
    call->sent = (size_t)BYTES_SIZE(body);
    return 1;
}

/* http.response.body, if it is the whole body; 0: Python must see to it. */
static int
take_body(Call *call, PyObject *message)
{
    Intake *intake = call->intake;
    PyObject *body = PyDict_GetItemWithError(message, intake->key_body);
    PyObject *more = PyErr_Occurred() ? NULL : PyDict_GetItemWithError(message, intake->key_more);
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
static int
is(PyObject *string, PyObject *text)
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
        if (type != NULL && is(type, intake->type_start)) {
            taken = take_start(call, message);
        } else if (type != NULL && is(type, intake->type_body)) {
            taken = take_body(call, message);
        }
        if (taken < 0 || PyErr_Occurred()) {
            return NULL;
        }
    }
    return taken ? Py_NewRef(intake->none) : in_python(call, "send", message);
}

static PyMethodDef receive_def = {"receive", call_receive, METH_NOARGS, NULL};
static PyMethodDef send_def = {"send", call_send, METH_O, NULL};

/* What the task runs. */

/* Calls the app, within its task; what is awaited then is call->coroutine. */
static int
begin(Call *call)
{
    PyObject *scope = call->scope;
    call->scope = NULL;
    PyObject *receive = PyCFunction_NewEx(&receive_def, (PyObject *)call, NULL);
    PyObject *send = PyCFunction_NewEx(&send_def, (PyObject *)call, NULL);
    PyObject *args[4] = {NULL, scope, receive, send};
    if (receive != NULL && send != NULL) {
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

/* The app has returned, or raised what is being raised. */
static int
end(Call *call)
{
    Py_CLEAR(call->coroutine);
    PyObject *error = PyErr_Occurred() ? PyErr_GetRaisedException() : NULL;
    int status = 0;
    if (error == NULL && call->full == NULL && call->state == ENDED) {
        call->over = 1;
        status = leave(call);
    } else {
        PyObject *full = adopt(call);
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
        PyObject *fault = PyErr_GetRaisedException();
        PyObject *never = PyObject_CallMethod(call->intake->worker, "fatal", "O", fault);
        Py_XDECREF(never);
        Py_XDECREF(fault);
    }
    return status;
}

/* The app waits for something: from now on its task may have to be cancelled. */
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
    return call->full == NULL && call->head.given && call->state == NOTHING ? keep_head(call) : 0;
}

/* After a step: returns what the app waits for, which is the caller's, or NULL:
 * it has ended, or -1 is in *failed. */
static PyObject *
stepped(Call *call, PyObject *waited, int *failed)
{
    call->stepping = 0;
    *failed = 0;
    if (waited == NULL) {
        *failed = end(call);
    } else if (waits(call) < 0) {
        *failed = -1;
        Py_CLEAR(waited);
    }
    return waited;
}

/* One step of the app. Returns as stepped does. */
static PyObject *
step(Call *call, PyObject *value, int *failed)
{
    PyObject *waited = NULL;
    if (call->scope == NULL && call->coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        *failed = -1;
        return NULL;
    }
    Py_INCREF((PyObject *)call);
    call->stepping = 1;
    if (call->coroutine != NULL || begin(call) == 0) {
        PyObject *coroutine = Py_NewRef(call->coroutine);
        if (PyIter_Send(coroutine, value, &waited) == PYGEN_RETURN) {
            Py_CLEAR(waited);
        }
        Py_DECREF(coroutine);
    }
    waited = stepped(call, waited, failed);
    Py_DECREF((PyObject *)call);
    return waited;
}

static PyObject *
call_py_send(PyObject *self, PyObject *value)
{
    int failed;
    PyObject *waited = step((Call *)self, value, &failed);
    if (waited == NULL && !failed) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return waited;
}

static PyObject *
call_next(PyObject *self)
{
    int failed;
    return step((Call *)self, Py_None, &failed); /* without an exception: StopIteration */
}

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult
call_am_send(PyObject *self, PyObject *value, PyObject **result)
{
    int failed;
    *result = step((Call *)self, value, &failed);
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
        call->stepping = 1;
        waited = method != NULL ? PyObject_CallObject(method, args) : NULL;
        Py_XDECREF(method);
        if (waited == NULL && PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
        }
    }
    waited = stepped(call, waited, &failed);
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
        if (end(call) < 0) {
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
    PyObject *full = adopt((Call *)self);
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
                         call->task, call->body, call->method, call->raw_path};
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
