/* One request and its answer, as long as it is what nearly all are: a head,
 * then one final frame. */
#include "girin.h"

/* Puts a frame into the slot's batch and its body into units of the state page,
 * which were taken for it. */
static int
emit_placed(Slot *slot, unsigned char *frame, const Head *head, uint32_t place, PyObject *const *blocks,
            Py_ssize_t count, size_t body)
{
    page_fill(&slot->loop->units, place, blocks, count);
    frame[33] |= IN_PAGE;
    if (batch_add_placed(slot->batch, frame, head, place, body) < 0) {
        page_give_back(&slot->loop->units, place);
        return -1;
    }
    if (slot->batch->placed > MAX_PLACED) {
        send_batch(&slot->loop->sender, slot->batch);
    }
    return 0;
}

/* Puts a frame into the slot's batch, into the state page if there is room for its
 * body; a large one is sent. One without head and body needs no memory. */
static int
put_frame(Slot *slot, unsigned char *frame, const Head *head, PyObject *const *blocks, Py_ssize_t count, size_t body)
{
    int64_t place = body >= LEAST_PLACED ? page_take(&slot->loop->units, body) : -1;
    if (place >= 0) {
        return emit_placed(slot, frame, head, (uint32_t)place, blocks, count, body);
    }
    if (body > LARGE && count == 1) {
        return send_large(&slot->loop->sender, slot->batch, frame, head, blocks[0]);
    }
    int status = batch_add(slot->batch, frame, head, blocks, count, body);
    if (status < 0 && head == NULL && body == 0) {
        PyErr_Clear();
        send_alone(&slot->loop->sender, slot->batch, frame);
        return 0;
    }
    return status;
}

/* Puts a frame into the slot's batch: the head unless the kind has none, and
 * blocks (bytes objects) whose sizes make up body. It goes to the state page if
 * there is room; else a large one is sent. */
int
exchange_emit(Exchange *exchange, int kind, int flags, PyObject *const *blocks, Py_ssize_t count, size_t body)
{
    Slot *slot = exchange->slot;
    const Head *head = kind == RESPONSE ? &exchange->head : NULL;
    uint64_t service = (clock_ns(CLOCK_MONOTONIC) - exchange->began) / 1000;
    uint64_t cpu = NOT_MEASURED;
    if (exchange->cpu_began >= 0) {
        cpu = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - (uint64_t)exchange->cpu_began) / 1000;
        cpu = cpu < NOT_MEASURED ? cpu : MAX_MICROSECONDS;
    }
    unsigned char frame[RESPONSE_HEAD];
    put_u64(frame, exchange->id);
    put_u64(frame + 8, exchange->began);
    put_u32(frame + 16, service < NOT_MEASURED ? (uint32_t)service : MAX_MICROSECONDS);
    put_u32(frame + 20, (uint32_t)cpu);
    put_u32(frame + 24, head != NULL ? (uint32_t)head->size : 0);
    put_u32(frame + 28, (uint32_t)body);
    frame[32] = (unsigned char)kind;
    frame[33] = (unsigned char)flags;
    put_u16(frame + 34, head != NULL ? (uint16_t)head->fields : 0);
    int before = exchange->state;
    exchange->state = ENDED;
    int status = put_frame(slot, frame, head, blocks, count, body);
    if (status < 0) {
        exchange->state = before;
    }
    return status;
}

/* Returns (block, fields, length, bodiless) for heads.Head, without notes, or None;
 * the caller owns it. */
static PyObject *
head_facts(const Head *head)
{
    if (!head->given) {
        return Py_NewRef(Py_None);
    }
    PyObject *length = head->length >= 0 ? PyLong_FromLongLong(head->length) : Py_NewRef(Py_None);
    return Py_BuildValue("(y#INO)", head->data, (Py_ssize_t)(head->size - head->notes_size),
                         head->fields - head->notes, length, head->bodiless ? Py_True : Py_False);
}

/* Hands the exchange over to Python, once: from now on exchange->full answers
 * the request, and this object only passes calls on to it. */
int
exchange_adopt(Exchange *exchange)
{
    if (exchange->full != NULL) {
        return 0;
    }
    Slot *slot = exchange->slot;
    int running = slot->environ != NULL && slot->kit.exchange == exchange;
    PyObject *watched = running ? watched_before(slot) : Py_NewRef(Py_None);
    PyObject *head = watched != NULL ? head_facts(&exchange->head) : NULL;
    if (head == NULL) {
        Py_XDECREF(watched);
        return -1;
    }
    /* The order is that of AcceleratedSlot.adopt's parameters. */
    PyObject *full = PyObject_CallMethod(
        (PyObject *)slot, "adopt", "OKKIiiLNinN", running ? slot->environ : Py_None, (unsigned long long)exchange->id,
        (unsigned long long)exchange->began, exchange->window, exchange->quick, exchange->is_head,
        (long long)exchange->cpu_began, head, exchange->state, (Py_ssize_t)exchange->sent, watched);
    if (full != NULL && exchange->full == NULL) {
        exchange->full = full;
    } else {
        Py_XDECREF(full); /* another thread of the app's was quicker */
    }
    return exchange->full != NULL ? 0 : -1;
}

/* Calls a method of the Python exchange; returns what it returns. */
static PyObject *
pass_on(Exchange *exchange, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (exchange_adopt(exchange) < 0) {
        return NULL;
    }
    PyObject *method = PyObject_GetAttrString(exchange->full, name);
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, args, (size_t)count, names);
    Py_DECREF(method);
    return result;
}

/* What the app calls. */

static PyObject *
start_response(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Exchange *exchange = (Exchange *)self;
    int first = exchange->full == NULL && exchange->state == NOTHING && !exchange->head.given;
    if (first && count == 2 && names == NULL && exchange->slot->kit.exchange == exchange &&
        head_encode(&exchange->head, args[0], args[1])) {
        return Py_NewRef(exchange->slot->kit.write);
    }
    return pass_on(exchange, "start_response", args, count, names);
}

static PyObject *
write_body(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return pass_on((Exchange *)self, "write", args, count, names);
}

static PyObject *
early_hints(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return pass_on((Exchange *)self, "early_hints", args, count, names);
}

#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef start_response_def = {
    "start_response", METHOD(start_response), METH_FASTCALL | METH_KEYWORDS, "See PEP 3333."};
static PyMethodDef write_def = {
    "write", METHOD(write_body), METH_FASTCALL | METH_KEYWORDS, "See PEP 3333."};
static PyMethodDef early_hints_def = {
    "early_hints", METHOD(early_hints), METH_FASTCALL | METH_KEYWORDS, "Sends a 103 with these headers."};

/* The kit. */

static int
kit_new(Slot *slot)
{
    Kit *kit = &slot->kit;
    State *state = PyType_GetModuleState(Py_TYPE((PyObject *)slot->loop));
    Exchange *exchange = PyObject_New(Exchange, state->exchange);
    if (exchange == NULL) {
        return -1;
    }
    exchange->slot = (Slot *)Py_NewRef((PyObject *)slot);
    exchange->full = NULL;
    exchange->head = (Head){.length = -1};
    kit->exchange = exchange;
    kit->start_response = PyCFunction_NewEx(&start_response_def, (PyObject *)exchange, NULL);
    kit->write = PyCFunction_NewEx(&write_def, (PyObject *)exchange, NULL);
    kit->early_hints = PyCFunction_NewEx(&early_hints_def, (PyObject *)exchange, NULL);
    return kit->start_response != NULL && kit->write != NULL && kit->early_hints != NULL ? 0 : -1;
}

/* Forgets the kit; what the app still holds of it lives on. */
void
kit_drop(Slot *slot)
{
    Py_CLEAR(slot->kit.start_response);
    Py_CLEAR(slot->kit.write);
    Py_CLEAR(slot->kit.early_hints);
    PyObject *exchange = (PyObject *)slot->kit.exchange;
    slot->kit.exchange = NULL;
    Py_XDECREF(exchange);
}

/* Sees to it that the slot has a kit. */
int
kit_fill(Slot *slot)
{
    if (slot->kit.exchange != NULL) {
        return 0;
    }
    int status = kit_new(slot);
    if (status < 0) {
        kit_drop(slot); /* half a kit is none */
    }
    return status;
}

/* Keeps the kit for the next request if nobody else can call it. */
void
kit_recycle(Slot *slot)
{
    Kit *kit = &slot->kit;
    if (Py_REFCNT(kit->start_response) > 1 || Py_REFCNT(kit->write) > 1 || Py_REFCNT(kit->early_hints) > 1) {
        kit_drop(slot);
        return;
    }
    Py_CLEAR(kit->exchange->full);
    head_reset(&kit->exchange->head);
}

static void
exchange_dealloc(PyObject *self)
{
    Exchange *exchange = (Exchange *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(exchange->full);
    exchange->head.capacity = SIZE_MAX; /* its memory is not kept */
    head_reset(&exchange->head);
    Py_DECREF((PyObject *)exchange->slot);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot exchange_slots[] = {
    {Py_tp_doc, "One request and its answer, until Python takes over."},
    {Py_tp_dealloc, exchange_dealloc},
    {0, NULL},
};

PyType_Spec exchange_spec = {
    .name = "_girin.Exchange",
    .basicsize = sizeof(Exchange),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = exchange_slots,
};
