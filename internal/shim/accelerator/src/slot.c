/* The base class of a thread's slot: leadership. The table of
 * states is in threads.py; the token is its "token in held". */
#include "girin.h"

enum {
    MAX_BATCH = 32,          /* answers in a batch */
    MAX_HELD = 1000000,      /* ns that the oldest answer of a batch may have waited */
    MAX_HELD_BYTES = 64 << 10, /* a batch larger than this is sent at once */
};

/* Gives up leadership. */
static int
release_leadership(Slot *slot)
{
    Loop *loop = slot->loop;
    if (PyObject_SetAttr(loop->lanes, loop->name_watched, Py_None) < 0) { /* Lanes.go_last */
        return -1;
    }
    PyObject *done = PyObject_CallMethod(loop->leadership, "release", NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* The time first and the id after it, as the page's reader expects. */
static void
enter_page(Slot *slot, uint64_t id, uint64_t began)
{
    __atomic_store_n(&slot->cells[1], began, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->cells[0], id, __ATOMIC_RELEASE);
}

static void
leave_page(Slot *slot)
{
    __atomic_store_n(&slot->cells[0], 0, __ATOMIC_RELEASE);
}

/* Serves a request that is known to be slow, without leading. */
static int
serve_slowly(Slot *slot, size_t size, uint64_t began)
{
    slot_flush(slot);
    if (release_leadership(slot) < 0 || serve(slot, size, began) < 0) {
        return -1;
    }
    slot_flush(slot);
    leave_page(slot);
    return 0;
}

/* Serves a request as the leader; *oldest is when the batch's first answer
 * began. 0: leadership was taken meanwhile. */
static int
serve_leading(Slot *slot, size_t size, uint64_t began, uint64_t *oldest)
{
    Batch *batch = slot->batch;
    int quick = slot->packet[1] & QUICK;
    if (batch->frames > 0 && (!quick || began - *oldest > MAX_HELD || batch->frames >= MAX_BATCH)) {
        slot_flush(slot);
    }
    if (batch->frames == 0) {
        *oldest = began;
    }
    slot->token = 1;
    if (serve(slot, size, began) < 0) {
        return -1;
    }
    leave_page(slot);
    int leads = slot->token;
    slot->token = 0;
    if (!leads || batch->size > MAX_HELD_BYTES) {
        slot_flush(slot);
    }
    return leads;
}

/* A packet was read: it may have been the last that this worker takes. What nobody waits
 * for does not count: clients that leave would use up one worker after the other. */
static int
count_packet(Loop *loop, uint64_t id)
{
    if (loop->lifetime == 0 || is_cancelled(loop, id) || --loop->lifetime > 0) {
        return 0;
    }
    PyObject *done = PyObject_CallMethod(loop->worker, "spend", NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Leads until leadership is lost: 1, or reading has stopped: 0. */
static int
lead(Slot *slot)
{
    uint64_t oldest = 0;
    int leads = 1;
    while (leads > 0) {
        Py_ssize_t size = lanes_next(slot);
        if (size <= 0) {
            return size < 0 || release_leadership(slot) < 0 ? -1 : 0;
        }
        if (size < REQUEST_HEAD) {
            PyErr_Format(slot->loop->protocol_error, "a request packet of %zd bytes", size);
            return -1;
        }
        uint64_t began = clock_ns(CLOCK_MONOTONIC), id = get_u64(slot->packet + 8);
        enter_page(slot, id, began);
        if (count_packet(slot->loop, id) < 0) {
            return -1;
        }
        if (slot->packet[1] & SLOW) {
            return serve_slowly(slot, (size_t)size, began) < 0 ? -1 : 1;
        }
        leads = serve_leading(slot, (size_t)size, began, &oldest);
    }
    return leads < 0 ? -1 : 1;
}

/* What Python calls. */

static int
check_bound(Slot *slot)
{
    if (slot->loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this slot was not bound to a loop");
        return -1;
    }
    return 0;
}

static PyObject *
slot_py_lead(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Slot *slot = (Slot *)self;
    if (check_bound(slot) < 0) {
        return NULL;
    }
    if (slot->app != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "two threads lead with one slot");
        return NULL;
    }
    slot->app = PyObject_GetAttrString(slot->loop->worker, "app");
    if (slot->app == NULL) {
        return NULL;
    }
    int status = lead(slot);
    Py_CLEAR(slot->app);
    return status < 0 ? NULL : PyBool_FromLong(status);
}

static PyObject *
slot_py_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Slot *slot = (Slot *)self;
    if (check_bound(slot) < 0) {
        return NULL;
    }
    slot_flush(slot);
    Py_RETURN_NONE;
}

static PyObject *
slot_py_step_down(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Slot *slot = (Slot *)self;
    if (check_bound(slot) < 0) {
        return NULL;
    }
    if (!slot->token) {
        Py_RETURN_FALSE;
    }
    slot->token = 0;
    slot_flush(slot);
    if (release_leadership(slot) < 0) {
        slot->token = 1; /* it leads on: nobody else could */
        return NULL;
    }
    Py_RETURN_TRUE;
}

static PyObject *
slot_py_before_tail(PyObject *self, PyObject *quick)
{
    Slot *slot = (Slot *)self;
    int is_quick = PyObject_IsTrue(quick);
    if (is_quick < 0 || check_bound(slot) < 0) {
        return NULL;
    }
    slot_before_tail(slot, is_quick);
    Py_RETURN_NONE;
}

static PyObject *
slot_py_after_tail(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    slot_after_tail((Slot *)self);
    Py_RETURN_NONE;
}

static PyMethodDef slot_methods[] = {
    {"lead", slot_py_lead, METH_NOARGS, "Leads until leadership is lost; False: reading has stopped."},
    {"flush", slot_py_flush, METH_NOARGS, "Sends what the batch holds; from any thread."},
    {"step_down", slot_py_step_down, METH_NOARGS,
     "Releases leadership if this slot can still decide that; from any thread."},
    {"before_tail", slot_py_before_tail, METH_O, "The answer is complete; the iterable's last steps follow."},
    {"after_tail", slot_py_after_tail, METH_NOARGS, "close() has returned."},
    {NULL, NULL, 0, NULL},
};

static void
slot_dealloc(PyObject *self)
{
    Slot *slot = (Slot *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free); /* a subclass's may be another */
    kit_drop(slot);
    Py_XDECREF(slot->template.environ);
    Py_XDECREF((PyObject *)slot->batch);
    Py_XDECREF((PyObject *)slot->loop);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot slot_slots[] = {
    {Py_tp_doc, "A thread's place to work: runs one request after another."},
    {Py_tp_dealloc, slot_dealloc},
    {Py_tp_methods, slot_methods},
    {0, NULL},
};

PyType_Spec slot_spec = {
    .name = "_girin.Slot",
    .basicsize = sizeof(Slot),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slot_slots,
};
