/* Frames that go out together: outbox.py. */
#include "asgi.h"

/* Sends what there is; from any thread. */
void
outbox_send(Outbox *outbox)
{
    if (outbox->batch->size > 0) {
        send_batch(&outbox->sender, outbox->batch);
    }
}

/* Flushes after what is already due to run; at once if the loop is closed. */
static void
flush_soon(Outbox *outbox)
{
    if (outbox->due) {
        return;
    }
    PyObject *flush = PyObject_GetAttrString((PyObject *)outbox, "flush_due");
    PyObject *handle = flush != NULL ? PyObject_CallFunctionObjArgs(outbox->call_soon, flush, NULL) : NULL;
    Py_XDECREF(flush);
    if (handle == NULL) {
        PyErr_Clear();
        outbox_send(outbox);
        return;
    }
    outbox->due = 1;
    Py_DECREF(handle);
}

/* Adds a frame with a body of so many bytes. */
int
outbox_put(Outbox *outbox, const unsigned char *frame, const Head *head, const char *body, size_t size)
{
    if (batch_add_bytes(outbox->batch, frame, head, body, size) < 0) {
        return -1;
    }
    flush_soon(outbox);
    return 0;
}

/* Adds a frame of an answer with a body, a bytes object. A large one goes to the state page if
 * there is room, else it is sent without copying it first. */
int
outbox_put_body(Outbox *outbox, unsigned char *frame, const Head *head, PyObject *body)
{
    size_t size = (size_t)BYTES_SIZE(body);
    int64_t place = size >= LEAST_PLACED ? page_take(&outbox->units, size) : -1;
    if (place < 0) {
        return size >= LARGE ? send_large(&outbox->sender, outbox->batch, frame, head, body)
                             : outbox_put(outbox, frame, head, BYTES_DATA(body), size);
    }
    page_fill(&outbox->units, (uint32_t)place, &body, 1);
    frame[33] |= IN_PAGE;
    if (batch_add_placed(outbox->batch, frame, head, (uint32_t)place, size) < 0) {
        page_give_back(&outbox->units, (uint32_t)place);
        return -1;
    }
    if (outbox->batch->placed > MAX_PLACED) {
        outbox_send(outbox);
    } else {
        flush_soon(outbox);
    }
    return 0;
}

/* Says that a request has failed, which needs no memory. */
void
outbox_fail(Outbox *outbox, uint64_t id)
{
    unsigned char frame[RESPONSE_HEAD] = {0};
    put_u64(frame, id);
    put_u64(frame + 8, clock_ns(CLOCK_MONOTONIC));
    put_u32(frame + 20, NOT_MEASURED);
    frame[32] = FAILED;
    frame[33] = FINAL;
    if (outbox_put(outbox, frame, NULL, "", 0) < 0) {
        PyErr_Clear();
        send_alone(&outbox->sender, outbox->batch, frame);
    }
}

/* Adds a frame of Python's whose body is large; 0: it is none. */
static int
put_large(Outbox *outbox, PyObject *pieces)
{
    PyObject *items[3];
    for (Py_ssize_t i = 0; i < 3; i++) {
        items[i] = TUPLE_SIZE(pieces) == 3 ? TUPLE_ITEM(pieces, i) : NULL;
        if (items[i] == NULL || !PyBytes_CheckExact(items[i])) {
            return 0;
        }
    }
    const unsigned char *given = (const unsigned char *)BYTES_DATA(items[0]);
    if (BYTES_SIZE(items[2]) < LEAST_PLACED || BYTES_SIZE(items[0]) != RESPONSE_HEAD ||
        (given[32] != RESPONSE && given[32] != BLOCK)) {
        return 0;
    }
    unsigned char frame[RESPONSE_HEAD];
    memcpy(frame, given, sizeof frame);
    Head head = {.data = BYTES_DATA(items[1]), .size = (size_t)BYTES_SIZE(items[1])};
    return outbox_put_body(outbox, frame, &head, items[2]) < 0 ? -1 : 1;
}

/* put(head, head block, body) */
static PyObject *
outbox_py_put(PyObject *self, PyObject *frame)
{
    Outbox *outbox = (Outbox *)self;
    int large = put_large(outbox, frame);
    if (large < 0) {
        return NULL;
    }
    if (large > 0) {
        Py_RETURN_NONE;
    }
    PyObject *batch = PyNumber_InPlaceAdd((PyObject *)outbox->batch, frame);
    Py_XDECREF(batch);
    if (batch == NULL) {
        return NULL;
    }
    flush_soon(outbox);
    Py_RETURN_NONE;
}

static PyObject *
outbox_flush_soon(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    flush_soon((Outbox *)self);
    Py_RETURN_NONE;
}

static PyObject *
outbox_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    outbox_send((Outbox *)self);
    Py_RETURN_NONE;
}

static PyObject *
outbox_flush_due(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((Outbox *)self)->due = 0;
    outbox_send((Outbox *)self);
    Py_RETURN_NONE;
}

static PyObject *
outbox_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    PyObject *call_soon, *page;
    int fd;
    if (!PyArg_ParseTuple(args, "OiO", &call_soon, &fd, &page)) {
        return NULL;
    }
    Outbox *outbox = (Outbox *)PyType_GenericAlloc(type, 0); /* all zero */
    if (outbox == NULL) {
        return NULL;
    }
    outbox->call_soon = Py_NewRef(call_soon);
    outbox->sender.fd = fd;
    outbox->sender.writing = PyThread_allocate_lock();
    outbox->batch = batch_new(PyType_GetModuleState(type));
    if (outbox->sender.writing == NULL || outbox->batch == NULL) {
        Py_DECREF((PyObject *)outbox);
        return PyErr_NoMemory();
    }
    if (PyObject_GetBuffer(page, &outbox->page, PyBUF_WRITABLE) < 0 || page_find(&outbox->units, &outbox->page) < 0) {
        Py_DECREF((PyObject *)outbox);
        return NULL;
    }
    return (PyObject *)outbox;
}

static void
outbox_dealloc(PyObject *self)
{
    Outbox *outbox = (Outbox *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(outbox->call_soon);
    Py_XDECREF((PyObject *)outbox->batch);
    PyBuffer_Release(&outbox->page);
    if (outbox->sender.writing != NULL) {
        PyThread_free_lock(outbox->sender.writing);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef outbox_methods[] = {
    {"put", outbox_py_put, METH_VARARGS, "Adds a frame's head, head block and body."},
    {"flush_soon", outbox_flush_soon, METH_NOARGS, "Flushes after what is already due to run."},
    {"flush", outbox_flush, METH_NOARGS, "Sends what there is; from any thread."},
    {"flush_due", outbox_flush_due, METH_NOARGS, "Ends what flush_soon has begun."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot outbox_slots[] = {
    {Py_tp_doc, "Outbox(call_soon, fd, page): frames that go out together, in one write for each turn of the loop."},
    {Py_tp_new, outbox_new},
    {Py_tp_dealloc, outbox_dealloc},
    {Py_tp_methods, outbox_methods},
    {0, NULL},
};

PyType_Spec outbox_spec = {
    .name = "_girin.Outbox",
    .basicsize = sizeof(Outbox),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = outbox_slots,
};
