/* What the slots of a worker share, and the binding of a slot to it. */
#include <stdlib.h>

#include "girin.h"

static int
intern(PyObject **name, const char *text)
{
    *name = PyUnicode_InternFromString(text);
    return *name != NULL ? 0 : -1;
}

static int
intern_names(Loop *loop)
{
    if (intern(&loop->name_first, "first") < 0 || intern(&loop->name_active, "active") < 0 ||
        intern(&loop->name_watched, "watched") < 0 ||
        intern(&loop->name_close, "close") < 0 || intern(&loop->name_state, "state") < 0 || intern(&loop->key_input, "wsgi.input") < 0 ||
        intern(&loop->key_hints, "wsgi.early_hints") < 0 || intern(&loop->key_method, "REQUEST_METHOD") < 0) {
        return -1;
    }
    return 0;
}

/* Takes an attribute of the type that the code elsewhere relies on. */
static int
take(PyObject *object, const char *name, PyTypeObject *type, PyObject **value)
{
    *value = PyObject_GetAttrString(object, name);
    if (*value != NULL && type != NULL && !PyObject_TypeCheck(*value, type)) {
        PyErr_Format(PyExc_TypeError, "%s has the wrong type", name);
        return -1;
    }
    return *value != NULL ? 0 : -1;
}

static int
take_memory(PyObject *object, const char *name, int flags, size_t least, Py_buffer *view)
{
    PyObject *memory;
    if (take(object, name, NULL, &memory) < 0) {
        return -1;
    }
    int failed = PyObject_GetBuffer(memory, view, flags);
    Py_DECREF(memory);
    if (!failed && (size_t)view->len < least) {
        PyErr_Format(PyExc_ValueError, "%s is too small", name);
        return -1;
    }
    return failed;
}

static int
take_number(PyObject *object, const char *name, int *value)
{
    PyObject *number;
    if (take(object, name, NULL, &number) < 0) {
        return -1;
    }
    *value = (int)PyLong_AsLong(number);
    Py_DECREF(number);
    return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Takes what the loop needs of the shim's Worker. */
static int
take_worker(Loop *loop)
{
    PyObject *worker = loop->worker;
    if (take(worker, "lanes", NULL, &loop->lanes) < 0 || take(worker, "forked", &PyList_Type, &loop->forked) < 0 ||
        take(worker, "bases", &PyList_Type, &loop->bases) < 0 ||
        take(worker, "watched", &PyList_Type, &loop->watched) < 0 ||
        take(worker, "notes", &PyList_Type, &loop->notes) < 0 ||
        take_number(loop->lanes, "epoll_fd", &loop->epoll_fd) < 0 ||
        take_number(loop->lanes, "wake_fd", &loop->wake_fd) < 0 ||
        take_number(worker, "lifetime", &loop->lifetime) < 0 ||
        take_memory(worker, "page", PyBUF_WRITABLE, PAGE_FIRST_SLOT * sizeof(uint64_t), &loop->page) < 0 ||
        page_find(&loop->units, &loop->page) < 0) {
        return -1;
    }
    if (LIST_SIZE(loop->watched) > MAX_WATCHED || LIST_SIZE(loop->notes) != LIST_SIZE(loop->watched)) {
        PyErr_SetString(PyExc_ValueError, "too many variables are watched, or their notes have no names");
        return -1;
    }
    PyObject *arena;
    if (take(worker, "arena", NULL, &arena) < 0) {
        return -1;
    }
    int failed = take_memory(arena, "view", PyBUF_SIMPLE, FLAG_MASK + 1, &loop->arena);
    Py_DECREF(arena);
    return failed;
}

static PyObject *
loop_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    PyObject *worker, *leadership, *bytes_io, *file_wrapper, *protocol_error;
    int response_fd;
    if (!PyArg_ParseTuple(args, "OOiOOO", &worker, &leadership, &response_fd, &bytes_io, &file_wrapper,
                          &protocol_error)) {
        return NULL;
    }
    Loop *loop = (Loop *)PyType_GenericAlloc(type, 0); /* all zero */
    if (loop == NULL) {
        return NULL;
    }
    loop->worker = Py_NewRef(worker);
    loop->leadership = Py_NewRef(leadership);
    loop->bytes_io = Py_NewRef(bytes_io);
    loop->file_wrapper = Py_NewRef(file_wrapper);
    loop->protocol_error = Py_NewRef(protocol_error);
    loop->sender.fd = response_fd;
    loop->sender.writing = PyThread_allocate_lock();
    if (loop->sender.writing == NULL || intern_names(loop) < 0 || keys_new(loop) < 0 || take_worker(loop) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        Py_DECREF((PyObject *)loop);
        return NULL;
    }
    return (PyObject *)loop;
}

/* bind(slot, index): gives a slot its cells of the state page and a batch,
 * which is returned. */
static PyObject *
loop_bind(PyObject *self, PyObject *args)
{
    Loop *loop = (Loop *)self;
    State *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *object;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "O!n", state->slot, &object, &index)) {
        return NULL;
    }
    Slot *slot = (Slot *)object;
    Py_ssize_t cells = loop->page.len / (Py_ssize_t)sizeof(uint64_t) - PAGE_FIRST_SLOT;
    uint64_t slots = ((uint64_t *)loop->page.buf)[1];
    if (slot->loop != NULL || index < 0 || index >= cells / 2 || (uint64_t)index >= slots) {
        return PyErr_Format(PyExc_ValueError, "slot %zd cannot be bound", index);
    }
    slot->batch = batch_new(state);
    if (slot->batch == NULL) {
        return NULL;
    }
    slot->cells = (uint64_t *)loop->page.buf + PAGE_FIRST_SLOT + 2 * index;
    slot->loop = (Loop *)Py_NewRef(self);
    return Py_NewRef((PyObject *)slot->batch);
}

static void
loop_dealloc(PyObject *self)
{
    Loop *loop = (Loop *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject *owned[] = {
        loop->worker,     loop->lanes,        loop->leadership,     loop->forked,     loop->bases,
        loop->watched,    loop->notes,
        loop->bytes_io,   loop->file_wrapper, loop->protocol_error, loop->name_first, loop->name_active,
        loop->name_watched, loop->name_close, loop->name_state, loop->key_input,    loop->key_hints,      loop->key_method,
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        Py_XDECREF(owned[i]);
    }
    keys_free(loop);
    PyBuffer_Release(&loop->page);
    PyBuffer_Release(&loop->arena);
    if (loop->sender.writing != NULL) {
        PyThread_free_lock(loop->sender.writing);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef loop_methods[] = {
    {"bind", loop_bind, METH_VARARGS, "bind(slot, index): gives a slot its cells and its batch, which is returned."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot loop_slots[] = {
    {Py_tp_doc, "Loop(worker, leadership, response_fd, BytesIO, FileWrapper, ProtocolError)"},
    {Py_tp_new, loop_new},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_methods, loop_methods},
    {0, NULL},
};

PyType_Spec loop_spec = {
    .name = "_girin.Loop",
    .basicsize = sizeof(Loop),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = loop_slots,
};
